"""The bulk scan skips packets, never an answer: captures made at random, against every packet by itself."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enforcer.replay import Replay
from enforcer.wire import stream
from enforcer.wire.capture import CaptureError, open_capture
from tests.unit.bulk.captures import capture
from tests.unit.bulk.reference import engine, in_bulk, packet_at_a_time
from tests.unit.fingerprints.builders import MARKER, ikev1_later


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), window=st.sampled_from([1 << 10, 1 << 13, 1 << 16]))
def test_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, window: int) -> None:
    """Small windows: flows and records go on from one batch to the next."""
    path = tmp_path / "random.pcap"
    path.write_bytes(capture(Random(seed)))
    monkeypatch.setattr(stream, "WINDOW", window)
    assert in_bulk(path) == packet_at_a_time(path)


def test_the_random_captures_have_what_they_should(tmp_path: Path) -> None:
    """Every family and standing is reported, most packets are skipped in silence, files end early."""
    path = tmp_path / "random.pcap"
    found, reasons, errors = set(), set(), 0
    for seed in range(60):
        path.write_bytes(capture(Random(seed)))
        answers = packet_at_a_time(path)
        for report in answers.reports:
            detection = report.decision.detection
            found.add((str(detection.family), str(detection.standing), detection.handshake))
        reasons |= set(answers.not_parsed)
        errors += bool(answers.error)
    assert found == {
        ("wireguard", "proven", True), ("openvpn", "proven", True), ("ipsec", "proven", True),
        ("ipsec", "proven", False), ("ipsec", "seen", False),
    }  # fmt: skip
    assert len(reasons) > 20
    assert errors


def test_the_engine_sees_little_of_a_flow_without_shapes() -> None:
    """What the scan is for: of the recordings' innocent traffic hardly a packet reaches the engine."""
    asked = frames = 0
    for path in sorted((Path(__file__).parents[3] / "pcaps").glob("innocent-*.pcap")):
        one = engine()
        decide = one.decide

        def counted(*arguments: object, decide: object = decide) -> object:
            nonlocal asked
            asked += 1
            return decide(*arguments)  # type: ignore[operator]

        one.decide = counted  # type: ignore[method-assign, assignment]
        replay = Replay(one)
        with open_capture(path) as capture_:
            for _ in replay.feed(capture_.records):
                pass
        frames += replay.frames
    assert frames > 500
    assert asked < frames / 100


def test_what_was_proven_without_a_handshake_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IKEv1 from the middle: keepalives, which have no shape, hold the memory of who began beyond 600 s."""
    ends = ("10.0.0.1", "10.0.0.2")
    messages = [(0, ends, MARKER + ikev1_later(32, 1, 8, 77))]
    messages += [(300 * n, ends, b"\xff") for n in range(1, 5)]
    messages += [(1300, ends[::-1], MARKER + ikev1_later(2, 1, 5, 0))]
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)
    # Between them something large, so that each is in a batch of its own.
    between = [(seconds, ("10.0.0.3", "10.0.0.4"), bytes(3000)) for seconds, _, _ in messages]
    for seconds, (source, destination), payload in (
        m for pair in zip(messages, between, strict=True) for m in pair
    ):
        datagram = struct.pack(">HHHH", 4500, 4500, 8 + len(payload), 0) + payload
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
        packet = head + IPv4Address(source).packed + IPv4Address(destination).packed + datagram
        content += struct.pack("<IIII", seconds, 0, len(packet), len(packet)) + packet
    path = tmp_path / "middle.pcap"
    path.write_bytes(content)
    for window in (64, 4096):
        monkeypatch.setattr(stream, "WINDOW", window)
        answers = in_bulk(path)
        assert answers == packet_at_a_time(path)
        (report,) = answers.reports
        assert report.decision.detection.handshake
        assert not report.decision.detection.from_initiator


def test_a_damaged_capture_s_answers_come_before_its_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    whole = (Path(__file__).parents[3] / "pcaps" / "wireguard-udp4.pcap").read_bytes()
    path.write_bytes(whole[:-3])
    one = Replay(engine())
    with pytest.raises(CaptureError, match="the file ends after"), open_capture(path) as capture_:
        for _ in one.feed(capture_.records):
            pass
    assert [report.packet for report in one.reports()] == [1]
