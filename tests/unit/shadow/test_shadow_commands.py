"""`enforcer report` and what the other commands say of the shadow period."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enforcer.cli import main
from enforcer.fingerprints.detection import Family
from enforcer.shadow.coverage import Unsaved
from enforcer.shadow.ledger import Figures
from enforcer.shadow.store import Batch, Store
from tests.unit.shadow import weeks

ENFORCE = "mode: enforce\nenforce: [wireguard]\n"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "enforcer.yaml"
    made.write_text(ENFORCE + "shadow: {file: shadow.sqlite}\n")
    return made


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def at_the_weeks_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weeks.write(Store(tmp_path / "shadow.sqlite"), weeks.CITY[:3], 2 * 24 + 10)
    monkeypatch.setattr("enforcer.report_command.time.time", lambda: weeks.MONDAY + 3 * 86400 - 100.0)


@pytest.mark.usefixtures("at_the_weeks_end")
def test_the_report_for_a_person(path: Path) -> None:
    said = run("report", "-c", path).output
    assert "What enforcing would do: 11 Nov to 17 Nov (UTC)" not in said
    assert "Would be refused: about " in said
    assert "WireGuard" in said
    assert "not watched" in said
    assert "1. Give public notice" in said
    assert "2. Watch WireGuard, OpenVPN and IPsec for longer" in said


@pytest.mark.usefixtures("at_the_weeks_end")
def test_the_report_for_a_program(path: Path) -> None:
    found = json.loads(run("report", "-c", path, "--since", "2d", "--json").output)
    assert len(found["days"]) == 2
    assert {each["family"] for each in found["families"]} == {str(family) for family in Family}
    assert found["advice"][0]["kind"] == "tell"
    whole = json.loads(run("report", "-c", path, "--since", "2026-11-16", "--json").output)
    assert whole["days"][0] == weeks.MONDAY


@pytest.mark.usefixtures("at_the_weeks_end")
def test_the_report_as_a_page(path: Path, tmp_path: Path) -> None:
    result = run("report", "-c", path, "--html", tmp_path / "report.html")
    assert result.output == f"written to {tmp_path / 'report.html'}\n"
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert run("report", "-c", path, "--html", "/proc/none/report.html").exit_code == 3


@pytest.mark.parametrize("since", ["yesterday", "12h", "2026-02-30", "7", "2126-01-01"])
def test_what_since_takes(path: Path, tmp_path: Path, since: str) -> None:
    Store(tmp_path / "shadow.sqlite").write([], 0)
    result = run("report", "-c", path, "--since", since)
    assert result.exit_code == 2
    assert "--since" in result.output


def test_a_report_without_a_file(tmp_path: Path, path: Path) -> None:
    result = run("report", "-c", path)
    assert result.exit_code == 1
    assert "does not exist yet; the daemon writes it when an hour is over" in result.output
    path.write_text("")
    result = run("report", "-c", path)
    assert (result.exit_code, "shadow.file is not set" in result.output) == (1, True)
    (tmp_path / "shadow.sqlite").write_bytes(b"no database " * 100)
    path.write_text("shadow: {file: shadow.sqlite}\n")
    result = run("report", "-c", path)
    assert (result.exit_code, "is not understood" in result.output) == (1, True)
    assert (tmp_path / "shadow.sqlite").exists()


def test_check_says_that_without_a_file_nothing_is_ever_refused(path: Path) -> None:
    path.write_text(ENFORCE)
    result = run("check", "-c", path)
    assert result.exit_code == 1
    assert "ERROR shadow.file is not set" in result.output
    assert "period: 0s" in result.output
    path.write_text(ENFORCE + "shadow: {period: 0s}\n")
    assert "enforcing wireguard" in run("check", "-c", path).output


def test_check_says_how_far_the_period_is(path: Path, tmp_path: Path) -> None:
    said = run("check", "-c", path).output
    assert "wireguard is not refused yet: 0 s of 7 d are recorded (shadow.period)" in said
    assert "mode enforce, enforcing nothing" in said
    Store(tmp_path / "shadow.sqlite").write([Batch(0, Figures(), Unsaved([], frozenset(Family)))], 0)
    said = run("check", "-c", path).output
    assert "not refused yet" not in said
    assert "mode enforce, enforcing wireguard" in said
    path.write_text("shadow: {file: gone/shadow.sqlite}\n")
    result = run("check", "-c", path)
    assert (result.exit_code, "there is no folder" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("shadow: {period: 7d, retention: 7d}", "shadow.retention: '7d': expected longer than shadow.period"),
        ("shadow: {period: 100d}", "expected longer than shadow.period"),
        ("lines: [{name: '*', class: static, prefixes: [192.0.2.0/24]}]", "- stands for no line and * for all"),
    ],
)
def test_settings_that_contradict_each_other(path: Path, settings: str, said: str) -> None:
    path.write_text(settings + "\n")
    assert said in run("check", "-c", path).output


@pytest.mark.parametrize("recorded", [False, True])
def test_replay_and_explain_by_the_files_know_the_period(path: Path, tmp_path: Path, recorded: bool) -> None:
    (tmp_path / "list.csv").write_text("id,holder,address\nR-1,company,192.0.2.1\n")
    path.write_text(
        ENFORCE + "shadow: {file: shadow.sqlite}\nregistry: {files: [list.csv]}\n"
        "lines: [{name: leased, class: static, prefixes: [192.0.2.0/24]}]\n"
    )
    if recorded:
        Store(tmp_path / "shadow.sqlite").write([Batch(0, Figures(), Unsaved([], frozenset(Family)))], 0)
    found = json.loads(run("explain", "192.0.2.9", "-c", path, "--protocol", "wireguard", "--json").output)
    assert found["answers"][0]["held_back"] == (None if recorded else "shadow_period_not_recorded")


def test_a_folder_that_may_not_be_looked_into_is_told(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists

    def refused(self: Path) -> bool:
        if self.name == "shadow.sqlite":
            raise PermissionError(13, "Permission denied", str(self))
        return exists(self)

    monkeypatch.setattr(Path, "exists", refused)
    result = run("report", "-c", path)
    told = f"enforcer: {tmp_path / 'shadow.sqlite'}: cannot be used: Permission denied\n"
    assert (result.exit_code, result.output) == (1, told)
    assert "without it no shadow time counts as recorded" in run("check", "-c", path).output
    recorded, [notice] = Store(tmp_path / "shadow.sqlite").restore(0)
    assert not recorded.seconds
    assert "nothing counts as recorded until it can" in notice.message
