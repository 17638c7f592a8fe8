"""Captures through the engine: one report for each flow in which a family was proven or seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from enforcer.bulk.scan import Scanner
from enforcer.bulk.watch import Sighting, Watch
from enforcer.engine import Engine
from enforcer.fingerprints.detection import Detection, Standing
from enforcer.policy import Decision
from enforcer.wire import link
from enforcer.wire.batch import Batch, Records
from enforcer.wire.frame import Frame
from enforcer.wire.packet import Flow, Fragment, NotParsed, Packet, Protocol, flow_of, format_endpoint
from enforcer.wire.reassembly import Reassembler

FLOWS_KEPT = 1_000_000
"""Flows whose first sender and packet count are remembered; beyond, those quiet longest start anew."""

_RANK = {Standing.PROVEN: 2, Standing.SEEN: 0}
_HANDSHAKE = 3


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
    """Feeds one capture's frames to an engine, by the capture's own clock.

    The engine sees every packet that can change an answer, in the capture's order: those with a shape, those of
    flows in which a family was proven by something other than a handshake, and all that cannot be read in bulk.
    The rest cannot: a packet without a shape is never proven (sieve ⊇ proof), is seen only on a proven flow, and a
    flow whose handshake was reported has its final report.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._scanner = Scanner(FLOWS_KEPT)
        self._reports: dict[Flow, FlowReport] = {}
        self._reassembler = Reassembler(capacity=4096, timeout=30.0)
        self.frames = 0
        self.packets = 0
        self.not_parsed: dict[str, int] = {}

    def feed(self, capture: Iterable[Records]) -> Iterator[int]:
        """Take frames in, yielding the count of frames now and then for a progress bar."""
        for records in capture:
            self._records(records)
            yield self.frames

    def reports(self) -> list[FlowReport]:
        """The flows in which a family was proven or seen, in the order of their deciding frames."""
        return sorted(self._reports.values(), key=lambda report: report.frame)

    def unread(self) -> str | None:
        """How many frames were not read, and why, in words; None when all were."""
        if not self.not_parsed:
            return None
        reasons = sorted(self.not_parsed.items(), key=lambda item: (-item[1], item[0]))
        told = ", ".join(f"{count} {reason}" for reason, count in reasons)
        return f"{sum(self.not_parsed.values())} of {self.frames} frames not read: {told}"

    def _records(self, records: Records) -> None:
        scan = self._scanner.scan(records)
        frame = records.frame if isinstance(records, Batch) else records.__getitem__
        packets: dict[int, Packet] = {}
        for index in scan.unread:
            packet = self._alone(frame(index))
            if packet is not None:
                packets[index] = packet
        self.packets += len(records) - len(scan.unread) + len(packets)
        for sighting in self._scanner.sightings(scan, packets):
            one = frame(sighting.frame)
            found = packets.get(sighting.frame) or link.decode(one.link_type, one.data, one.wire_length)
            assert isinstance(found, Packet), "read in bulk, and not by itself"
            self._packet(found, one, sighting)
        self.frames += len(records)

    def _alone(self, frame: Frame) -> Packet | None:
        """The packet in a frame, or the one whose last missing fragment it was."""
        packet: Packet | Fragment | NotParsed | None = link.decode(frame.link_type, frame.data, frame.wire_length)
        if isinstance(packet, Fragment):
            packet = self._reassembler.add(packet, frame.time)
        if isinstance(packet, NotParsed):
            self.not_parsed[packet.reason] = self.not_parsed.get(packet.reason, 0) + 1
            return None
        return packet

    def _packet(self, packet: Packet, frame: Frame, sighting: Sighting) -> None:
        decision = self._engine.decide(packet, frame.time)
        if decision is None or decision.detection.standing is Standing.CANDIDATE:
            return
        key = flow_of(packet)
        rank = _rank(decision.detection)
        reported = self._reports.get(key)
        if reported is not None and rank <= _rank(reported.decision.detection):
            return
        ends = (
            format_endpoint(packet.source, packet.source_port),
            format_endpoint(packet.destination, packet.destination_port),
        )
        client, server = ends if sighting.from_client else reversed(ends)
        self._reports[key] = FlowReport(
            packet.protocol.label, client, server, frame.number, sighting.packet, frame.time, decision
        )
        # ESP and AH are only ever seen; elsewhere a handshake may follow what was proven without one.
        native = packet.protocol in (Protocol.ESP, Protocol.AH)
        self._scanner.watch(sighting.slot, Watch.NONE if native or rank == _HANDSHAKE else Watch.ALL)


def _rank(detection: Detection) -> int:
    return _RANK[detection.standing] + (detection.standing is Standing.PROVEN and detection.handshake)
