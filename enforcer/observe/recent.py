"""Refusals of the last ten minutes by subscriber's address, in memory only, for the help desk."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from enforcer.fingerprints.detection import Family
from enforcer.policy import Action, Decision, Reason

KEPT = 600.0
"""Seconds a refusal is remembered."""

PER_ADDRESS = 8
"""Refusals remembered of one address; the oldest go first."""

ADDRESSES = 65536
"""Addresses remembered; the one refused longest ago goes first."""


class Refusal(NamedTuple):
    """One refusal: ``at`` in seconds since the epoch. No destination is in it."""

    at: float
    family: Family
    variant: str
    reason: Reason


class RecentRefusals:
    """What was refused to whom lately. Never written anywhere."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[bytes, deque[Refusal]] = OrderedDict()

    def add(self, decision: Decision, now: float) -> None:
        """Remember the decision if it is a refusal."""
        if decision.action is not Action.REJECT or decision.who is None or decision.who.address is None:
            return
        detection = decision.detection
        refusals = self._by_address.setdefault(decision.who.address, deque(maxlen=PER_ADDRESS))
        while refusals and now - refusals[0].at >= KEPT:
            refusals.popleft()
        refusals.append(Refusal(now, detection.family, detection.variant, decision.reason))
        self._by_address.move_to_end(decision.who.address)
        if len(self._by_address) > ADDRESSES:
            self._by_address.popitem(last=False)

    def of(self, address: bytes, now: float) -> list[Refusal]:
        """The refusals of an address (4 or 16 bytes), oldest first."""
        return [refusal for refusal in self._by_address.get(address, ()) if now - refusal.at < KEPT]

    def addresses(self, since: float) -> list[bytes]:
        """The addresses something was refused to after ``since``, latest first."""
        found = []
        for address, refusals in reversed(self._by_address.items()):
            if refusals[-1].at <= since:
                break
            found.append(address)
        return found

    def expire(self, now: float) -> None:
        """Forget what is older than KEPT."""
        while self._by_address:
            address, refusals = next(iter(self._by_address.items()))
            if now - refusals[-1].at < KEPT:
                return
            del self._by_address[address]
