"""How many distinct things were seen, without keeping them: HyperLogLog.

P. Flajolet and others, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007), with
the estimator of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284,
algorithm 6), which needs no tables and holds from nothing to billions. Libraries have estimates with bounds that
hold most of the time; what must never be written of fewer than twenty needs one that holds always: ``at_least``.
"""

from __future__ import annotations

import math

import numpy as np

PRECISION = 12
REGISTERS = 1 << PRECISION
ERROR = 1.04 / math.sqrt(REGISTERS)
"""Standard error of an estimate, as a share of it (Flajolet and others, section 1): 1.6 percent."""

_RANK_BITS = 64 - PRECISION
_RANK_MASK = (1 << _RANK_BITS) - 1


class Sketch:
    """A set that only its size can be asked of."""

    __slots__ = ("_registers",)

    def __init__(self) -> None:
        self._registers = bytearray(REGISTERS)

    def add(self, digest: int) -> None:
        """Count a thing by its 64-bit hash; one counted before changes nothing."""
        index = digest >> _RANK_BITS
        rank = _RANK_BITS + 1 - (digest & _RANK_MASK).bit_length()
        if rank > self._registers[index]:
            self._registers[index] = rank

    def merge(self, other: Sketch) -> None:
        """Count all that another sketch, of the same hash, has counted."""
        mine = np.frombuffer(self._registers, np.uint8)
        np.maximum(mine, np.frombuffer(other._registers, np.uint8), out=mine)

    @property
    def at_least(self) -> int:
        """Never more than the number of distinct things counted: each fills one register at most."""
        return REGISTERS - self._registers.count(0)

    def estimate(self) -> float:
        """About how many distinct things were counted."""
        registers = np.frombuffer(self._registers, np.uint8)
        counts = np.bincount(registers, minlength=_RANK_BITS + 1).tolist()
        # The paper's correction for registers that are full is left out: that takes some 10^18 things.
        z = 0.0
        for rank in range(_RANK_BITS, 0, -1):
            z = 0.5 * (z + counts[rank])
        z += REGISTERS * _sigma(counts[0] / REGISTERS)
        return REGISTERS * REGISTERS / (2 * math.log(2) * z)


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, math.nan
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z
