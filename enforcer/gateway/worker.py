"""Takes packets from the queue, asks the engine, gives verdicts. Whatever goes wrong here, the packet passes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from netfilterqueue import Packet as QueuedPacket

from enforcer.engine import Engine
from enforcer.gateway.ruleset import Marks
from enforcer.log_events import named
from enforcer.observe.latency import Durations
from enforcer.policy import Action, Decision
from enforcer.wire import ip
from enforcer.wire.packet import Packet

log = logging.getLogger(__name__)

LONGEST = 65575
"""Bytes of the longest IP packet (IPv6 header and a full payload): the copy may be shorter, never the length."""


class Worker:
    """Gives the verdicts. ``observe`` is called with every decision, after its verdict is out."""

    def __init__(
        self,
        engine: Engine,
        marks: Marks,
        interface_name: Callable[[int], str | None],
        observe: Callable[[Decision], None],
    ) -> None:
        self._engine = engine
        self._marks = marks
        self._interface_name = interface_name
        self._observe = observe
        self.durations = Durations()
        self.packets = 0
        self.unrecognised = 0
        self.errors = 0

    def handle(self, queued: QueuedPacket) -> None:
        """Give one packet its verdict."""
        began = time.perf_counter_ns()
        self.packets += 1
        decision: Decision | None = None
        try:
            decision = self._decide(queued)
        except Exception:
            self.errors += 1
            if self.errors & (self.errors - 1) == 0:
                log.exception(
                    "a packet could not be judged and was accepted (%d so far)",
                    self.errors,
                    extra=named("packet_fault", errors=self.errors),
                )
        mark = queued.mark & ~self._marks.mask
        if decision is not None and decision.action is Action.REJECT:
            sent_by_initiator = decision.detection.from_initiator
            mark |= self._marks.reject if sent_by_initiator else self._marks.drop_answer
        if mark != queued.mark:
            queued.set_mark(mark)
        queued.accept()
        self.durations.add(time.perf_counter_ns() - began)
        if decision is None:
            self.unrecognised += 1
        else:
            self._observe(decision)

    def _decide(self, queued: QueuedPacket) -> Decision | None:
        packet = ip.parse(queued.get_payload(), LONGEST)
        if not isinstance(packet, Packet):
            return None
        inbound = self._interface_name(queued.indev)
        outbound = self._interface_name(queued.outdev)
        return self._engine.decide(packet, time.time(), inbound, outbound)
