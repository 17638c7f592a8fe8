"""Addresses and prefixes as a list writes them, and which of them nobody can have meant."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from enforcer.registry.characters import foreign_character
from enforcer.registry.model import Network

_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_LEADING_ZERO = re.compile(r"(?=.*\b0[0-9])[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?")
_SHORTEST = {4: 8, 6: 16}
_BROAD = {4: 16, 6: 32}
_MAPPED = IPv6Network("::ffff:0:0/96")
_NOT_ASSIGNABLE: tuple[tuple[Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "'this network' (RFC 6890 §2.2.2)"),
    (IPv4Network("127.0.0.0/8"), "loopback (RFC 6890 §2.2.2)"),
    (IPv4Network("169.254.0.0/16"), "link-local (RFC 6890 §2.2.2)"),
    (IPv4Network("224.0.0.0/4"), "multicast (RFC 5771)"),
    (IPv4Network("240.0.0.0/4"), "reserved (RFC 6890 §2.2.2)"),
    (IPv6Network("::/128"), "the unspecified address (RFC 6890 §2.2.3)"),
    (IPv6Network("::1/128"), "loopback (RFC 6890 §2.2.3)"),
    (IPv6Network("fe80::/10"), "link-local (RFC 6890 §2.2.3)"),
    (IPv6Network("ff00::/8"), "multicast (RFC 4291 §2.7)"),
)
_SUSPECT_OCTETS = {
    4: frozenset({0, 127, 169, *range(224, 256)}),
    6: frozenset({0x00, 0xFE, 0xFF}),
}


def parse_network(text: str) -> Network:
    """An address, or a prefix in CIDR form, as a network.

    Raises ValueError, telling what was expected, for anything else: host bits set, netmasks, zone indices,
    characters beyond ASCII, IPv4-mapped IPv6.
    """
    address, slash, length = text.partition("/")
    if not text.isascii():
        raise ValueError(foreign_character(text))
    if "%" in address:
        raise ValueError("an address with a zone index is local to one machine: expected a global address")
    if slash and not _PREFIX_LENGTH.fullmatch(length):
        raise ValueError("expected a prefix length after '/', as in 192.0.2.0/24; a netmask is not understood")
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(_explain(text)) from None
    if network.version == 6 and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        raise ValueError(f"an IPv4-mapped IPv6 address: write the IPv4 address, as in {mapped}")
    return network


def plain_identity(text: str) -> tuple[int, bytes] | None:
    """What ``parse_subscriber_network`` makes of plain text, as a form and 16 bytes of address.

    The form is the length of an IPv4 prefix, or 64 more than that of an IPv6 prefix. None when only the parser can
    tell what it is, or when there is something to be said of it.
    """
    address, slash, length = text.partition("/")
    family, bits, base = (socket.AF_INET6, 128, 64) if ":" in address else (socket.AF_INET, 32, 0)
    try:
        packed = socket.inet_pton(family, address)
    except OSError:
        return None
    version = 6 if base else 4
    if packed[0] in _SUSPECT_OCTETS[version]:
        return None
    if slash:
        if not _PREFIX_LENGTH.fullmatch(length) or not _BROAD[version] <= int(length) <= bits:
            return None
        bits = int(length)
        if int.from_bytes(packed, "big") & (1 << len(packed) * 8 - bits) - 1:
            return None
    return base + bits, packed.rjust(16, b"\0")


def subscriber_network(address: bytes, length: int) -> Network:
    """``parse_subscriber_network`` of an address without host bits (4 or 16 bytes, network order) and a length."""
    version = 4 if len(address) == 4 else 6
    if address[0] in _SUSPECT_OCTETS[version] or length < _SHORTEST[version]:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return parse_subscriber_network(f"{socket.inet_ntop(family, address)}/{length}")
    number = int.from_bytes(address, "big")
    return IPv4Network((number, length)) if version == 4 else IPv6Network((number, length))


def parse_subscriber_network(text: str) -> Network:
    """``parse_network``, and the result is something a subscriber can hold.

    Raises ValueError also for special-purpose addresses and for prefixes shorter than /8 (IPv4) or /16
    (IPv6), which cover more than any one holder.
    """
    network = parse_network(text)
    if network.prefixlen < _SHORTEST[network.version]:
        raise ValueError(
            f"the prefix is too broad: /{_SHORTEST[network.version]} is the shortest accepted for "
            f"IPv{network.version}; list the holder's own prefixes"
        )
    first_octet = int(network.network_address) >> (network.max_prefixlen - 8)
    if first_octet in _SUSPECT_OCTETS[network.version]:
        for special, meaning in _NOT_ASSIGNABLE:
            if network.overlaps(special):
                raise ValueError(f"{special} is {meaning}: no subscriber can hold it")
    return network


def parse_peer_network(text: str) -> Network:
    """``parse_network``, and the result says something. Raises ValueError also for 0.0.0.0/0 and ::/0."""
    network = parse_network(text)
    if network.prefixlen == 0:
        raise ValueError("every address is in this prefix: leave peers empty for no condition")
    return network


def breadth_warning(network: Network) -> str | None:
    """What to tell the operator of a prefix shorter than /16 (IPv4) or /32 (IPv6); None for others."""
    if network.prefixlen >= _BROAD[network.version]:
        return None
    return (
        f"{network} covers {network.num_addresses:,} addresses, all of which count as registered: "
        "make sure that one holder has them all"
    )


def _explain(text: str) -> str:
    try:
        interface = ip_interface(text)
    except ValueError:
        if _LEADING_ZERO.fullmatch(text):
            return "an octet has a leading zero, which some read as octal: write it without"
        return "not an address: expected IPv4 or IPv6, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48"
    return (
        f"host bits are set: write {interface.network} for the whole prefix, or {interface.ip} for the one address"
    )
