"""Messages to and from the kernel's nf_tables over netlink (linux/netlink.h, linux/netfilter/nfnetlink.h).

Headers are in the machine's byte order; attributes are padded to four bytes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

NESTED = 0x8000
"""Set in the kind of an attribute that holds attributes."""

DUMP, CREATE = 0x300, 0x400
"""Flags of a message: answer with all there are; make what is not there yet."""

ATTRIBUTE = struct.Struct("=HH")

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 10
_REQUEST, _ACK = 0x1, 0x4
_ERROR, _DONE = 2, 3
_INET = 1
_HEADER = struct.Struct("=IHHII")

BODY = _HEADER.size + 4
"""Where a message's attributes begin: behind nlmsghdr and nfgenmsg."""

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_TYPE = 0x3FFF
_BUFFER = 1 << 16
"""Bytes received at a time: the kernel fills 32 KB of it, and no less when it is offered as much."""

_PATIENCE = 10.0
"""Seconds to wait for a part of an answer: the kernel answers at once, or is busy with a transaction."""


def asked(kind: int, attributes: bytes, flags: int) -> Iterator[bytes]:
    """Each message of the answer to a question; with DUMP in ``flags`` there may be many, else it is one.

    Raises OSError, the kernel's, when it refuses.
    """
    with closing(_socket()) as kernel:
        kernel.send(_ours(kind, flags, 1, attributes))
        while True:
            for what, message in _received(kernel):
                if what == _DONE:
                    return
                yield message
                if not flags & DUMP:
                    return


def transact(messages: list[tuple[int, int, bytes]]) -> None:
    """Carry out messages, each of a kind, flags and attributes, as one transaction: all of them or none.

    Raises OSError, the kernel's, when it refuses.
    """
    last = len(messages)
    frame = struct.pack(">BBH", socket.AF_UNSPEC, 0, _SUBSYSTEM)
    parts = [_message(_BATCH_BEGIN, 0, 0, frame)]
    for number, (kind, flags, attributes) in enumerate(messages, 1):
        parts.append(_ours(kind, flags | (_ACK if number == last else 0), number, attributes))
    parts.append(_message(_BATCH_END, 0, last + 1, frame))
    with closing(_socket()) as kernel:
        kernel.send(b"".join(parts))
        # The kernel answers at the end of all, errors before acknowledgements (nfnetlink_rcv_batch in
        # net/netfilter/nfnetlink.c): where none is raised, it was committed.
        _received(kernel)


def attribute(kind: int, data: bytes) -> bytes:
    """An attribute, padded."""
    length = ATTRIBUTE.size + len(data)
    return ATTRIBUTE.pack(length, kind) + data + bytes(_aligned(length) - length)


def attributes(data: bytes, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The kinds and contents of the attributes between two places. Raises ValueError when there are none such."""
    while place < end:
        length, kind = ATTRIBUTE.unpack_from(data, place)
        if length < ATTRIBUTE.size:
            raise ValueError("an attribute shorter than its header")
        yield kind & _TYPE, data[place + ATTRIBUTE.size : place + length]
        place += _aligned(length)


def _socket() -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    kernel.settimeout(_PATIENCE)
    return kernel


def _ours(kind: int, flags: int, sequence: int, attributes: bytes) -> bytes:
    return _message(_SUBSYSTEM << 8 | kind, flags, sequence, struct.pack(">BBH", _INET, 0, 0) + attributes)


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, sequence, 0) + body


def _received(kernel: socket.socket) -> list[tuple[int, bytes]]:
    """The kinds of the messages that came together, and each whole."""
    data, place = kernel.recv(_BUFFER), 0
    found: list[tuple[int, bytes]] = []
    while place < len(data):
        length, what, _, _, _ = _HEADER.unpack_from(data, place)
        if what == _ERROR:
            (number,) = struct.unpack_from("=i", data, place + _HEADER.size)
            if number:
                raise OSError(-number, os.strerror(-number))
        found.append((what, data[place : place + length]))
        place += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return length + 3 & ~3
