"""Integers at any byte of a buffer, many at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


def at_every_byte(octets: Bytes, kind: str) -> npt.NDArray[Any]:
    """The buffer as an overlapping array: item n is the ``kind`` (a NumPy type) that starts at byte n."""
    width = np.dtype(kind).itemsize
    return np.ndarray((len(octets) - width + 1,), kind, octets, 0, (1,))


def rows_at(octets: Bytes, starts: Indices, width: int) -> Bytes:
    """``width`` bytes from each start, one row each."""
    rows = at_every_byte(octets, f"V{width}")[starts]
    return rows.view(np.uint8).reshape(len(starts), width)


def big_endian_16(rows: Bytes, at: int) -> Indices:
    """The big-endian 16-bit number at column ``at`` of each row."""
    number: Indices = rows[:, at].astype(np.int64) << 8 | rows[:, at + 1]
    return number


def number(rows: Bytes, at: int, kind: str) -> npt.NDArray[Any]:
    """The ``kind`` (a NumPy type) at column ``at`` of each row."""
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(rows[:, at : at + width]).view(kind)[:, 0]
