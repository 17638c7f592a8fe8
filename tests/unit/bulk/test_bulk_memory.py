"""A capture's size costs no memory."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

MEASURE = """
import resource, sys
from pathlib import Path
from tests.unit.bulk.reference import in_bulk
for name in sys.argv[1:]:
    answers = in_bulk(Path(name))
    print(answers.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
LONGEST = 262144


def sparse(path: Path, records: int) -> Path:
    """A capture with the longest records there are, full of zeros that are no place on the disk."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST, 1))
        for number in range(records):
            file.seek(24 + number * (16 + LONGEST))
            file.write(struct.pack("<IIII", number, 0, LONGEST, LONGEST))
        file.truncate(24 + records * (16 + LONGEST))
    return path


def test_gigabytes_take_the_memory_of_megabytes(tmp_path: Path, repository: Path) -> None:
    """8 MB first, then 2.6 GB in the same process: the peak hardly moves."""
    files = [sparse(tmp_path / "small.pcap", 32), sparse(tmp_path / "large.pcap", 10_000)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, files)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    (frames, before), (more_frames, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (frames, more_frames) == (32, 10_000)
    assert after - before < 16 * 1024, f"{after - before} KiB more"
