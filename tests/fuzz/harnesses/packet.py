"""One packet through a detector that knows nothing: proof by a second reading of the protocols, and only then."""

from __future__ import annotations

from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from tests.fuzz import packets
from tests.fuzz.proof import alone
from tests.unit.fingerprints.builders import NOW
from tests.unit.fingerprints.samples import samples

LONGEST = 1100
_DETECTOR = Detector(4)


def seeds() -> dict[str, bytes]:
    return {sample.name: packets.encoded(sample) for sample in samples()}


def one(data: bytes) -> None:
    given = packets.packet(data)
    if given is None:
        return
    packet, offset = given
    now = NOW + offset
    _DETECTOR.expire(now + 10_000, 8)
    assert not len(_DETECTOR)
    detection = _DETECTOR.inspect(packet, now)
    packets.sound(packet, detection)
    family = alone(
        packet.protocol.label,
        (packet.source_port, packet.destination_port),
        packet.payload,
        packet.payload_length,
        now,
    )
    proven = detection is not None and detection.standing is Standing.PROVEN
    told = str(detection.family) if proven and detection is not None else None
    assert told == family, f"the detector says {told}, the protocols {family}"
