"""Replay looks at captures in bulk: its answers are those of the engine that sees every packet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.recorded import FOLDER
from tests.corpus.score import corpus_directory
from tests.unit.bulk.reference import in_bulk, packet_at_a_time

FILES = corpus_directory() / "files"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.pcap")), ids=lambda path: path.name)
def test_recording(path: Path) -> None:
    assert in_bulk(path) == packet_at_a_time(path)


@pytest.mark.skipif(
    not FILES.is_dir(),
    reason=f"NOT TESTED AGAINST REAL CAPTURES: no corpus at {FILES.parent}; set ENFORCER_CORPUS to its directory",
)
def test_the_labelled_captures() -> None:
    paths = sorted(path for path in FILES.rglob("*") if path.is_file())
    assert len(paths) > 1000
    reports = 0
    for path in paths:
        found = in_bulk(path)
        assert found == packet_at_a_time(path), path
        reports += len(found.reports)
    assert reports >= 60
