"""What was decided this hour, cell by cell, and about how many subscribers are behind each.

Subscribers are hashed at once, under a random key that lives for one UTC day, in memory only: neither the key nor
a sketch ever reaches a disk. Which cells may be written is the ledger's business.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from enforcer.policy import Action, Decision, Who
from enforcer.shadow.sketch import Sketch

HOUR = 3600
DAY = 86400

NO_LINE = "-"
"""Stands where a subscriber is on no declared line; the name of a line is never empty or this."""


class Outcome(StrEnum):
    """What became of a handshake, or would have."""

    PASSED = "passed"
    WOULD_REFUSE = "would_refuse"
    """It passed because something held the gateway back: the mode, most of all."""
    REFUSED = "refused"


class Cell(NamedTuple):
    """What decisions are counted by. Every part is of a small fixed set, or the name of a configured line."""

    family: str
    variant: str
    reason: str
    line: str
    outcome: str


@dataclass(slots=True)
class Tally:
    """Decisions, and the subscribers behind them."""

    decisions: int = 0
    subscribers: Sketch = field(default_factory=Sketch)

    def merge(self, other: Tally) -> None:
        """Take in what another tally counted under the same key."""
        self.decisions += other.decisions
        self.subscribers.merge(other.subscribers)


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour that is over, or as much of it as there was.

    ``start`` in epoch seconds, a whole hour UTC. ``part`` tells the key: tallies of one part may be merged.
    ``last`` says that its key is gone: the day is over, or the daemon stops.
    """

    start: int
    part: int
    last: bool
    tallies: dict[Cell, Tally]


class Totals:
    """Counts the decisions of the running hour."""

    def __init__(self, now: float) -> None:
        self._start = _hour(now)
        self._tallies: dict[Cell, Tally] = {}
        self._renew()

    def observe(self, decision: Decision) -> None:
        """Count a decision about a subscriber. What says nothing of one (data, an unanswered candidate, Wi-Fi
        calling, a console's IPsec) is not counted."""
        who = decision.who
        if who is None:
            return
        subscriber = _subscriber(who)
        if subscriber is None:
            return
        cell = Cell(
            decision.detection.family,
            decision.detection.variant,
            decision.reason,
            NO_LINE if who.line is None else who.line.name,
            _outcome(decision),
        )
        tally = self._tallies.get(cell)
        if tally is None:
            tally = self._tallies[cell] = Tally()
        tally.decisions += 1
        digest = hashlib.blake2b(subscriber, key=self._key, digest_size=8).digest()
        tally.subscribers.add(int.from_bytes(digest))

    def roll(self, now: float) -> Hour | None:
        """The hour that was over before ``now`` (epoch seconds), once; None while it still runs."""
        start = _hour(now)
        if start == self._start:
            return None
        over = self._take(last=start // DAY != self._start // DAY)
        self._start = start
        return over

    def close(self) -> Hour:
        """What there is of the running hour, and the end of its key."""
        return self._take(last=True)

    def _take(self, last: bool) -> Hour:
        over = Hour(self._start, self._part, last, self._tallies)
        self._tallies = {}
        if last:
            self._renew()
        return over

    def _renew(self) -> None:
        self._key = secrets.token_bytes(32)
        self._part = secrets.randbits(62)


def _hour(now: float) -> int:
    return int(now) // HOUR * HOUR


def _outcome(decision: Decision) -> Outcome:
    if decision.action is Action.REJECT:
        return Outcome.REFUSED
    return Outcome.WOULD_REFUSE if decision.would is Action.REJECT else Outcome.PASSED


def _subscriber(who: Who) -> bytes | None:
    """What tells a subscriber from another: the tag of the number, else the address, of IPv6 its /64."""
    if who.holding is not None and who.holding.tag is not None:
        return b"tag" + who.holding.tag
    address = who.address
    if address is None:
        return None
    return b"address" + (address[:8] if len(address) == 16 else address)
