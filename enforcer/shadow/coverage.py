"""For how long each family was watched without being refused: the shadow period, as it is recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from enforcer.config import ShadowConfig
from enforcer.fingerprints.detection import Family
from enforcer.shadow.totals import HOUR

LONGEST = 2.0
"""Seconds between two ticks that count at most: a loop that stalled decided nothing."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Seconds of shadow time on disk by family, and the families whose period has passed once and for all."""

    seconds: Mapping[Family, float] = field(default_factory=dict)
    passed: frozenset[Family] = frozenset()

    def shadowed(self, family: Family) -> float:
        """Seconds of shadow time on record."""
        return self.seconds.get(family, 0.0)

    def suffices(self, family: Family, period: float) -> bool:
        """Whether a period, in seconds, has been recorded for a family, now or ever."""
        return family in self.passed or self.shadowed(family) >= period


@dataclass(frozen=True, slots=True)
class Watched:
    """Seconds of one hour (``hour`` its start, epoch seconds) in which a family was judged; ``shadow`` of them
    without being refused."""

    hour: int
    family: Family
    seconds: float
    shadow: float


@dataclass(frozen=True, slots=True)
class Unsaved:
    """Time that is to be written, and the families whose period has passed with it."""

    watched: list[Watched]
    passed: frozenset[Family]


class Coverage:
    """Adds up the time between ticks. It counts once it is on disk."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self._clock: float | None = None
        self._unsaved: dict[tuple[int, Family], tuple[float, float]] = {}

    def tick(self, now: float, clock: float, judging: bool, refused: Collection[Family]) -> None:
        """Count the time since the last tick, if any; ``now`` in epoch seconds, ``clock`` in monotonic ones.

        ``judging`` says whether anybody could have been called unregistered, ``refused`` names the families
        whose unregistered tunnels are refused.
        """
        seconds = 0.0 if self._clock is None else min(max(0.0, clock - self._clock), LONGEST)
        self._clock = clock
        if not judging:
            return
        hour = int(now) // HOUR * HOUR
        for family in Family:
            watched, shadow = self._unsaved.get((hour, family), (0.0, 0.0))
            more = 0.0 if family in refused else seconds
            self._unsaved[hour, family] = (watched + seconds, shadow + more)

    def completes(self, period: float) -> bool:
        """Whether a period, in seconds, that is not on record for a family will be once everything is saved."""
        return any(not self.recorded.suffices(family, period) for family in self._reached(period))

    def take(self, period: float) -> Unsaved:
        """What is to be saved now, under a period in seconds; 0 asks for no record, so none passes by it."""
        passed = self._reached(period) if period else frozenset[Family]()
        watched = [Watched(hour, family, *seconds) for (hour, family), seconds in self._unsaved.items()]
        self._unsaved = {}
        return Unsaved(watched, passed | self.recorded.passed)

    def _reached(self, period: float) -> frozenset[Family]:
        seconds = {family: self.recorded.shadowed(family) for family in Family}
        for (_, family), (_, shadow) in self._unsaved.items():
            seconds[family] += shadow
        return frozenset(family for family in Family if seconds[family] >= period)

    def saved(self, unsaved: Unsaved) -> None:
        """What was taken is on disk."""
        seconds = dict(self.recorded.seconds)
        for each in unsaved.watched:
            seconds[each.family] = seconds.get(each.family, 0.0) + each.shadow
        self.recorded = Recorded(seconds, self.recorded.passed | unsaved.passed)


def progress(config: ShadowConfig, shadowed: float) -> str:
    """How far a family's shadow period is, of which ``shadowed`` seconds are on record."""
    if config.file is None:
        return "no time is recorded, for shadow.file is not set"
    return f"{lasting(shadowed)} of {lasting(config.period)} are recorded"


def lasting(seconds: float) -> str:
    """A length of time in its two largest units: 2 d 3 h."""
    whole = int(seconds)
    parts = [
        f"{whole // size % many} {unit}"
        for unit, size, many in (("d", 86400, 10**6), ("h", 3600, 24), ("min", 60, 60), ("s", 1, 60))
        if whole >= size
    ]
    return " ".join(part for part in parts[:2] if not part.startswith("0 ")) or "0 s"
