"""Bars over days, as the numbers an SVG is drawn from: pixels from the top left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from enforcer.shadow.report import Subscribers

WIDTH = 720
LEFT = 52
"""Pixels left of the bars, for the scale."""
RIGHT = 16
"""Pixels right of them: the last day's name is wider than its bar."""
HEIGHT = 132
"""Pixels the highest bar has."""
TOP = 24
"""Pixels above it, for its number."""

_ROOM = 90
"""Pixels that two numbers and the word between them take."""

_NUMBERED = 14
"""Days up to which each bar has its number above it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. ``sure`` is how high the part is that is certain, ``top`` the whole; both from the bottom up.

    ``state`` says what it shows: subscribers, few (fewer than twenty, or nobody), or unwatched.
    """

    left: float
    width: float
    sure: float
    top: float
    state: str
    number: str
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the scale, ``up`` from the bottom."""

    up: float
    number: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Days in a row without a bar: few, or unwatched."""

    state: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart."""

    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]
    scale: tuple[Line, ...]
    numbered: bool


def chart(
    days: Sequence[int], found: Sequence[Subscribers | None], watched: Sequence[float], highest: int
) -> Chart:
    """Subscribers by day (``days`` in epoch seconds), on a scale that reaches ``highest``."""
    step = _step(highest)
    most = max(2 * step, -(-highest // step) * step)
    slot = (WIDTH - LEFT - RIGHT) / max(len(days), 7)
    width = min(48.0, slot * 0.72)
    every = -(-len(days) // 12)
    bars = []
    for index, (day, subscribers, seconds) in enumerate(zip(days, found, watched, strict=True)):
        low, high = (0, 0) if subscribers is None else (subscribers.low, subscribers.high)
        state = "subscribers" if high else "few" if seconds else "unwatched"
        # Counted from the last day, which is the one looked at first.
        labelled = (len(days) - 1 - index) % every == 0
        bars.append(
            Bar(
                LEFT + slot * index + (slot - width) / 2,
                width,
                low / most * HEIGHT,
                high / most * HEIGHT,
                state,
                _number(subscribers, slot),
                date(day) if labelled else "",
                f"{date(day)}: {_said(subscribers, state)}",
            )
        )
    scale = tuple(Line(value / most * HEIGHT, f"{value:,}") for value in range(0, most + 1, step))
    return Chart(tuple(bars), tuple(_gaps(bars, slot)), scale, len(days) <= _NUMBERED)


def between(subscribers: Subscribers) -> str:
    """A number, or the two it lies between."""
    low, high = subscribers.low, subscribers.high
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def date(day: float) -> str:
    """A day of the year in few letters: 14 Nov."""
    at = datetime.fromtimestamp(day, UTC)
    return f"{at.day} {at:%b}"


def _gaps(bars: Sequence[Bar], slot: float) -> Iterator[Gap]:
    for state, days in groupby(enumerate(bars), key=lambda each: each[1].state):
        if state != "subscribers":
            first, *rest = (index for index, _ in days)
            yield Gap(state, LEFT + slot * first, slot * (1 + len(rest)))


def _number(subscribers: Subscribers | None, slot: float) -> str:
    if subscribers is None:
        return "<20"
    wide = subscribers.low == subscribers.high or slot >= _ROOM
    return between(subscribers) if wide else f"{subscribers.low:,}+"


def _said(subscribers: Subscribers | None, state: str) -> str:
    if subscribers is not None:
        return f"about {between(subscribers)} subscribers"
    return "fewer than 20 subscribers, or nobody" if state == "few" else "not watched"


def _step(highest: int) -> int:
    """A round number of which four or five reach the highest."""
    step = 10
    while True:
        for factor in (1, 2, 5):
            if highest <= step * factor * 5:
                return step * factor
        step *= 10
