"""What the kernel's nf_tables holds, read by netlink: beside a million elements, nft(8) takes 12 s for a list.

nft 1.0 fetches every element of every set before it lists tables or counters. Messages and attributes are those
of linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h and linux/netlink.h: headers in the machine's byte
order, numbers in attributes in network order, attributes padded to four bytes.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing

import numpy as np

from enforcer.gateway.nft import CommandError
from enforcer.gateway.ruleset import TABLE

Point = tuple[int, bool]
"""An address at which an interval begins, or, with True, the first after its end."""

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 10 << 8
_GETCHAIN, _GETRULE, _GETSETELEM, _GETGEN, _GETOBJ = (_SUBSYSTEM | kind for kind in (4, 7, 13, 16, 19))
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300
_INET = 1
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BODY = _HEADER.size + 4
"""Where a message's attributes begin: behind nlmsghdr and nfgenmsg."""
_TYPE = 0x3FFF
_TABLE_ATTRIBUTE = 1
"""Of chains, rules, element lists and objects alike."""
_SET_NAME, _ELEMENTS, _ELEMENT, _KEY, _VALUE, _ELEMENT_FLAGS = 2, 3, 1, 1, 1, 3
_INTERVAL_END = 1
_OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA, _COUNTER = 2, 3, 4, 1
_BYTES, _PACKETS = 1, 2
_BUFFER = 1 << 16
"""Bytes received at a time: the kernel fills 32 KB of it, and no less when it is offered as much."""


def generation() -> int:
    """The number of transactions so far in this network namespace, any program's; 32 bits. Raises CommandError."""
    for message in _asked(_GETGEN, b"", 0):
        (number,) = struct.unpack(">I", dict(_attributes(message, _BODY, len(message)))[1])
        return int(number)
    raise CommandError("nf_tables: no answer to the question for its generation")


def rules() -> bytes | None:
    """A digest of our table's chains and rules as they stand; None when there are none. Raises CommandError."""
    digest, found = hashlib.sha256(), False
    for kind in (_GETCHAIN, _GETRULE):
        for message in _asked(kind, _attribute(_TABLE_ATTRIBUTE, _OURS), _DUMP):
            # A dump of chains is of every table.
            if dict(_attributes(message, _BODY, len(message)))[_TABLE_ATTRIBUTE] == _OURS:
                found = True
                digest.update(message[_BODY:])
    return digest.digest() if found else None


def counters() -> dict[str, tuple[int, int]]:
    """Packets and bytes of each named counter of our table. Raises CommandError when there is none."""
    found: dict[str, tuple[int, int]] = {}
    wanted = _attribute(_TABLE_ATTRIBUTE, _OURS) + _attribute(_OBJECT_TYPE, struct.pack(">I", _COUNTER))
    for message in _asked(_GETOBJ, wanted, _DUMP):
        of = dict(_attributes(message, _BODY, len(message)))
        data = of[_OBJECT_DATA]
        counts = dict(_attributes(data, 0, len(data)))
        name = of[_OBJECT_NAME].rstrip(b"\0").decode()
        found[name] = int.from_bytes(counts[_PACKETS], "big"), int.from_bytes(counts[_BYTES], "big")
    if not found:
        raise CommandError(f"table {TABLE} is not in the kernel")
    return found


def addresses(name: str, width: int) -> bytes:
    """The elements of a set of single addresses, one after the other, each of ``width`` bytes, in no order.

    A dump that something else is written beside may lack an element, or have it twice (nft_rhash_walk in
    net/netfilter/nft_set_hash.c counts its way back to where it was). Raises CommandError when there is no set.
    """
    parts: list[bytes] = []
    stride = 3 * _ATTRIBUTE.size + width
    for message in _asked(_GETSETELEM, _set(name), _DUMP):
        data = _elements(message)
        # All alike in our sets, and in columns: a million one by one would keep verdicts waiting.
        heads = np.frombuffer(data, np.uint8)
        if data and len(data) % stride == 0:
            rows = heads.reshape(-1, stride)
            if bool((rows[:, :-width] == rows[0, :-width]).all()):
                parts.append(rows[:, -width:].tobytes())
                continue
        parts.extend(key for key, _ in _one_by_one(data))
    return b"".join(parts)


def points(name: str) -> list[Point]:
    """The ends of an interval set's elements, in no order. Raises CommandError when there is no such set."""
    return [
        (int.from_bytes(key, "big"), end)
        for message in _asked(_GETSETELEM, _set(name), _DUMP)
        for key, end in _one_by_one(_elements(message))
    ]


def holds(name: str, address: bytes) -> bool:
    """Whether an address is an element of a set. Raises CommandError."""
    key = _attribute(_KEY | _NESTED, _attribute(_VALUE, address))
    wanted = _set(name) + _attribute(_ELEMENTS | _NESTED, _attribute(_ELEMENT | _NESTED, key))
    try:
        return any(True for _ in _asked(_GETSETELEM, wanted, 0))
    except CommandError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise


_NESTED = 0x8000
_OURS = TABLE.split()[1].encode() + b"\0"


def _set(name: str) -> bytes:
    return _attribute(_TABLE_ATTRIBUTE, _OURS) + _attribute(_SET_NAME, name.encode() + b"\0")


def _asked(kind: int, attributes: bytes, flags: int) -> Iterator[bytes]:
    """Each message of an answer. Raises CommandError, from the kernel's error, when it refuses."""
    body = struct.pack(">BBH", _INET, 0, 0) + attributes
    try:
        with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)) as kernel:
            kernel.settimeout(_PATIENCE)
            kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body)
            while True:
                data = kernel.recv(_BUFFER)
                place = 0
                while place < len(data):
                    length, what, _, _, _ = _HEADER.unpack_from(data, place)
                    if what == _DONE:
                        return
                    if what == _ERROR:
                        (number,) = struct.unpack_from("=i", data, place + _HEADER.size)
                        raise OSError(-number, os.strerror(-number))
                    yield data[place : place + length]
                    if not flags & _DUMP:
                        return
                    place += _aligned(length)
    except OSError as error:
        raise CommandError(f"nf_tables cannot be asked: {error.strerror or error}") from error


_PATIENCE = 10.0
"""Seconds to wait for a part of an answer: the kernel answers at once, or is busy with a transaction."""


def _elements(message: bytes) -> bytes:
    return dict(_attributes(message, _BODY, len(message))).get(_ELEMENTS, b"")


def _one_by_one(data: bytes) -> Iterable[tuple[bytes, bool]]:
    for _, element in _attributes(data, 0, len(data)):
        of = dict(_attributes(element, 0, len(element)))
        key = of[_KEY]
        flags = int.from_bytes(of.get(_ELEMENT_FLAGS, b""), "big")
        yield dict(_attributes(key, 0, len(key)))[_VALUE], bool(flags & _INTERVAL_END)


def _attributes(data: bytes, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    while place < end:
        length, kind = _ATTRIBUTE.unpack_from(data, place)
        if length < _ATTRIBUTE.size:
            raise CommandError("nf_tables: an answer is not understood")
        yield kind & _TYPE, data[place + _ATTRIBUTE.size : place + length]
        place += _aligned(length)


def _attribute(kind: int, data: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(_aligned(length) - length)


def _aligned(length: int) -> int:
    return length + 3 & ~3
