"""What the rest of the program sees of a packet: its outer flow and its transport payload."""

from __future__ import annotations

import ipaddress
from enum import IntEnum
from typing import NamedTuple


class Protocol(IntEnum):
    """IP protocol numbers of the transports we look at (IANA "Assigned Internet Protocol Numbers")."""

    TCP = 6
    UDP = 17
    ESP = 50
    AH = 51

    @property
    def label(self) -> str:
        """The lower-case name used in output: ``tcp``, ``udp``, ``esp`` or ``ah``."""
        return self.name.lower()


class Packet(NamedTuple):
    """One packet of an outer flow.

    Addresses are in network byte order, 4 bytes for IPv4 and 16 for IPv6. Ports are 0 for ESP and AH.
    ``payload`` starts after the UDP or TCP header, and at the ESP or AH header itself; it may be shorter
    than ``payload_length``, the length on the wire, when a capture was snapped.
    """

    protocol: Protocol
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    payload: bytes
    payload_length: int


class Fragment(NamedTuple):
    """One IP fragment (RFC 791 §3.2, RFC 8200 §4.5) on its way to reassembly.

    ``offset`` counts bytes from the start of the fragmentable part; ``data`` is that part as captured and
    ``data_length`` its length on the wire; ``protocol`` is the number of the header ``data`` starts with
    when ``offset`` is 0.
    """

    source: bytes
    destination: bytes
    identification: int
    protocol: int
    offset: int
    more: bool
    data: bytes
    data_length: int


class NotParsed(NamedTuple):
    """Why a frame did not become a packet: a short, fixed text with no data of the packet in it."""

    reason: str


Flow = tuple[Protocol, bytes, int, bytes, int]
"""Protocol, then the two ends sorted: the same for both directions of a 5-tuple."""


def flow_of(packet: Packet) -> Flow:
    """The direction-free key of the packet's flow."""
    if (packet.source, packet.source_port) <= (packet.destination, packet.destination_port):
        return (
            packet.protocol, packet.source, packet.source_port, packet.destination, packet.destination_port,
        )  # fmt: skip
    return (packet.protocol, packet.destination, packet.destination_port, packet.source, packet.source_port)


def format_address(address: bytes) -> str:
    """The address (4 or 16 bytes, network order) as text."""
    return str(ipaddress.ip_address(address))


def format_endpoint(address: bytes, port: int) -> str:
    """``ip:port``, IPv6 in brackets."""
    text = format_address(address)
    return f"[{text}]:{port}" if len(address) == 16 else f"{text}:{port}"
