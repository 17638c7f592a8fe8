"""The systemd unit: allows what the commented configuration proposes, and next to nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

THRESHOLD = 20
"""The exposure level promised, in tenths (systemd-analyze(1), "security")."""


@pytest.fixture(scope="module")
def unit() -> Path:
    return Path(__file__).parents[3] / "systemd" / "enforcer.service"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_the_service_may_write_where_the_example_puts_things(repository: Path, unit: Path) -> None:
    example = (repository / "config" / "enforcer.example.yaml").read_text()
    places = {"/var/lib": "StateDirectory", "/run": "RuntimeDirectory", "/var/log": "LogsDirectory"}
    named = set(re.findall(r": (/var/lib|/run|/var/log)/enforcer/", example))
    assert named == set(places)
    for place in named:
        assert f"\n{places[place]}=enforcer\n" in unit.read_text()


def test_the_service_has_one_capability_and_a_user_of_its_own(repository: Path, unit: Path) -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"] == "CAP_NET_ADMIN"
    assert settings["User"] == settings["Group"] == "enforcer"
    assert re.search(r"^u enforcer ", (repository / "systemd" / "enforcer.sysusers").read_text(), re.MULTILINE)


def test_the_service_starts_without_asking_dns_first(unit: Path) -> None:
    # `check` has problems while DNS is dead; `run` starts with what it remembers.
    assert "ExecStartPre" not in unit.read_text()


def test_systemd_finds_it_hardly_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert "Overall exposure level for enforcer.service: 1." in done.stdout


def test_the_exposure_can_be_too_high(unit: Path, tmp_path: Path) -> None:
    lax = tmp_path / "enforcer.service"
    lax.write_text(re.sub(r"^(SystemCallFilter|User)=.*$", "", unit.read_text(), flags=re.MULTILINE))
    assert analyze("security", "--offline=true", f"--threshold={THRESHOLD}", str(lax)).returncode != 0


@pytest.mark.parametrize(("line", "sound"), [("", True), ("ProtectSytem=strict\n", False)])
def test_systemd_understands_every_line_of_it(unit: Path, tmp_path: Path, line: str, sound: bool) -> None:
    copy = tmp_path / "enforcer.service"
    # Its program is not installed where the tests run.
    text = unit.read_text().replace("/usr/bin/enforcer", "/bin/true")
    copy.write_text(text.replace("[Service]\n", f"[Service]\n{line}"))
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert (done.returncode == 0 and "enforcer.service:" not in done.stderr) is sound, done.stderr
