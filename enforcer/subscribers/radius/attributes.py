"""The attributes that are read, and no others: type numbers, and values as their RFCs define them.

pyrad verifies signatures and makes answers. Packets are taken apart and values read here, because its own decoding
goes by way of text, pads IPv6 addresses that are too short, and takes longer than all the rest.
"""

from __future__ import annotations

import socket
from enum import IntEnum

from enforcer.registry.guards import subscriber_network
from enforcer.registry.model import Network


class Attribute(IntEnum):
    """Type numbers, with the section that defines each."""

    USER_NAME = 1  # RFC 2865 §5.1
    NAS_IP_ADDRESS = 4  # RFC 2865 §5.4
    FRAMED_IP_ADDRESS = 8  # RFC 2865 §5.8
    CALLING_STATION_ID = 31  # RFC 2865 §5.31
    NAS_IDENTIFIER = 32  # RFC 2865 §5.32
    PROXY_STATE = 33  # RFC 2865 §5.33
    ACCT_STATUS_TYPE = 40  # RFC 2866 §5.1
    ACCT_DELAY_TIME = 41  # RFC 2866 §5.2
    ACCT_SESSION_ID = 44  # RFC 2866 §5.5
    EVENT_TIMESTAMP = 55  # RFC 2869 §5.3
    MESSAGE_AUTHENTICATOR = 80  # RFC 2869 §5.14
    NAS_IPV6_ADDRESS = 95  # RFC 3162 §2.1
    FRAMED_IPV6_PREFIX = 97  # RFC 3162 §2.3
    DELEGATED_IPV6_PREFIX = 123  # RFC 4818 §3
    FRAMED_IPV6_ADDRESS = 168  # RFC 6911 §3.1


ADDRESSES = (
    Attribute.FRAMED_IP_ADDRESS,
    Attribute.FRAMED_IPV6_PREFIX,
    Attribute.DELEGATED_IPV6_PREFIX,
    Attribute.FRAMED_IPV6_ADDRESS,
)
"""The attributes that say what a subscriber holds."""

_PREFIXES = frozenset({Attribute.FRAMED_IPV6_PREFIX, Attribute.DELEGATED_IPV6_PREFIX})
_LEFT_OPEN = frozenset({b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe"})


Attributes = dict[int, list[bytes]]
"""The values of a packet's attributes by type number, in order."""


def values(packet: Attributes, attribute: Attribute) -> list[bytes]:
    """Every value of an attribute, in order."""
    return packet.get(attribute, [])


def value(packet: Attributes, attribute: Attribute) -> bytes | None:
    """The value of an attribute of which there is to be at most one; None when there is none, or several."""
    found = values(packet, attribute)
    return found[0] if len(found) == 1 else None


def integer(octets: bytes) -> int:
    """The types integer and date: 4 octets, most significant first. Raises ValueError for another length."""
    if len(octets) != 4:
        raise ValueError(f"{len(octets)} octets: expected 4")
    return int.from_bytes(octets, "big")


def address(octets: bytes) -> str:
    """An IPv4 or IPv6 address as text. Raises ValueError for a length that is neither's."""
    return socket.inet_ntop(socket.AF_INET if len(octets) == 4 else socket.AF_INET6, octets)


def network(attribute: Attribute, octets: bytes) -> Network | None:
    """What a value of one of ADDRESSES says that the subscriber holds.

    None for the Framed-IP-Addresses that leave the choice to the user or the access server (RFC 2865 §5.8).
    Raises ValueError for what is not of the attribute's form, and for what no subscriber can hold.
    """
    if attribute in _PREFIXES:
        return subscriber_network(*_prefix(octets))
    if len(octets) != (4 if attribute is Attribute.FRAMED_IP_ADDRESS else 16):
        raise ValueError(f"{len(octets)} octets are no address")
    return None if octets in _LEFT_OPEN else subscriber_network(octets, 8 * len(octets))


def _prefix(octets: bytes) -> tuple[bytes, int]:
    """A reserved octet, the length in bits, up to 16 octets (RFC 3162 §2.3); bits beyond it do not count."""
    length = octets[1] if len(octets) > 1 else 129
    if length > 128 or len(octets) > 18:
        raise ValueError("no IPv6 prefix")
    host_bits = 128 - length
    number = int.from_bytes(octets[2:].ljust(16, b"\0"), "big") >> host_bits << host_bits
    return number.to_bytes(16, "big"), length
