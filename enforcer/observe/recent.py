"""Refusals of the last ten minutes by subscriber's address, in memory only, for the help desk.

Ages are by the monotonic clock: a clock that is set back keeps nothing for longer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
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
    """One refusal: ``at`` in seconds since the epoch, ``clock`` in monotonic ones. No destination is in it."""

    at: float
    clock: float
    family: Family
    variant: str
    reason: Reason


class RecentRefusals:
    """What was refused to whom lately. Never written anywhere."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[bytes, deque[Refusal]] = OrderedDict()

    def add(self, decision: Decision, now: float, clock: float) -> None:
        """Remember the decision if it is a refusal; ``now`` in epoch seconds, ``clock`` in monotonic ones."""
        if decision.action is not Action.REJECT or decision.who is None or decision.who.address is None:
            return
        detection = decision.detection
        refusals = self._by_address.setdefault(decision.who.address, deque(maxlen=PER_ADDRESS))
        while refusals and clock - refusals[0].clock >= KEPT:
            refusals.popleft()
        refusals.append(Refusal(now, clock, detection.family, detection.variant, decision.reason))
        self._by_address.move_to_end(decision.who.address)
        if len(self._by_address) > ADDRESSES:
            self._by_address.popitem(last=False)

    def of(self, address: bytes, clock: float) -> list[Refusal]:
        """The refusals of an address (4 or 16 bytes), oldest first; ``clock`` in monotonic seconds."""
        return [refusal for refusal in self._by_address.get(address, ()) if clock - refusal.clock < KEPT]

    def addresses(self, since: float) -> list[bytes]:
        """The addresses something was refused to after ``since`` (monotonic seconds), latest first."""
        found = []
        for address, refusals in reversed(self._by_address.items()):
            if refusals[-1].clock <= since:
                break
            found.append(address)
        return found

    def forget(self, addresses: Iterable[bytes]) -> None:
        """Forget the refusals of addresses that somebody else may have now: they are not the new holder's."""
        for address in addresses:
            self._by_address.pop(address, None)

    def expire(self, clock: float) -> None:
        """Forget what is older than KEPT; ``clock`` in monotonic seconds."""
        while self._by_address:
            address, refusals = next(iter(self._by_address.items()))
            if clock - refusals[-1].clock < KEPT:
                return
            del self._by_address[address]
