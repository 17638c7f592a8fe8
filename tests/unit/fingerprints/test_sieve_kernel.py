"""The shapes' nft expressions on the running kernel: they load, and they match exactly what Shape.matches does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer.fingerprints.catalogue import all_shapes
from enforcer.wire.packet import Protocol
from tests.unit.fingerprints.samples import samples

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("unshare") is None,
    reason="NOT TESTED: the kernel sieve needs root, nft and unshare",
)


def test_every_expression_loads() -> None:
    rules = "\n".join(f"    {expression} counter" for shape in all_shapes() for expression in shape.nft())
    table = f"table inet enforcer_shapes_test {{\n  chain probe {{\n{rules}\n  }}\n}}\n"
    done = subprocess.run(["nft", "-c", "-f", "-"], input=table, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_kernel_matches_what_user_space_matches() -> None:
    """Every sample, and samples changed, cut and lengthened, sent through a namespace's loopback."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.unit.fingerprints.kernel_probe"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) > len(samples())
    differing = [result for result in results if result["kernel"] != result["user_space"]]
    assert differing == []
    matched = {name for result in results for name in result["kernel"]}
    assert matched == {shape.name for shape in all_shapes()}
    assert {shape.protocol for shape in all_shapes()} == {Protocol.UDP, Protocol.TCP}
