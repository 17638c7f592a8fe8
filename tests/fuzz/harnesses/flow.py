"""Packets of one flow in both directions through a detector: what is proven only as an answer must be one.

Two bytes of big-endian length, of which the top bit says that the packet goes back; then the packet; so on.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet, Protocol
from tests.fuzz import packets
from tests.fuzz.proof import alone
from tests.unit.fingerprints.builders import NOW
from tests.unit.fingerprints.samples import samples

LONGEST = 1400
CAPACITY = 3


def seeds() -> dict[str, bytes]:
    known = {sample.name: sample for sample in samples() if len(sample.payload) < 500}
    found: dict[str, bytes] = {}
    openings = [name for name in known if "client" in name or "initiation" in name or "first" in name]
    for name in openings:
        opening = known[name]
        for answer in ("server", "p2p", "response", "cookie", "answer", "exchange 35"):
            for other in known.values():
                if answer in other.name and other.protocol == opening.protocol and other.port == opening.port:
                    frames = ((False, packets.encoded(opening)), (True, packets.encoded(opening, other.payload)))
                    found[f"{name}, {other.name}"] = _framed(*frames)
    return dict(list(found.items())[:160])


def _framed(*frames: tuple[bool, bytes]) -> bytes:
    return b"".join((back << 15 | len(frame)).to_bytes(2, "big") + frame for back, frame in frames)


def one(data: bytes) -> None:
    detector = Detector(CAPACITY)
    before: list[tuple[Packet, bool]] = []
    flow: Packet | None = None
    for given, back in _packets(data):
        packet, offset = given
        flow = flow or packet
        packet = packet._replace(
            protocol=flow.protocol, source_port=flow.source_port, destination_port=flow.destination_port
        )
        if back:
            packet = packets.backwards(packet)
        now = NOW + offset
        detection = detector.inspect(packet, now)
        packets.sound(packet, detection)
        if detection is not None and detection.standing is Standing.PROVEN:
            _earned(packet, detection, now, [each for each, way in before if way != back], before)
        assert len(detector) <= 1
        before.append((packet, back))


def _packets(data: bytes) -> Iterator[tuple[tuple[Packet, float], bool]]:
    at = 0
    while at + 2 <= len(data):
        head = int.from_bytes(data[at : at + 2], "big")
        size = head & 0x7FFF
        given = packets.packet(data[at + 2 : at + 2 + size])
        if given is not None:
            yield given, bool(head >> 15)
        at += 2 + size


def _message(packet: Packet) -> bytes:
    """The datagram, or what the 16-bit length at the start of the segment takes in."""
    payload = packet.payload
    return payload[2 : 2 + int.from_bytes(payload[:2], "big")] if packet.protocol is Protocol.TCP else payload


def _earned(
    packet: Packet, detection: Detection, now: float, others: list[Packet], all_: list[tuple[Packet, bool]]
) -> None:
    """Whether the packet is proof by itself, or for what the flow has shown before."""
    ports = (packet.source_port, packet.destination_port)
    if alone(packet.protocol.label, ports, packet.payload, packet.payload_length, now) == str(detection.family):
        return
    message = _message(packet)
    said = [_message(other) for other in others]
    if detection.family is Family.WIREGUARD:
        kind = message[0]
        if kind == 1:
            assert any(each.payload[:1] in (b"\1", b"\2", b"\3") for each, _ in all_), (
                "an initiation out of nowhere"
            )
            return
        receiver = message[8:12] if kind == 2 else message[4:8]
        sent = [other[4:8] for other in said if other[:1] in ((b"\1",) if kind == 2 else (b"\1", b"\2"))]
        assert receiver in sent, "an answer to an index that nobody sent"
    elif detection.family is Family.OPENVPN:
        if message[0] == 0x40:
            sessions = [other[1:9] for other in said if other[:1] in (b"\x38", b"\x50")]
            assert sessions, "a server's answer to nobody"
            # Plain and tls-auth name the session they answer; tls-crypt encrypts it, and tells the time.
            assert len(message) in (54, 66, 72, 14) or any(session in message[9:] for session in sessions)
        else:
            answered = [other for other in said if other[:1] == b"\x40"]
            assert answered, "a client's reset without a clock or an answer"
    else:
        assert packet.protocol is Protocol.TCP, "an IKE datagram is proof alone or not at all"
        assert any(each.payload[:6] == b"IKETCP" for each, _ in all_), "framed IKE without the prefix"
