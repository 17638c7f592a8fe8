"""A process that said so leaves no core dump; one that did not leaves one, so the test can tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ABORT = (
    "import os, resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)\n"
    "{}os.abort()\n"
)


@pytest.mark.parametrize(
    ("said", "ends"),
    [("", os.CLD_DUMPED), ("from enforcer import core_dumps; core_dumps.forbid(); ", os.CLD_KILLED)],
)
def test_only_who_does_not_forbid_it_dumps_core(tmp_path: Path, said: str, ends: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", ABORT.format(said)], cwd=tmp_path)
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    child.wait()
    assert ended is not None
    assert ended.si_code == ends
