"""Rows by identity: a hash table in one array, a few bytes a row.

Open addressing with linear probing (Knuth, The Art of Computer Programming 3, §6.4), laid out in one go: in the
order of their slots, each row stands in its own or behind the one before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EMPTY = 0xFFFF_FFFF
_HALF = 0xFFFF_FFFF_FFFF_FFFF
# Odd constants, 2^64 by the golden ratio and by e: multiplying spreads what differs in the low bits over the high.
_SPREAD_HIGH = 0x9E37_79B9_7F4A_7C15
_SPREAD_LOW = 0x5E2D_58D8_B3BC_DF1B
_OF_FORM = [form * 0xD1B5_4A32_D192_ED03 & _HALF for form in range(256)]


class Index:
    """Finds the rows of an identity: its form and the halves of its 128 bits."""

    __slots__ = ("_form", "_high", "_low", "_shift", "_table")

    def __init__(self, form: NDArray[np.uint8], high: NDArray[np.uint64], low: NDArray[np.uint64]) -> None:
        count = len(form)
        bits = max(4, (2 * count).bit_length())
        self._shift = 64 - bits
        slot = spread(form, high, low) >> np.uint64(self._shift)
        order = np.argsort(slot)
        place = np.arange(count, dtype=np.int64)
        place += np.maximum.accumulate(slot[order].astype(np.int64) - place)
        size = max(1 << bits, int(place[-1]) + 1 if count else 0)
        table = np.full(size + 1, _EMPTY, np.uint32)
        table[place] = order
        self._table = table.data
        self._form, self._high, self._low = form.data, high.data, low.data

    def rows(self, form: int, high: int, low: int) -> list[int]:
        """The rows of an identity, ascending."""
        spread = _OF_FORM[form] + low * _SPREAD_LOW
        if high:
            spread += high * _SPREAD_HIGH
        slot = (spread & _HALF) >> self._shift
        found: list[int] = []
        table, lows = self._table, self._low
        while (row := table[slot]) != _EMPTY:
            if lows[row] == low and self._high[row] == high and self._form[row] == form:
                found.append(row)
            slot += 1
        if len(found) > 1:
            found.sort()
        return found


def spread(form: NDArray[np.uint8], high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each identity: of different ones seldom the same, and its high bits as good as random."""
    key: NDArray[np.uint64] = np.array(_OF_FORM, np.uint64)[form]
    key += high * np.uint64(_SPREAD_HIGH) + low * np.uint64(_SPREAD_LOW)
    return key
