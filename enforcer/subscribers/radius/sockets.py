"""UDP sockets for accounting, and answers that leave from the address that was asked."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any, NamedTuple

RECEIVE_BUFFER = 8 << 20
"""Bytes of datagrams that may wait: about two seconds of 5,000 a second, for the time of a restart."""

# linux/in.h and asm-generic/socket.h; Python's socket module has no names for them.
_IP_PKTINFO = 8
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
# struct in_pktinfo (ip(7)): interface, local address, destination. struct in6_pktinfo (RFC 3542 §6).
_PKTINFO = struct.Struct("=I4s4s")
_PKTINFO6 = struct.Struct("=16sI")
_ANCILLARY_BYTES = socket.CMSG_SPACE(max(_PKTINFO.size, _PKTINFO6.size))

_Ancillary = list[tuple[int, int, bytes]]


class Datagram(NamedTuple):
    """One datagram, and what is needed to answer it."""

    data: bytes
    sender: tuple[Any, ...]
    source: bytes
    """The sender's address, 4 or 16 bytes in network order."""
    reply_from: _Ancillary


def bind(address: str, port: int) -> socket.socket:
    """A non-blocking UDP socket on an IPv4 or IPv6 address. Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        force_buffer(made, _SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.bind((address, port))
    except BaseException:
        made.close()
        raise
    return made


def widen_sending(channel: socket.socket, size: int) -> None:
    """Let ``size`` bytes wait in a local socket."""
    force_buffer(channel, _SO_SNDBUFFORCE, socket.SO_SNDBUF, size)


def force_buffer(made: socket.socket, forced: int, limited: int, size: int) -> None:
    """Set a buffer beyond the system's limit where we may (CAP_NET_ADMIN), up to it where not."""
    made.setsockopt(socket.SOL_SOCKET, limited, size)
    with suppress(PermissionError):
        made.setsockopt(socket.SOL_SOCKET, forced, size)


def receive(listening: socket.socket, most: int) -> Datagram:
    """The next datagram, cut off after ``most`` bytes. Raises BlockingIOError when there is none."""
    data, ancillary, _, sender = listening.recvmsg(most, _ANCILLARY_BYTES)
    return Datagram(data, sender, socket.inet_pton(listening.family, sender[0]), _reply_from(ancillary))


def answer(listening: socket.socket, datagram: Datagram, data: bytes) -> None:
    """Send an answer. One that the network does not take is lost, as any datagram may be."""
    with suppress(OSError):
        listening.sendmsg([data], datagram.reply_from, 0, datagram.sender)


def _reply_from(ancillary: _Ancillary) -> _Ancillary:
    """On a socket for all addresses the kernel would choose one by route, which the client does not know."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            _, local, _ = _PKTINFO.unpack(data)
            return [(level, kind, _PKTINFO.pack(0, local, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            local, _ = _PKTINFO6.unpack(data)
            return [(level, kind, _PKTINFO6.pack(local, 0))]
    return []
