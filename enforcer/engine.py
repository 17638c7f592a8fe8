"""Packet to Decision: the one way in, for the live queue, replay, explain and the tests."""

from __future__ import annotations

from enforcer.fingerprints.detector import Detector
from enforcer.policy import Decision, Policy
from enforcer.wire.packet import Packet


class Engine:
    """Connects the detector to a policy. The policy may be replaced at any time; flows are kept."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._detector = Detector()

    def decide(
        self, packet: Packet, now: float, inbound: str | None = None, outbound: str | None = None
    ) -> Decision | None:
        """The decision on a packet, None when no family was found in it.

        ``now`` is the packet's time in seconds since the epoch: the queue's clock, or the capture's.
        ``inbound`` and ``outbound`` name the interfaces it comes and goes by, where known.
        """
        detection = self._detector.inspect(packet, now)
        if detection is None:
            return None
        return self.policy.decide(packet, detection, now, inbound, outbound)

    @property
    def flows(self) -> tuple[int, int]:
        """How many flows are remembered: those that wait for the peer's answer, and those proven."""
        candidates = self._detector.candidates
        return candidates, len(self._detector) - candidates

    def expire(self, now: float, limit: int) -> None:
        """Forget what no later packet needs at ``now``: at most ``limit`` flows of each kind, a bounded pause."""
        self._detector.expire(now, limit)
