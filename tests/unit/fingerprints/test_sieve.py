"""Sieve ⊇ proof: whatever can be acted on, or is needed to confirm it, has a shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.fingerprints import catalogue, openvpn
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.builders import NOW, SESSION, ike, reply, udp
from tests.unit.fingerprints.samples import Sample, samples

SAMPLES = samples()
SHAPES = all_shapes()


def packet_of(sample: Sample) -> Packet:
    packet = udp(sample.payload, ("10.0.0.2", 40123), ("198.51.100.7", sample.port))
    return packet._replace(protocol=sample.protocol)


def in_sieve(packet: Packet) -> bool:
    return any(shape.matches(packet) for shape in SHAPES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_message_has_a_shape_in_both_directions(sample: Sample) -> None:
    packet = packet_of(sample)
    assert in_sieve(packet)
    assert in_sieve(reply(packet, packet.payload))


@pytest.mark.parametrize("length", [65507, 65508, 65527])
def test_the_longest_ike_message_has_a_shape(length: int) -> None:
    """65507 bytes are the most that UDP carries over IPv4, 65527 over IPv6."""
    message = ike(35, 0x08, 46, bytes(length - 28), message_id=1, responder=b"responds")
    packet = udp(message, ("10.0.0.2", 500), ("198.51.100.7", 500))
    detection = Detector().inspect(packet, NOW)
    assert detection is not None
    assert detection.standing is Standing.PROVEN
    assert in_sieve(packet)


def test_every_shape_has_a_message() -> None:
    unused = [s.name for s in SHAPES if not any(s.matches(packet_of(sample)) for sample in SAMPLES)]
    assert unused == []


@settings(max_examples=1500, deadline=None)
@given(
    first=st.sampled_from(SAMPLES),
    second=st.sampled_from(SAMPLES),
    same_flow=st.booleans(),
    backwards=st.booleans(),
    port=st.sampled_from([None, 500, 4500, 1194]),
    changes=st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 255)), max_size=3),
    clock=st.sampled_from([0.0, 60.0, -60.0, 10_000.0]),
)
def test_whatever_is_proven_or_a_candidate_has_a_shape(
    first: Sample,
    second: Sample,
    same_flow: bool,
    backwards: bool,
    port: int | None,
    changes: list[tuple[int, int]],
    clock: float,
) -> None:
    """Two messages of any kind after each other, the second changed here and there and on any port."""
    detector = Detector()
    opening = packet_of(first)
    payload = bytearray(second.payload)
    for offset, value in changes:
        payload[offset % len(payload)] = value
    packet = packet_of(second._replace(payload=bytes(payload), port=port or second.port))
    if same_flow:
        packet = packet._replace(protocol=opening.protocol, destination_port=opening.destination_port)
    if backwards:
        packet = reply(packet, packet.payload)
    for each in (opening, packet, packet):
        detection = detector.inspect(each, NOW + clock)
        if detection is not None and detection.standing is not Standing.SEEN:
            assert in_sieve(each), detection


@settings(max_examples=400, deadline=None)
@given(
    layout=st.sampled_from(openvpn.LAYOUTS),
    data=st.data(),
    session=st.binary(min_size=8, max_size=8).filter(any),
    replay_id=st.integers(1, 255),
    marker=st.integers(0, 255),
    age=st.integers(-110, 110),
)
def test_any_reset_the_layouts_allow_is_read_and_has_a_shape(
    layout: openvpn.Layout, data: st.DataObject, session: bytes, replay_id: int, marker: int, age: int
) -> None:
    low, high = layout.lengths
    length = data.draw(st.integers(low, high))
    message = bytearray(data.draw(st.binary(min_size=length, max_size=length)))
    message[0:9] = bytes((layout.opcode,)) + session
    for offset, value in layout.fixed:
        message[offset : offset + len(value)] = value
    if layout.packet_id is not None:
        at = layout.packet_id
        message[at : at + 8] = bytes((marker, 0, 0, replay_id)) + int(NOW - age).to_bytes(4, "big")
    if low != high:
        message[-2:] = (length - 54).to_bytes(2, "big")
    for packet in (
        udp(bytes(message)),
        udp(length.to_bytes(2, "big") + bytes(message) + SESSION)._replace(protocol=Protocol.TCP),
    ):
        detection = Detector().inspect(packet, NOW)
        assert detection is not None
        assert in_sieve(packet)
        waits = layout.acked or layout.name == "p2p-reset-plain"
        assert detection.standing is (Standing.CANDIDATE if waits else Standing.PROVEN)


def test_names_are_unique() -> None:
    names = [shape.name for shape in SHAPES]
    assert len(set(names)) == len(names)


def test_the_documentation_s_table_has_every_shape_once() -> None:
    lines = catalogue.markdown_table().splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [shape.name for shape in SHAPES]
    assert {line.count("|") for line in lines} == {7}
