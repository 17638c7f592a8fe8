"""No lookalike is proven: those of ``lookalikes``, alone and as answers, in both directions.

A changed message may be a message of its protocol all the same (another exchange, another legal flag): a second
reading of the protocols (``tests.fuzz.proof``) tells those, and they are counted apart. ``python -m
tests.unit.fingerprints.test_lookalikes_made`` prints the counts.
"""

from __future__ import annotations

from collections import Counter

import pytest

from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet
from tests.fuzz.proof import alone
from tests.unit.fingerprints.builders import NOW, reply
from tests.unit.fingerprints.lookalikes import SHAPES, lookalikes, packet_of, shapes_of
from tests.unit.fingerprints.samples import Sample, samples

SAMPLES = {sample.name: sample for sample in samples()}


def legal(packet: Packet) -> bool:
    """Whether the packet is proof by the second reading."""
    ports = (packet.source_port, packet.destination_port)
    return alone(packet.protocol.label, ports, packet.payload, packet.payload_length, NOW) is not None


def proven(detector: Detector, packet: Packet) -> bool:
    detection = detector.inspect(packet, NOW)
    return detection is not None and detection.standing is Standing.PROVEN


def alone_counts(sample: Sample) -> Counter[str]:
    """How many lookalikes of one message were looked at, as the only packet of their flow; none may be proven."""
    counts: Counter[str] = Counter()
    for lookalike in lookalikes(sample):
        packet = packet_of(sample, lookalike.payload)
        for each in (packet, reply(packet, packet.payload)):
            if legal(each):
                assert sample.name.startswith("ike"), f"{sample.name}: {lookalike.wrong} is no impossible change"
                counts["legal"] += 1
                continue
            assert not proven(Detector(1), each), f"{sample.name}: {lookalike.wrong}: {lookalike.payload.hex()}"
            counts["alone"] += 1
    return counts


def pairs() -> list[tuple[Sample, Sample]]:
    """Every message that another one proves, and that other one."""
    found: list[tuple[Sample, Sample]] = []
    for opening in SAMPLES.values():
        for answer in SAMPLES.values():
            if answer.protocol is not opening.protocol:
                continue
            detector, first = Detector(1), packet_of(opening)
            detector.inspect(first, NOW)
            packet = reply(first, answer.payload)
            if proven(detector, packet) and not legal(packet):
                found.append((opening, answer))
    return found


PAIRS = pairs()


def answer_counts(opening: Sample, answer: Sample) -> Counter[str]:
    """The same of lookalikes of an answer, after what it answers; both ways."""
    counts: Counter[str] = Counter()
    first = packet_of(opening)
    for lookalike in lookalikes(answer._replace(port=opening.port), answer=True):
        packet = reply(first, lookalike.payload)
        # Behind the prefix every port is as good as IKE's own.
        if legal(packet if opening.payload[:6] != b"IKETCP" else packet._replace(destination_port=4500)):
            counts["legal"] += 1
            continue
        told = f"{answer.name} after {opening.name}: {lookalike.wrong}: {lookalike.payload.hex()}"
        detector = Detector(1)
        detector.inspect(first, NOW)
        assert not proven(detector, packet), told
        detector = Detector(1)
        detector.inspect(packet, NOW)
        assert not proven(detector, packet), told
        counts["as an answer"] += 2
    return counts


@pytest.mark.parametrize("name", SAMPLES)
def test_alone(name: str) -> None:
    assert alone_counts(SAMPLES[name])["alone"] >= 30 or SAMPLES[name].payload == b"IKETCP"


@pytest.mark.parametrize(("opening", "answer"), PAIRS, ids=[f"{b.name} after {a.name}" for a, b in PAIRS])
def test_as_an_answer(opening: Sample, answer: Sample) -> None:
    assert answer_counts(opening, answer)["as an answer"] >= 30


def test_no_shape_is_left_out() -> None:
    covered = {shape.name for sample in SAMPLES.values() for shape in shapes_of(sample)}
    assert covered == {shape.name for shape in SHAPES}
    answers = {answer.name for _, answer in PAIRS}
    assert {"wireguard response", "wireguard cookie reply", "openvpn server plain"} <= answers


if __name__ == "__main__":
    total: Counter[str] = Counter()
    for each in SAMPLES.values():
        total += alone_counts(each)
    for pair in PAIRS:
        total += answer_counts(*pair)
    print(f"{len(SHAPES)} shapes, {len(SAMPLES)} messages, {len(PAIRS)} answers: 0 proven of")
    for what, count in total.items():
        print(f"{count:>9,} {what if what != 'legal' else 'changed into another legal message (not counted)'}")
