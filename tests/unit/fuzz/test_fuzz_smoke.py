"""Every harness over its seeds, its corpus and all that it ever found; then a short run of each with guidance."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz.harness import NAMES, findings, load, packed

RUNS = {"capture": 300, "registry_csv": 300, "registry_yaml": 1_000}
MANY = 5_000
CORPUS_BYTES = 300_000


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_corpus_hold(name: str) -> None:
    harness = load(name)
    for seed, data in harness.seeds().items():
        assert len(data) <= harness.longest, f"{seed}: the fuzzer would cut it"
        harness.one(data)
    for data in packed(name):
        harness.one(data)


@pytest.mark.parametrize("path", [path for name in NAMES for path in findings(name)], ids=lambda path: path.name)
def test_what_was_found_stays_mended(path: Path) -> None:
    # By its name: a harness's has an underscore at most, and a dash stands behind it.
    load(path.name.partition("-")[0]).one(path.read_bytes())


def test_every_harness_runs_under_the_fuzzer(tmp_path: Path) -> None:
    def run(name: str) -> str:
        runs = RUNS.get(name, MANY)
        command = [sys.executable, "-m", "tests.fuzz.child", name, str(tmp_path / name)]
        options = ["-seed=1", f"-runs={runs}", f"-artifact_prefix={tmp_path}/{name}-"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        covered = re.findall(r"cov: (\d+)", done.stderr)
        assert covered, done.stderr
        assert int(covered[-1]) > 100, f"{name}: the fuzzer sees nothing of the program"
        return name

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, NAMES)) == list(NAMES)


def test_the_corpus_stays_small(repository: Path) -> None:
    files = [*(repository / "tests" / "fuzz" / "corpus").iterdir(), *(path for n in NAMES for path in findings(n))]
    assert sum(path.stat().st_size for path in files) < CORPUS_BYTES
