"""Captures through the engine: one report for each flow in which a family was proven or seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from enforcer.engine import Engine
from enforcer.fingerprints.detection import Detection, Standing
from enforcer.policy import Decision
from enforcer.wire import link
from enforcer.wire.frame import Frame
from enforcer.wire.packet import Flow, Fragment, Packet, flow_of, format_endpoint
from enforcer.wire.reassembly import Reassembler

FLOWS_KEPT = 1_000_000
"""Flows whose first sender and packet count are remembered; beyond, the one quiet longest starts anew."""

_RANK = {Standing.PROVEN: 2, Standing.SEEN: 0}


class _Flow:
    """What is remembered of a flow: nine words, because a capture may have millions."""

    __slots__ = ("client", "client_port", "packets", "server", "server_port")

    def __init__(self, packet: Packet) -> None:
        self.client = packet.source
        self.client_port = packet.source_port
        self.server = packet.destination
        self.server_port = packet.destination_port
        self.packets = 0


@dataclass(frozen=True, slots=True)
class FlowReport:
    """A flow and the decision on its first proving packet, or on its first seen one when none proves.

    ``client`` is the end that sent first. ``frame`` is 1-based in the file; ``packet`` is 1-based among the
    flow's packets with a payload. ``time`` is the packet's, seconds since the epoch.
    """

    transport: str
    client: str
    server: str
    frame: int
    packet: int
    time: float
    decision: Decision

    def as_object(self, file: str) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        decision, detection = self.decision, self.decision.detection
        return {
            "file": file,
            "transport": self.transport,
            "client": self.client,
            "server": self.server,
            "family": str(detection.family),
            "variant": detection.variant,
            "message": detection.message,
            "proven": detection.standing is Standing.PROVEN,
            "frame": self.frame,
            "packet": self.packet,
            "action": str(decision.action),
            "would": str(decision.would),
            "reason": str(decision.reason),
            "held_back": None if decision.held_back is None else str(decision.held_back),
            "evidence": [
                {"offset": evidence.offset, "bytes": bytes(evidence.octets).hex(), "meaning": evidence.meaning}
                for evidence in detection.evidence
            ],
        }


class Replay:
    """Feeds one capture's frames to an engine, by the capture's own clock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._flows: OrderedDict[Flow, _Flow] = OrderedDict()
        self._reports: dict[Flow, FlowReport] = {}
        self._reassembler = Reassembler(capacity=4096, timeout=30.0)
        self.frames = 0
        self.packets = 0
        self.not_parsed: dict[str, int] = {}

    def feed(self, frames: Iterable[Frame]) -> Iterator[int]:
        """Take frames in, yielding the count of frames now and then for a progress bar."""
        for frame in frames:
            self._frame(frame)
            if self.frames & 0x3FFF == 0:
                yield self.frames

    def reports(self) -> list[FlowReport]:
        """The flows in which a family was proven or seen, in the order of their deciding frames."""
        return sorted(self._reports.values(), key=lambda report: report.frame)

    def unread(self) -> str | None:
        """How many frames were not read, and why, in words; None when all were."""
        if not self.not_parsed:
            return None
        reasons = sorted(self.not_parsed.items(), key=lambda item: -item[1])
        told = ", ".join(f"{count} {reason}" for reason, count in reasons)
        return f"{sum(self.not_parsed.values())} of {self.frames} frames not read: {told}"

    def _frame(self, frame: Frame) -> None:
        self.frames += 1
        packet: object = link.decode(frame.link_type, frame.data, frame.wire_length)
        if isinstance(packet, Fragment):
            packet = self._reassembler.add(packet, frame.time)
        if isinstance(packet, Packet):
            self.packets += 1
            self._packet(packet, frame)
        elif packet is not None:
            reason = packet.reason  # type: ignore[attr-defined]
            self.not_parsed[reason] = self.not_parsed.get(reason, 0) + 1

    def _packet(self, packet: Packet, frame: Frame) -> None:
        key = flow_of(packet)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = _Flow(packet)
            if len(self._flows) > FLOWS_KEPT:
                self._flows.popitem(last=False)
        else:
            self._flows.move_to_end(key)
        if packet.payload_length:
            flow.packets += 1
        decision = self._engine.decide(packet, frame.time)
        if decision is None or decision.detection.standing is Standing.CANDIDATE:
            return
        rank = _rank(decision.detection)
        # A flow forgotten at the bound starts anew, but what was reported of it stands.
        reported = self._reports.get(key)
        if reported is None or rank > _rank(reported.decision.detection):
            self._reports[key] = FlowReport(
                packet.protocol.label,
                format_endpoint(flow.client, flow.client_port),
                format_endpoint(flow.server, flow.server_port),
                frame.number,
                flow.packets,
                frame.time,
                decision,
            )


def _rank(detection: Detection) -> int:
    return _RANK[detection.standing] + (detection.standing is Standing.PROVEN and detection.handshake)
