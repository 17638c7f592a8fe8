"""Packets for the detector from a fuzzer's bytes, and what must hold of whatever it says of one."""

from __future__ import annotations

from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.detection import Detection, Standing
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.samples import Sample

PORTS = (500, 4500, 1194, 51820, 443, 53, 40123, 8443)
_PROTOCOLS = (Protocol.UDP, Protocol.TCP, Protocol.ESP, Protocol.AH)
_SHAPES = all_shapes()
_CLIENT, _SERVER = bytes((10, 0, 0, 2)), bytes((198, 51, 100, 7))
_HEAD = 3


def encoded(sample: Sample, payload: bytes | None = None) -> bytes:
    """The bytes that ``packet`` makes this sample of."""
    port = PORTS.index(sample.port) if sample.port in PORTS else PORTS.index(8443)
    first = _PROTOCOLS.index(sample.protocol) << 6 | PORTS.index(40123) << 3 | port
    return bytes((first, 0, 128)) + (sample.payload if payload is None else payload)


def packet(data: bytes) -> tuple[Packet, float] | None:
    """A packet and how far its clock is off, in seconds.

    Two bits of transport, three of each port; a byte of how much longer the payload was on the wire; a byte of
    the clock, 128 being right, in steps of 2 seconds; the payload.
    """
    if len(data) < _HEAD:
        return None
    payload = data[_HEAD:]
    first = data[0]
    found = Packet(
        _PROTOCOLS[first >> 6], _CLIENT, _SERVER, PORTS[first >> 3 & 7], PORTS[first & 7], payload,
        len(payload) + data[1],
    )  # fmt: skip
    return found, (data[2] - 128) * 2.0


def backwards(packet: Packet) -> Packet:
    """The same from the other end."""
    return packet._replace(
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
    )


def shaped(packet: Packet) -> bool:
    """Whether the kernel's sieve would hand the packet over."""
    return any(shape.matches(packet) for shape in _SHAPES)


def sound(packet: Packet, detection: Detection | None) -> None:
    """Raise AssertionError for a detection that says what the packet does not show."""
    if detection is None:
        return
    if detection.standing is not Standing.SEEN:
        assert shaped(packet), "proven, and without a shape: the kernel would never have handed it over"
    if detection.standing is Standing.SEEN:
        assert not detection.handshake, "seen only, and might be acted on"
    assert detection.evidence
    for evidence in detection.evidence:
        end = evidence.offset + len(evidence.octets)
        assert evidence.octets, "evidence of nothing"
        assert packet.payload[evidence.offset : end] == evidence.octets, "evidence that is not in the packet"
