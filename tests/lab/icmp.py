"""ICMP errors that reach a subscriber: how a polite refusal looks from the client's side."""

from __future__ import annotations

import select
import socket
import struct
import threading
from ipaddress import ip_address
from typing import NamedTuple

from tests.lab.network import Node

_ICMP_UNREACHABLE = 3
_ICMP6_UNREACHABLE = 1
_CODES4 = {0: "network unreachable", 1: "host unreachable", 3: "port unreachable", 4: "fragmentation needed"}
_CODES4 |= {9: "network prohibited", 10: "host prohibited", 13: "administratively prohibited"}
_CODES6 = {0: "no route", 1: "administratively prohibited", 3: "address unreachable", 4: "port unreachable"}


class Unreachable(NamedTuple):
    """One ICMP or ICMPv6 destination-unreachable message (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1).

    ``destination`` and ``port`` are where the refused packet was going.
    """

    sender: str
    version: int
    code: int
    protocol: int
    destination: str
    port: int

    @property
    def prohibited(self) -> bool:
        """Whether the code is "communication administratively prohibited"."""
        return self.code == (13 if self.version == 4 else 1)

    def __str__(self) -> str:
        meaning = (_CODES4 if self.version == 4 else _CODES6).get(self.code, f"code {self.code}")
        return f"ICMP{'v6' if self.version == 6 else ''} {meaning} from {self.sender}"


class IcmpWatch:
    """Collects the destination-unreachable messages that arrive at a node, from creation until ``close``."""

    def __init__(self, node: Node) -> None:
        self._received: list[Unreachable] = []
        self._four = node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._six = node.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self._closing, self._closed = socket.socketpair()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def unreachable(self, destination: str, port: int) -> list[Unreachable]:
        """The messages about packets to that destination and port, in order of arrival."""
        return [m for m in list(self._received) if (m.destination, m.port) == (destination, port)]

    def close(self) -> None:
        """Stop collecting; what was received stays."""
        self._closing.close()
        self._thread.join()
        for each in (self._four, self._six, self._closed):
            each.close()

    def _collect(self) -> None:
        sources = [self._four, self._six, self._closed]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._closed in ready:
                return
            for source in ready:
                data, sender = source.recvfrom(65535)
                message = _parse6(data, sender[0]) if source is self._six else _parse4(data, sender[0])
                if message is not None:
                    self._received.append(message)


def _parse4(data: bytes, sender: str) -> Unreachable | None:
    icmp = data[(data[0] & 15) * 4 :]
    inner = icmp[8:]
    if icmp[0] != _ICMP_UNREACHABLE or len(inner) < 28:
        return None
    (port,) = struct.unpack_from("!H", inner, (inner[0] & 15) * 4 + 2)
    return Unreachable(sender, 4, icmp[1], inner[9], str(ip_address(inner[16:20])), port)


def _parse6(data: bytes, sender: str) -> Unreachable | None:
    inner = data[8:]
    if data[0] != _ICMP6_UNREACHABLE or len(inner) < 48:
        return None
    (port,) = struct.unpack_from("!H", inner, 42)
    return Unreachable(sender, 6, data[1], inner[6], str(ip_address(inner[24:40])), port)
