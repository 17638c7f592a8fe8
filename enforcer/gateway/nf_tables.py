"""What the kernel's nf_tables holds, read by netlink: beside a million elements, nft(8) takes 12 s for a list.

nft 1.0 fetches every element of every set before it lists tables or counters. Messages and attributes are those
of linux/netfilter/nf_tables.h, numbers in attributes in network order.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from enforcer.gateway import netlink
from enforcer.gateway.elements import ELEMENTS, KEY, OURS, TABLE_NAME, VALUE, elements, of_set
from enforcer.gateway.netlink import ATTRIBUTE, BODY, DUMP, attribute
from enforcer.gateway.nft import CommandError
from enforcer.gateway.ruleset import TABLE

T = TypeVar("T")

Point = tuple[int, bool]
"""An address at which an interval begins, or, with True, the first after its end."""

_GETCHAIN, _GETRULE, _GETSETELEM, _GETGEN, _GETOBJ = 4, 7, 13, 16, 19
_ELEMENT_FLAGS, _INTERVAL_END = 3, 1
_OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA, _COUNTER = 2, 3, 4, 1
_BYTES, _PACKETS = 1, 2
_TRIES = 20


def generation() -> int:
    """The number of transactions so far in this network namespace, any program's; 32 bits. Raises CommandError."""
    for message in _asked(_GETGEN, b"", 0):
        (number,) = struct.unpack(">I", dict(_attributes(message, BODY, len(message)))[1])
        return int(number)
    raise CommandError("nf_tables: no answer to the question for its generation")


class Rules(NamedTuple):
    """Our table's chains and rules as they stood after the transaction number ``generation``.

    ``digest`` is None when there are none.
    """

    digest: bytes | None
    generation: int


def rules() -> Rules:
    """What they are now. Raises CommandError, also when other programs write all the while."""
    return Rules(*_undisturbed(_digest))


def _undisturbed(read: Callable[[], T]) -> tuple[T, int]:
    # What is written while the kernel answers, it answers with a part of (NLM_F_DUMP_INTR in linux/netlink.h).
    for _ in range(_TRIES):
        before = generation()
        found = read()
        if generation() == before:
            return found, before
    raise CommandError(f"nf_tables was written to by other programs during each of {_TRIES} attempts to read it")


def _digest() -> bytes | None:
    digest, found = hashlib.sha256(), False
    for kind in (_GETCHAIN, _GETRULE):
        for message in _asked(kind, attribute(TABLE_NAME, OURS), DUMP):
            # A dump of chains is of every table.
            if dict(_attributes(message, BODY, len(message)))[TABLE_NAME] == OURS:
                found = True
                digest.update(message[BODY:])
    return digest.digest() if found else None


def counters() -> dict[str, tuple[int, int]]:
    """Packets and bytes of each named counter of our table. Raises CommandError when there is none."""
    found, _ = _undisturbed(_counters)
    if not found:
        raise CommandError(f"table {TABLE} is not in the kernel")
    return found


def _counters() -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    wanted = attribute(TABLE_NAME, OURS) + attribute(_OBJECT_TYPE, struct.pack(">I", _COUNTER))
    for message in _asked(_GETOBJ, wanted, DUMP):
        of = dict(_attributes(message, BODY, len(message)))
        data = of[_OBJECT_DATA]
        counts = dict(_attributes(data, 0, len(data)))
        name = of[_OBJECT_NAME].rstrip(b"\0").decode()
        found[name] = int.from_bytes(counts[_PACKETS], "big"), int.from_bytes(counts[_BYTES], "big")
    return found


def addresses(name: str, width: int) -> bytes:
    """The elements of a set of single addresses, one after the other, each of ``width`` bytes, in no order.

    A dump that something else is written beside may lack an element, or have it twice (nft_rhash_walk in
    net/netfilter/nft_set_hash.c counts its way back to where it was). Raises CommandError when there is no set.
    """
    parts: list[bytes] = []
    stride = 3 * ATTRIBUTE.size + width
    for message in _asked(_GETSETELEM, of_set(name), DUMP):
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
        for message in _asked(_GETSETELEM, of_set(name), DUMP)
        for key, end in _one_by_one(_elements(message))
    ]


def holds(name: str, address: bytes) -> bool:
    """Whether an address is an element of a set. Raises CommandError."""
    try:
        return any(True for _ in _asked(_GETSETELEM, of_set(name) + elements([address]), 0))
    except CommandError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise


def _asked(kind: int, attributes: bytes, flags: int) -> Iterator[bytes]:
    """Each message of an answer. Raises CommandError, from the kernel's error, when it refuses."""
    try:
        yield from netlink.asked(kind, attributes, flags)
    except OSError as error:
        raise CommandError(f"nf_tables cannot be asked: {error.strerror or error}") from error


def _elements(message: bytes) -> bytes:
    return dict(_attributes(message, BODY, len(message))).get(ELEMENTS, b"")


def _one_by_one(data: bytes) -> Iterable[tuple[bytes, bool]]:
    for _, element in _attributes(data, 0, len(data)):
        of = dict(_attributes(element, 0, len(element)))
        key = of[KEY]
        flags = int.from_bytes(of.get(_ELEMENT_FLAGS, b""), "big")
        yield dict(_attributes(key, 0, len(key)))[VALUE], bool(flags & _INTERVAL_END)


def _attributes(data: bytes, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    try:
        yield from netlink.attributes(data, place, end)
    except ValueError:
        raise CommandError("nf_tables: an answer is not understood") from None
