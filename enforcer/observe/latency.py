"""How long verdicts take, counted in fixed buckets: cheap enough to do for every packet."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 250e-3, 1.0)
"""Upper bounds in seconds, inclusive. A verdict usually takes some 50 µs; beyond 10 ms something is wrong."""

_BOUNDS = tuple(round(bound * 1e9) for bound in BOUNDS)


class Durations:
    """Durations by bucket. ``counts`` has one more than BOUNDS, for what is longer than all of them."""

    __slots__ = ("counts", "nanoseconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.nanoseconds = 0

    def add(self, nanoseconds: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(_BOUNDS, nanoseconds)] += 1
        self.nanoseconds += nanoseconds

    @property
    def seconds(self) -> float:
        """The sum of all durations."""
        return self.nanoseconds / 1e9
