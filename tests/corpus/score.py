"""Scores the detector against the labelled public captures, by the rule in the corpus's README.

Run it from the repository's root: ``python tests/corpus/score.py``. The corpus is found through the environment
variable ENFORCER_CORPUS, by default ``../shared/corpus``. Exits with 1 on any miss or false positive, with 2
when the corpus is not there.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.capture import CaptureError, open_capture
from enforcer.wire.link import decode
from enforcer.wire.packet import Fragment, Packet, Protocol, format_endpoint
from enforcer.wire.reassembly import Reassembler

ROOT = Path(__file__).resolve().parents[2]


def corpus_directory() -> Path:
    """Where the corpus should be."""
    given = os.environ.get("ENFORCER_CORPUS")
    return Path(given) if given else ROOT / ".." / "shared" / "corpus"


class Key(NamedTuple):
    """A row's flow: file, transport, and the two ends sorted as text."""

    file: str
    transport: str
    pair: str


class Label(NamedTuple):
    family: str
    detail: str
    expect: str


@dataclass
class Found:
    """What was detected on one flow. ``packet`` counts its packets with payload, from 1."""

    packets: int = 0
    detections: list[tuple[int, Detection]] = field(default_factory=list)
    first_handshake: bool | None = None
    """Whether the first packet with a handshake's shape was proven; None without any such packet."""

    def counted(self) -> list[tuple[int, Detection]]:
        """Those that say the flow is of a family: proven or seen."""
        return [(n, d) for n, d in self.detections if d.standing is not Standing.CANDIDATE]

    def families(self) -> set[Family]:
        return {detection.family for _, detection in self.counted()}


def labels(directory: Path) -> dict[Key, Label]:
    """The corpus's rows."""
    with (directory / "flows.tsv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return {
            Key(row["file"], row["transport"], row["pair"]): Label(row["family"], row["detail"], row["expect"])
            for row in rows
        }


def packets(path: Path) -> Iterator[tuple[float, Packet]]:
    """The packets of a capture that can be parsed, reassembled, with their times; up to where it is damaged."""
    reassembler = Reassembler(capacity=1024, timeout=30.0)
    try:
        with open_capture(path) as capture:
            for frame in capture:
                result = decode(frame.link_type, frame.data, frame.wire_length)
                if isinstance(result, Fragment):
                    whole = reassembler.add(result, frame.time)
                    if isinstance(whole, Packet):
                        yield frame.time, whole
                elif isinstance(result, Packet):
                    yield frame.time, result
    except CaptureError:
        return


def pair_of(packet: Packet) -> str:
    """The flow's ends as the corpus writes them."""
    ends = sorted(
        (
            format_endpoint(packet.source, packet.source_port),
            format_endpoint(packet.destination, packet.destination_port),
        )
    )
    return "<->".join(ends)


class Sieve(NamedTuple):
    """Packets inspected and matched by a shape, and the proven ones no shape matched, by protocol."""

    inspected: dict[str, int]
    matched: dict[str, int]
    innocent: dict[str, int]
    missed: list[str]


def run(directory: Path, files: Iterable[str]) -> tuple[dict[Key, Found], Sieve]:
    """Every flow with packets in the files, what was detected on it, and what the sieve let through."""
    shapes = {protocol: [s for s in all_shapes() if s.protocol is protocol] for protocol in Protocol}
    sieve = Sieve(defaultdict(int), defaultdict(int), defaultdict(int), [])
    flows: dict[Key, Found] = defaultdict(Found)
    for file in files:
        detector = Detector()
        for now, packet in packets(directory / "files" / file):
            detection = detector.inspect(packet, now)
            transport = packet.protocol.label
            sieve.inspected[transport] += 1
            matched = any(shape.matches(packet) for shape in shapes[packet.protocol])
            sieve.matched[transport] += matched
            sieve.innocent[transport] += matched and detection is None
            if not packet.payload_length:
                continue
            key = Key(file, transport, pair_of(packet))
            found = flows[key]
            found.packets += 1
            if matched and found.first_handshake is None:
                found.first_handshake = detection is not None and detection.standing is Standing.PROVEN
            if detection is not None:
                found.detections.append((found.packets, detection))
                if detection.handshake and detection.standing is not Standing.SEEN and not matched:
                    sieve.missed.append(f"{file} {key.pair} packet {found.packets}")
    return flows, sieve


@dataclass
class Score:
    """The result: rows by expectation, and what went wrong, as text for the reader."""

    must: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    must_found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    may: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    may_found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    handshakes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first_packet: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    mustnot: int = 0
    false_positives: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    candidates: int = 0
    misses: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    wrong_variants: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.misses) or any(self.false_positives.values()) or bool(self.wrong_variants)


def score(flows: dict[Key, Found], rows: dict[Key, Label]) -> Score:
    """Compare what was found with the labels."""
    result = Score()
    for key, label in rows.items():
        found = flows.get(key, Found())
        if label.expect == "mustnot":
            result.mustnot += 1
            result.candidates += any(d.standing is Standing.CANDIDATE for _, d in found.detections)
            for family in found.families():
                result.false_positives[family] += 1
                result.misses.append(f"false positive: {' '.join(key)} ({label.detail}) taken for {family}")
        elif label.expect in ("must", "may"):
            hit = label.family in found.families()
            totals, hits = (
                (result.must, result.must_found) if label.expect == "must" else (result.may, result.may_found)
            )
            totals[label.family] += 1
            hits[label.family] += hit
            if label.expect == "must":
                _score_must(result, key, label, found, hit)
    result.unlabelled = [
        f"{' '.join(key)}: {sorted(found.families())}"
        for key, found in flows.items()
        if key not in rows and found.families()
    ]
    return result


def _score_must(result: Score, key: Key, label: Label, found: Found, hit: bool) -> None:
    text = f"{' '.join(key)} ({label.detail})"
    if not hit:
        result.misses.append(f"missed: {text}, {found.packets} packets with payload")
        return
    first = found.first_handshake
    if first is not None:
        result.handshakes[label.family] += 1
        result.first_packet[label.family] += first
        if not first:
            result.late.append(text)
    variants = {d.variant for _, d in found.counted()}
    if not any(_agrees(label.detail, variant) for variant in variants):
        result.wrong_variants.append(f"{text}: found {sorted(variants)}")


def _agrees(detail: str, variant: str) -> bool:
    """Whether a variant is what the corpus calls ``detail``."""
    expected = detail.removeprefix("openvpn-").removeprefix("udp-").removeprefix("tcp-").split("+")[0]
    expected = {"noauth": "tls-plain"}.get(expected, expected).split("-handshake")[0]
    return variant == expected or variant.startswith(f"{expected}-")


def report(result: Score, sieve: Sieve) -> str:
    """The table, and under it whatever needs explaining."""
    lines = [
        f"{'family':<12}{'must found':>12}{'proven on first':>17}{'may found':>12}{'false positives':>17}",
    ]
    for family in Family:
        lines.append(
            f"{family:<12}"
            f"{_of(result.must_found[family], result.must[family]):>12}"
            f"{_of(result.first_packet[family], result.handshakes[family]):>17}"
            f"{_of(result.may_found[family], result.may[family]):>12}"
            f"{result.false_positives[family]:>17}"
        )
    must, false = sum(result.must.values()), sum(result.false_positives.values())
    lines.append(
        f"must {_of(sum(result.must_found.values()), must)}, false positives {_of(false, result.mustnot)}, "
        f"candidates left unproven on innocent flows {result.candidates}"
    )
    for transport in ("udp", "tcp"):
        inspected = sieve.inspected[transport]
        rate = sieve.innocent[transport] * 1e6 / max(inspected, 1)
        lines.append(
            f"sieve {transport}: {inspected} packets, {sieve.matched[transport]} handed over, "
            f"{sieve.innocent[transport]} of them nothing ({rate:.1f} per million)"
        )
    lines += result.misses
    lines += [f"variant differs: {text}" for text in result.wrong_variants]
    lines += [f"not proven on the first handshake packet: {text}" for text in result.late]
    lines += [f"proven but not in the sieve: {text}" for text in sieve.missed]
    lines += [f"detected on a flow without a label: {text}" for text in result.unlabelled]
    return "\n".join(lines)


def _of(part: int, whole: int) -> str:
    return f"{part}/{whole}"


def main() -> int:
    """Score the whole corpus and print the table; the process's exit code."""
    directory = corpus_directory()
    if not (directory / "flows.tsv").is_file():
        print(f"no corpus at {directory}: set ENFORCER_CORPUS to its directory", file=sys.stderr)
        return 2
    rows = labels(directory)
    flows, sieve = run(directory, sorted({key.file for key in rows}))
    result = score(flows, rows)
    print(report(result, sieve))
    return 1 if result.failed or sieve.missed else 0


if __name__ == "__main__":
    sys.exit(main())
