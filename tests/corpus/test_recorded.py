"""Every recording in pcaps/ is found, or rightly not, as its manifest says."""

from __future__ import annotations

import pytest

from tests.corpus.recorded import FOLDER, Recording, recordings, replay, verdict


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.file)
def test_recording(recording: Recording) -> None:
    assert verdict(recording, replay(FOLDER / recording.file)) == ""


def test_every_capture_has_its_row() -> None:
    assert {row.file for row in recordings()} == {path.name for path in FOLDER.glob("*.pcap")}
