"""What the totals say: how many would be refused and why, day by day. Numbers only; the words are in advice.py."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from enforcer.fingerprints.detection import Family
from enforcer.policy import Reason
from enforcer.shadow.coverage import Recorded, Watched
from enforcer.shadow.ledger import MERGED, Distinct, Total
from enforcer.shadow.totals import DAY, HOUR, NO_LINE, Outcome

STOPPED = (Outcome.WOULD_REFUSE, Outcome.REFUSED)
"""What enforcing stops: held back, or already in force."""

WHOLE = 18 * HOUR
"""Seconds of a day that must have been watched for the day to count as a typical one."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a report is made of."""

    totals: list[Total]
    distinct: list[Distinct]
    watched: list[Watched]
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Subscribers:
    """About how many: between ``low`` and ``high``. They differ on a day on which the daemon was started anew."""

    low: int
    high: int

    @property
    def restarted(self) -> bool:
        """Whether it is not known who came before a restart and who came after."""
        return self.low < self.high


@dataclass(frozen=True, slots=True)
class Group:
    """Subscribers of some decisions. None stands for fewer than twenty, or nobody.

    ``days`` has one entry for each day of the report; ``typical`` is the median of the days that were watched.
    """

    typical: int | None
    busiest: Subscribers | None
    days: tuple[Subscribers | None, ...]


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """One family: who would be refused, and how far its shadow period is (seconds)."""

    family: Family
    refused: Group
    handshakes: int
    shadowed: float
    suffices: bool


@dataclass(frozen=True, slots=True)
class ReasonReport:
    """One reason, over all families. ``share`` is of all handshakes counted, 0 to 1."""

    reason: Reason
    stopped: bool
    subscribers: Group
    handshakes: int
    share: float


@dataclass(frozen=True, slots=True)
class LineReport:
    """One class of line (None: on no declared line) and family: who would be refused."""

    line: str | None
    family: Family
    refused: Group
    handshakes: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the totals say of the days from ``days[0]`` on; times in epoch seconds, UTC, periods in seconds.

    ``watched`` is, for each day, for how many seconds somebody could have been called unregistered. ``merged`` is
    the number of handshakes that only merged cells tell of.
    """

    made: float
    days: tuple[int, ...]
    watched: tuple[float, ...]
    period: float
    refused: Group
    families: tuple[FamilyReport, ...]
    reasons: tuple[ReasonReport, ...]
    lines: tuple[LineReport, ...]
    handshakes: int
    merged: int


def first_day(since: float) -> int:
    """The start of the day (UTC) a moment lies in, epoch seconds."""
    return int(since) // DAY * DAY


def make(records: Records, since: float, now: float, period: float) -> Report:
    """The report on the days from ``since`` to ``now`` (epoch seconds), under a shadow period in seconds."""
    days = tuple(range(first_day(since), first_day(now) + DAY, DAY))
    watched = tuple(_watched(records.watched, day) for day in days)
    figures = _Figures(records.distinct, days, watched)
    totals = [total for total in records.totals if total.first >= days[0]]
    handshakes = sum(total.decisions for total in totals)

    def count(family: str = MERGED, reason: str = MERGED, line: str = MERGED, stopped: bool | None = None) -> int:
        return sum(
            total.decisions
            for total in totals
            if family in (MERGED, total.cell.family)
            and reason in (MERGED, total.cell.reason)
            and line in (MERGED, total.cell.line)
            and stopped in (None, total.cell.outcome in STOPPED)
        )

    families = tuple(
        FamilyReport(
            family,
            figures.of(STOPPED, family=family),
            count(family=family, stopped=True),
            records.recorded.shadowed(family),
            records.recorded.suffices(family, period),
        )
        for family in Family
    )
    reasons = [
        ReasonReport(
            Reason(reason),
            stopped,
            figures.of(STOPPED if stopped else (Outcome.PASSED,), reason=reason),
            found := count(reason=reason, stopped=stopped),
            found / handshakes,
        )
        for reason, stopped in {(total.cell.reason, total.cell.outcome in STOPPED) for total in totals}
        if reason != MERGED
    ]
    lines = [
        LineReport(
            None if line == NO_LINE else line,
            Family(family),
            figures.of(STOPPED, family=family, line=line),
            count(family=family, line=line, stopped=True),
        )
        for family, line in {(t.cell.family, t.cell.line) for t in totals if t.cell.outcome in STOPPED}
        if line != MERGED
    ]
    return Report(
        now,
        days,
        watched,
        period,
        figures.of(STOPPED),
        families,
        tuple(sorted(reasons, key=lambda each: (not each.stopped, -each.handshakes, each.reason))),
        tuple(sorted(lines, key=lambda each: (each.line or "~", list(Family).index(each.family)))),
        handshakes,
        count(reason=MERGED) - sum(each.handshakes for each in reasons),
    )


class _Figures:
    """The distinct subscribers of each day, by group."""

    def __init__(self, distinct: Iterable[Distinct], days: tuple[int, ...], watched: tuple[float, ...]) -> None:
        self._days = days
        self._found: dict[tuple[int, str, str, str, str], list[int]] = {}
        seen = set()
        for each in distinct:
            seen.add(each.day)
            key = (each.day, each.family, each.reason, each.line, each.outcome)
            self._found.setdefault(key, []).append(each.subscribers)
        least = min(WHOLE, max(watched))
        # What was counted in a daemon's first moments has no time beside it.
        self._typical = [
            seconds >= least and (seconds > 0 or day in seen) for day, seconds in zip(days, watched, strict=True)
        ]

    def of(self, outcomes: Iterable[str], family: str = MERGED, reason: str = MERGED, line: str = MERGED) -> Group:
        """The subscribers of some outcomes, each day. Parts of a day may be the same people, or others."""
        days = []
        for day in self._days:
            parts = [
                part for outcome in outcomes for part in self._found.get((day, family, reason, line, outcome), ())
            ]
            days.append(Subscribers(max(parts), sum(parts)) if parts else None)
        typical = [
            0 if found is None else found.low for found, usable in zip(days, self._typical, strict=True) if usable
        ]
        busiest = max((found for found in days if found is not None), key=lambda found: found.low, default=None)
        return Group((statistics.median_low(typical) if typical else 0) or None, busiest, tuple(days))


def _watched(watched: Iterable[Watched], day: int) -> float:
    """Seconds of a day; the families are watched together, but for a reload in between."""
    seconds = dict.fromkeys(Family, 0.0)
    for each in watched:
        if day <= each.hour < day + DAY:
            seconds[each.family] += each.seconds
    return max(seconds.values())
