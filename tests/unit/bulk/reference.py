"""Replay as it would be without a scan: every packet through the engine, every flow in a dictionary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Detection, Standing
from enforcer.policy import Policy
from enforcer.registry.lookup import Registry
from enforcer.replay import FlowReport, Replay
from enforcer.subscribers.table import SessionTable
from enforcer.wire import link
from enforcer.wire.batch import Records
from enforcer.wire.capture import CaptureError, open_capture
from enforcer.wire.frame import Frame
from enforcer.wire.packet import Flow, Fragment, NotParsed, Packet, flow_of, format_endpoint
from enforcer.wire.reassembly import Reassembler


@dataclass
class Answers:
    """All that a replay says of a capture."""

    reports: list[FlowReport] = field(default_factory=list)
    frames: int = 0
    packets: int = 0
    not_parsed: dict[str, int] = field(default_factory=dict)
    error: str = ""


def engine() -> Engine:
    config = Config()
    return Engine(Policy(config, Registry([], None), SessionTable(1.0), Exemptions(config.exempt)))


def in_bulk(path: Path) -> Answers:
    """What `Replay` says."""
    one = Replay(engine())
    error = ""
    try:
        with open_capture(path) as capture:
            for _ in one.feed(capture.records):
                pass
    except CaptureError as caught:
        error = str(caught)
    return Answers(one.reports(), one.frames, one.packets, one.not_parsed, error)


def records_in_bulk(records: Iterable[Records]) -> Answers:
    one = Replay(engine())
    for _ in one.feed(records):
        pass
    return Answers(one.reports(), one.frames, one.packets, one.not_parsed)


def packet_at_a_time(path: Path) -> Answers:
    """The same, of every packet by itself."""
    answers = Answers()
    reference = Reference(answers)
    try:
        with open_capture(path) as capture:
            for frame in capture:
                reference.frame(frame)
    except CaptureError as caught:
        answers.error = str(caught)
    return reference.answers()


class Reference:
    """Takes frames one by one. Nothing is skipped, nothing forgotten."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._engine = engine()
        self._reassembler = Reassembler(capacity=4096, timeout=30.0)
        self._first: dict[Flow, tuple[str, str]] = {}
        self._counts: dict[Flow, int] = {}
        self._reports: dict[Flow, FlowReport] = {}

    def answers(self) -> Answers:
        self._answers.reports = sorted(self._reports.values(), key=lambda report: report.frame)
        return self._answers

    def frame(self, frame: Frame) -> None:
        answers = self._answers
        answers.frames += 1
        packet: Packet | Fragment | NotParsed | None = link.decode(frame.link_type, frame.data, frame.wire_length)
        if isinstance(packet, Fragment):
            packet = self._reassembler.add(packet, frame.time)
        if isinstance(packet, NotParsed):
            answers.not_parsed[packet.reason] = answers.not_parsed.get(packet.reason, 0) + 1
        elif packet is not None:
            answers.packets += 1
            self._packet(packet, frame)

    def _packet(self, packet: Packet, frame: Frame) -> None:
        flow = flow_of(packet)
        if flow not in self._first:
            self._first[flow] = (
                format_endpoint(packet.source, packet.source_port),
                format_endpoint(packet.destination, packet.destination_port),
            )
        self._counts[flow] = self._counts.get(flow, 0) + (packet.payload_length > 0)
        decision = self._engine.decide(packet, frame.time)
        if decision is None or decision.detection.standing is Standing.CANDIDATE:
            return
        reported = self._reports.get(flow)
        if reported is None or rank(decision.detection) > rank(reported.decision.detection):
            self._reports[flow] = FlowReport(
                packet.protocol.label, *self._first[flow], frame.number, self._counts[flow], frame.time, decision
            )


def rank(detection: Detection) -> int:
    """Handshakes that prove say most, what is only seen least."""
    if detection.standing is Standing.SEEN:
        return 0
    return 2 if detection.handshake else 1
