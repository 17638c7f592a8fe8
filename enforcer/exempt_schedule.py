"""When each exempt name is asked for next. Sans-IO: the caller brings the clock (seconds, monotonic) and the news.

Two classes of names. The operator's own come first, always, and are asked for often. All others, thousands of
them, fill the time between; while no resolver answers at all they wait, but for a probe now and then, so that an
outage neither becomes a flood of questions nor sets thousands of names back.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds in seconds for one class of names.

    An answer with addresses is used for its TTL within ``fresh``, one without (the name does not exist, or has
    no address: RFC 2308) within ``absent``. A failure is tried again after ``retry[0]``, twice that after the
    second, and so on up to ``retry[1]``.
    """

    fresh: tuple[float, float]
    absent: tuple[float, float]
    retry: tuple[float, float]


OWN = Pace(fresh=(10, 300), absent=(60, 300), retry=(5, 60))
"""A new address of the operator's own ePDG that is not exempt yet is a call refused: there are few such names, so
asking is cheap, and 5 minutes is the most we may lag behind a phone whose resolver forgot sooner than ours."""

OTHERS = Pace(fresh=(60, 900), absent=(900, 21600), retry=(30, 3600))
"""About one name in ten exists. 13,000 absent ones every 6 hours and 1,500 others every 15 minutes are 5 questions
a second at most."""

OUTAGE = 24
"""Failures in a row, without any answer between them, after which the resolver counts as out of reach."""

PROBE = 5.0
"""Seconds between two of the other names asked for in an outage: the operator's own may fail for reasons of
their own, and then only these can tell that it is over."""


class Schedule:
    """Says which name is next. Every name taken is to be reported back: ``answered`` or ``failed``."""

    def __init__(self, own: Sequence[str], others: Sequence[str], now: float) -> None:
        self._own = [(now, position, name) for position, name in enumerate(own)]
        first = len(own)
        self._others = [(now, first + position, name) for position, name in enumerate(others)]
        self._order = {name: position for _, position, name in (*self._own, *self._others)}
        self._first_other = first
        self._failures: dict[str, int] = {}
        self._in_a_row = 0
        self._next_probe = now

    @property
    def outage(self) -> bool:
        """Whether the resolver is out of reach, as far as can be told."""
        return self._in_a_row >= OUTAGE

    def take(self, now: float) -> str | None:
        """The name to ask for now, None when none is due. It is not given again before it is reported back."""
        if self._own and self._own[0][0] <= now:
            return heapq.heappop(self._own)[2]
        due = self._other_due()
        if due is None or due > now:
            return None
        self._next_probe = now + PROBE
        return heapq.heappop(self._others)[2]

    def next_due(self) -> float | None:
        """When the next name is due; None when all are being asked for."""
        own = self._own[0][0] if self._own else None
        return min((due for due in (own, self._other_due()) if due is not None), default=None)

    def answered(self, name: str, ttl: float, exists: bool, now: float) -> None:
        """A definite answer came: ``ttl`` in seconds, ``exists`` when it had addresses."""
        self._in_a_row = 0
        self._failures.pop(name, None)
        pace = self._pace(name)
        shortest, longest = pace.fresh if exists else pace.absent
        self._put(name, now + min(max(ttl, shortest), longest))

    def failed(self, name: str, now: float) -> None:
        """No definite answer came."""
        self._in_a_row += 1
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        first, longest = self._pace(name).retry
        self._put(name, now + min(first * 2 ** min(failures - 1, 16), longest))

    def _other_due(self) -> float | None:
        if not self._others:
            return None
        due = self._others[0][0]
        return max(due, self._next_probe) if self.outage else due

    def _pace(self, name: str) -> Pace:
        return OWN if self._order[name] < self._first_other else OTHERS

    def _put(self, name: str, due: float) -> None:
        position = self._order[name]
        heapq.heappush(self._own if position < self._first_other else self._others, (due, position, name))
