"""What may be written of the hours: cells of twenty subscribers and more, and nothing that shows a smaller one.

Every decision is in one written cell or in none, and whatever else is written is made of written cells alone. So
there is no total to subtract cells from: what was held back is in no figure. docs/shadow-report.md has the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from enforcer.shadow.sketch import Sketch
from enforcer.shadow.totals import DAY, Cell, Hour, Tally

SMALLEST = 20
"""Subscribers behind the smallest cell that is written."""

STEP = 10
"""Numbers of subscribers are rounded to this: the difference of two would show fewer than twenty."""

MERGED = "*"
"""Stands for a cell's part that several small cells were merged over, and in a figure of a day for all of them."""

_COARSER = (("variant",), ("variant", "line"), ("variant", "line", "reason"))
"""What small cells are merged over at the end of a day, the finest way first."""


@dataclass(frozen=True, slots=True)
class Total:
    """Decisions of a cell and the subscribers behind them (a rounded estimate), from the hour that starts at
    ``first`` to the one that starts at ``last``, epoch seconds."""

    first: int
    last: int
    cell: Cell
    decisions: int
    subscribers: int


@dataclass(frozen=True, slots=True)
class Distinct:
    """Distinct subscribers of a day so far (a rounded estimate), ``day`` its start in epoch seconds.

    ``family``, ``reason`` and ``line`` are ``MERGED`` where all of them count. Of a day with several parts
    (the daemon was started anew) each has its own: subscribers are at least as many as in the largest, at most
    their sum.
    """

    day: int
    part: int
    family: str
    reason: str
    line: str
    outcome: str
    subscribers: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What may be written."""

    totals: list[Total] = field(default_factory=list)
    distinct: list[Distinct] = field(default_factory=list)


@dataclass(slots=True)
class _Carried:
    first: int
    tally: Tally


class Ledger:
    """Carries small cells on to later hours of their day, and merges at its end what still is small."""

    def __init__(self) -> None:
        self._carried: dict[Cell, _Carried] = {}
        self._written: dict[Cell, Sketch] = {}

    def take(self, hour: Hour) -> Figures:
        """What may be written now that the hour is over. Hours come in order; a ``last`` one ends its key."""
        for cell, tally in hour.tallies.items():
            carried = self._carried.setdefault(cell, _Carried(hour.start, Tally()))
            carried.tally.merge(tally)
        totals = list(self._write(self._carried, hour.start))
        if hour.last:
            for fields in _COARSER:
                merged: dict[Cell, _Carried] = {}
                for cell, small in self._carried.items():
                    coarse = cell._replace(**dict.fromkeys(fields, MERGED))
                    into = merged.setdefault(coarse, _Carried(small.first, Tally()))
                    into.first = min(into.first, small.first)
                    into.tally.merge(small.tally)
                self._carried = merged
                totals.extend(self._write(merged, hour.start))
        distinct = list(self._distinct(hour)) if totals else []
        if hour.last:
            self._carried, self._written = {}, {}
        return Figures(totals, distinct)

    def _write(self, cells: dict[Cell, _Carried], last: int) -> Iterator[Total]:
        """Take out the cells that are large enough."""
        for cell, carried in list(cells.items()):
            tally = carried.tally
            # An estimate may be above what was counted, this is not.
            if tally.subscribers.at_least < SMALLEST:
                continue
            del cells[cell]
            self._written.setdefault(cell, Sketch()).merge(tally.subscribers)
            # The clock may have been set back.
            first = min(carried.first, last)
            yield Total(first, last, cell, tally.decisions, _rounded(tally.subscribers))

    def _distinct(self, hour: Hour) -> Iterator[Distinct]:
        groups: dict[tuple[str, str, str, str], Sketch] = {}
        for cell, sketch in self._written.items():
            # What was merged belongs to no reason or line in particular, and counts only where all of them do.
            choices = ({part, MERGED} for part in (cell.family, cell.reason, cell.line))
            for family, reason, line in product(*choices):
                groups.setdefault((family, reason, line, cell.outcome), Sketch()).merge(sketch)
        day = hour.start // DAY * DAY
        for group, sketch in groups.items():
            yield Distinct(day, hour.part, *group, _rounded(sketch))


def _rounded(sketch: Sketch) -> int:
    return max(SMALLEST, round(sketch.estimate() / STEP) * STEP)
