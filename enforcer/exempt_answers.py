"""Which addresses of a DNS answer are believed: a poisoned or absurd answer must not exempt half the internet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MAX_ADDRESSES = 128
"""Addresses one name may have. ePDGs have a handful; a country's name stands for all of its networks'."""

NAT64 = ip_network("64:ff9b::/96")
"""RFC 6052 §2.1: behind a DNS64 resolver these are the addresses phones really go to."""

_UNICAST_6 = (ip_network("2000::/3"), NAT64)
"""What IANA has made global unicast, and NAT64. Everything else (unspecified, loopback, mapped, unique local,
link-local, multicast) is no ePDG's."""

_REFUSED_4: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(prefix), why)
    for prefix, why in (
        # RFC 6890 §2.2.2, kept up by IANA's registry of special-purpose addresses, and RFC 5771.
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by subscribers"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)


@dataclass(frozen=True, slots=True)
class Judged:
    """The addresses believed (4 or 16 bytes), and why others were not: nothing to say when all were."""

    addresses: tuple[bytes, ...]
    refused: str | None


def judge(addresses: Sequence[bytes]) -> Judged:
    """Believe what can be an ePDG's address on the internet; nothing of an answer that is absurdly long.

    An ePDG with a private address is known to its operator only, who names it in ``exempt.wifi_calling.prefixes``.
    """
    if len(set(addresses)) > MAX_ADDRESSES:
        return Judged((), f"{len(set(addresses))} addresses, more than {MAX_ADDRESSES}")
    believed = tuple(dict.fromkeys(address for address in addresses if obstacle(address) is None))
    whys = [f"{ip_address(address)} is {why}" for address, why in _obstacles(addresses)]
    return Judged(believed, ", ".join(dict.fromkeys(whys)) or None)


def obstacle(address: bytes) -> str | None:
    """Why an address (4 or 16 bytes) cannot be one to exempt; None when it can."""
    parsed = ip_address(address)
    if parsed.version == 4:
        return next((why for prefix, why in _REFUSED_4 if parsed in prefix), None)
    if not any(parsed in prefix for prefix in _UNICAST_6):
        return "not global unicast"
    if parsed in NAT64:
        return obstacle(address[12:])
    return None


def _obstacles(addresses: Iterable[bytes]) -> Iterable[tuple[bytes, str]]:
    for address in addresses:
        why = obstacle(address)
        if why is not None:
            yield address, why
