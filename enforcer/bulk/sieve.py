"""Shapes over many packets at once: their third backend, beside the user-space test and the nft expression.

A shape is a bit. Tables give, for each payload length and for each value of a few telling bytes, the shapes that
allow it; packets whose bits are all gone are done. The few that are left are tested whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from enforcer.bulk.headers import Headers
from enforcer.bulk.words import Hashes, Indices, at_every_byte, rows_at
from enforcer.fingerprints.shape import Octets, Shape

_REACH = 128
"""Bytes of the payload among which the telling ones are; less than the slack of a batch's buffer."""

_Table = npt.NDArray[np.uint64]


class Sieve:
    """Finds the packets that have any of the shapes given: exactly those for which ``Shape.matches`` is true."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        by_protocol: dict[int, list[Shape]] = {}
        for shape in shapes:
            by_protocol.setdefault(int(shape.protocol), []).append(shape)
        self._transports = [(protocol, _Transport(found)) for protocol, found in sorted(by_protocol.items())]

    def hits(self, headers: Headers) -> Indices:
        """The frames that have a shape, ascending, by their index in ``headers``."""
        found = []
        for protocol, transport in self._transports:
            rows = np.flatnonzero(
                headers.read & (headers.protocol == protocol) & (headers.captured >= transport.shortest)
            )
            found.append(transport.hits(headers, rows))
        hits: Indices = np.sort(np.concatenate(found))
        return hits


class _Transport:
    """The shapes of one transport, at most 64. ``shortest`` is the least captured payload any needs, in bytes."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        bits = [np.uint64(1) << np.uint64(n) for n in range(len(shapes))]
        self.shortest = min(max(octets.offset + len(octets.value) for octets in shape.octets) for shape in shapes)
        self._lengths = _table([shape.lengths for shape in shapes], bits)
        prefixes = [shape.prefix_lengths for shape in shapes]
        self._prefixes = _table(prefixes, bits) if any(prefixes) else None
        self._telling = [
            (offset, _byte_table([_pinned(shape, offset) for shape in shapes], bits))
            for offset in _telling_offsets(shapes)
        ]

    def hits(self, headers: Headers, rows: Indices) -> Indices:
        """Those of the rows that have one of these shapes."""
        left: Hashes = self._lengths[headers.length[rows]]
        if self._prefixes is not None:
            rows, left = _still(
                rows, left & self._prefixes[at_every_byte(headers.octets, ">u2")[headers.payload[rows]]]
            )
        for offset, table in self._telling:
            rows, left = _still(rows, left & table[headers.octets[headers.payload[rows] + offset]])
        some = int(np.bitwise_or.reduce(left))
        found = [
            _whole(shape, headers, rows[left >> np.uint64(number) & np.uint64(1) != 0])
            for number, shape in enumerate(self._shapes)
            if some >> number & 1
        ]
        return np.unique(np.concatenate(found)) if found else rows


def _still(rows: Indices, left: Hashes) -> tuple[Indices, Hashes]:
    alive = np.flatnonzero(left)
    return rows[alive], left[alive]


def _whole(shape: Shape, headers: Headers, rows: Indices) -> Indices:
    """The rows that have what the tables do not say of the shape: ports, every byte, and that it is captured."""
    if shape.ports and rows.size:
        ports = headers.ports[rows]
        known = [int.from_bytes(port.to_bytes(2, "big"), "little") for port in shape.ports]
        rows = rows[np.isin(ports & 0xFFFF, known) | np.isin(ports >> 16, known)]
    for octets in shape.octets:
        width = len(octets.value)
        if rows.size:
            rows = rows[headers.captured[rows] >= octets.offset + width]
        if rows.size:
            found = rows_at(headers.octets, headers.payload[rows] + octets.offset, width)
            value, mask = (np.frombuffer(some, np.uint8) for some in (octets.value, _mask(octets)))
            rows = rows[(found & mask == value).all(axis=1)]
    return rows


def _mask(octets: Octets) -> bytes:
    return octets.mask or b"\xff" * len(octets.value)


def _table(ranges: Sequence[Sequence[tuple[int, int]]], bits: Sequence[np.uint64]) -> _Table:
    """For each 16-bit number the shapes that allow it; a shape without ranges allows all."""
    table = np.zeros(1 << 16, np.uint64)
    for allowed, bit in zip(ranges, bits, strict=True):
        for low, high in allowed or ((0, 0xFFFF),):
            table[low : high + 1] |= bit
    return table


def _byte_table(pinned: Sequence[tuple[int, int]], bits: Sequence[np.uint64]) -> _Table:
    values = np.arange(256)
    table = np.zeros(256, np.uint64)
    for (value, mask), bit in zip(pinned, bits, strict=True):
        table[values & mask == value] |= bit
    return table


def _pinned(shape: Shape, offset: int) -> tuple[int, int]:
    """The value and mask that the shape asks of the payload's byte at ``offset``."""
    for octets in shape.octets:
        at = offset - octets.offset
        if 0 <= at < len(octets.value):
            return octets.value[at], _mask(octets)[at]
    return 0, 0


def _telling_offsets(shapes: Sequence[Shape]) -> list[int]:
    """The fewest offsets, found greedily, so that each shape asks for two whole bytes there.

    They may lie beyond a short payload: the byte there rules out what the length rules out too.
    """
    offsets: list[int] = []
    while True:
        asked = [
            {offset for offset in range(_REACH) if _pinned(shape, offset)[1] == 0xFF and offset not in offsets}
            for shape in shapes
            if sum(_pinned(shape, offset)[1] == 0xFF for offset in offsets) < 2
        ]
        if not any(asked):
            return offsets
        offsets.append(max(range(_REACH), key=lambda offset: sum(offset in some for some in asked)))
