"""Scores replay against the project's own recordings in pcaps/, by their manifest.

Run it from the repository's root: ``python -m tests.corpus.recorded``. Exits with 1 on any miss or false positive.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Standing
from enforcer.policy import Policy
from enforcer.registry.lookup import Registry
from enforcer.replay import FlowReport, Replay
from enforcer.subscribers.table import SessionTable
from enforcer.wire.capture import open_capture

FOLDER = Path(__file__).resolve().parents[2] / "pcaps"


@dataclass(frozen=True)
class Recording:
    """A row of the manifest, as far as scoring needs it."""

    file: str
    family: str
    variant: str
    transport: str
    detected: bool


def recordings() -> list[Recording]:
    """The manifest's rows."""
    rows = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))
    return [Recording(*(row[name] for name in Recording.__dataclass_fields__)) for row in rows]


def replay(path: Path) -> list[FlowReport]:
    """What `enforcer replay` reports of a capture, with the default configuration."""
    config = Config()
    policy = Policy(config, Registry([], None), SessionTable(1.0), Exemptions(config.exempt))
    one = Replay(Engine(policy))
    with open_capture(path) as capture:
        for _ in one.feed(capture.records):
            pass
    return one.reports()


def verdict(recording: Recording, reports: list[FlowReport]) -> str:
    """Empty when all is as the manifest says, else what is not."""
    found = {(str(report.decision.detection.family)) for report in reports}
    if not recording.detected:
        return f"detected: {', '.join(sorted(found))}" if found else ""
    if found != {recording.family}:
        return f"found {', '.join(sorted(found)) or 'nothing'}"
    first = reports[0]
    detection = first.decision.detection
    if detection.standing is not Standing.PROVEN or not detection.handshake:
        return f"not proven: {detection.standing} {detection.message}"
    late = 2 if recording.variant == "p2p-tls" else 1
    if recording.transport == "tcp" and recording.family == "ipsec":
        # RFC 9329 §3: the stream prefix comes first, in a segment of its own here.
        late = 2
    if first.packet > late:
        return f"proven on packet {first.packet} only"
    return ""


def main() -> int:
    """Print the table; the exit code."""
    rows = recordings()
    failures = 0
    print(f"{'recording':44} {'family':10} {'variant':20} {'packet':>6}  verdict")
    for row in rows:
        reports = replay(FOLDER / row.file)
        wrong = verdict(row, reports)
        failures += bool(wrong)
        variant = reports[0].decision.detection.variant if reports else "-"
        packet = str(reports[0].packet) if reports else "-"
        as_said = (
            "found" if row.detected else "nothing, rightly" if row.family == "none" else "nothing, as documented"
        )
        print(f"{row.file:44} {row.family:10} {variant:20} {packet:>6}  {wrong or as_said}")
    print(f"{len(rows) - failures} of {len(rows)} recordings as the manifest says")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
