"""`enforcer log`: what is asked for is shown, as a person reads it, and nothing is swallowed silently."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enforcer import log_command
from enforcer.cli import main

LINES = """\
Started enforcer.service.
{"time":"2026-09-21T14:00:00.000Z","level":"info","event":"ready","message":"enforcer 1 ready: mode enforce"}
<6>{"time":"2026-09-21T14:01:00.000Z","level":"info","event":"refused","message":"refused ipsec ikev2: \
not_registered, line lte","family":"ipsec","reason":"not_registered"}
{"time":"2026-09-21T15:00:00.000Z","level":"info","event":"refused","message":"refused wireguard any: \
mapping_stale, line lte","family":"wireguard","reason":"mapping_stale"}
{"time":"2026-09-21T16:00:00.500Z","level":"error","event":"fault","message":"one\\ntwo",\
"traceback":["x.py:1 f","E"]}
["not", "an entry"]
"""


@pytest.fixture
def utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def show(*options: str, text: str = LINES) -> Result:
    return CliRunner().invoke(main, ["log", "-", *options], input=text)


@pytest.mark.usefixtures("utc")
def test_everything_is_shown_as_a_person_reads_it() -> None:
    assert show().output.splitlines() == [
        "| Started enforcer.service.",
        "2026-09-21 14:00:00.000 INFO     ready: enforcer 1 ready: mode enforce",
        "2026-09-21 14:01:00.000 INFO     refused: refused ipsec ikev2: not_registered, line lte",
        "2026-09-21 15:00:00.000 INFO     refused: refused wireguard any: mapping_stale, line lte",
        "2026-09-21 16:00:00.500 ERROR    fault: one",
        "    two",
        "    x.py:1 f",
        "    E",
        '| ["not", "an entry"]',
    ]


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("options", "hours"),
    [
        (("--event", "refused"), ["14:01", "15:00"]),
        (("--event", "refused", "--event", "ready"), ["14:00", "14:01", "15:00"]),
        (("--family", "ipsec"), ["14:01"]),
        (("--reason", "mapping_stale"), ["15:00"]),
        (("--since", "2026-09-21T14:30", "--event", "refused"), ["15:00"]),
        (("--since", "2026-09-21T14:30:00+01:00", "--event", "ready"), ["14:00"]),
        (("--since", "1h", "--event", "ready"), []),
        (("--level", "warning", "--family", "ipsec"), []),
        (("--level", "error", "--event", "fault"), ["16:00"]),
    ],
)
def test_filters(options: tuple[str, ...], hours: list[str]) -> None:
    shown = [line for line in show(*options).output.splitlines() if not line.startswith("    ")]
    assert [line[11:16] for line in shown] == hours


@pytest.mark.parametrize("option", [("--since", "yesterday"), ("--event", "refusal"), ("--level", "loud")])
def test_what_is_not_understood_is_said(option: tuple[str, str]) -> None:
    result = show(*option)
    assert result.exit_code == 2
    assert option[0] in result.output


def test_a_file_that_is_not_there_is_an_error_of_one_line() -> None:
    result = CliRunner().invoke(main, ["log", "/nowhere/x.jsonl"])
    assert result.exit_code == 1
    assert result.output == "enforcer: /nowhere/x.jsonl: No such file or directory\n"


def test_a_file_is_followed_until_interrupted_and_half_a_line_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(LINES)
    command = [sys.executable, "-c", "from enforcer.cli import main; main()", "log", "-f", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"}) as process:
        assert process.stdout is not None
        try:
            for _ in range(9):
                process.stdout.readline()
            whole = LINES.splitlines()[1]
            with path.open("a") as out:
                for half in (whole[:40], whole[40:] + "\n"):
                    out.write(half)
                    out.flush()
                    time.sleep(2 * log_command.LOOK)
            ready = "2026-09-21 14:00:00.000 INFO     ready: enforcer 1 ready: mode enforce\n"
            assert process.stdout.readline() == ready
            process.send_signal(2)
            assert process.wait(5) == 0
        finally:
            process.kill()


def test_the_journal_is_asked_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "journalctl"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = CliRunner().invoke(main, ["log", "--since", "2026-09-21T14:00:00Z", "--follow"])
    expected = "--unit=enforcer --output=cat --no-pager --quiet --lines=all --since=@1790000000 --follow"
    assert result.output == f"| {expected.replace('1790000000', '1789999200')}\n"


def test_without_a_journal_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["log"])
    assert result.exit_code == 3
    assert "name a file" in result.output


@pytest.mark.parametrize(
    "garbage",
    [
        '{"time":"2026-09-21T14:00:00Z","event":[]}',
        '{"time":"2026-09-21T14:00:00Z","level":{}}',
        '{"time":"2026-09-21T14:00:00Z","traceback":1}',
        '{"time":"9999-12-31T23:59:59-12:00"}',
        '{"time":"0001-01-01T00:00:00+05:00"}',
        "[" * 100_000,
    ],
)
def test_what_only_looks_like_a_line_of_the_daemon_is_shown_as_it_is(garbage: str) -> None:
    result = show(text=garbage + "\n")
    assert (result.exit_code, result.output) == (0, f"| {garbage}\n")
    asked = show("--event", "refused", text=garbage + "\n")
    assert (asked.exit_code, asked.output) == (0, "")


def test_nothing_in_a_line_steers_the_terminal_or_ends_the_command() -> None:
    time_and_event = '{"time":"2026-09-21T14:00:00Z","event":"ready","message"'
    result = show(text=f'{time_and_event}:"\\u001b[2J\\ud800"}}\n\x1b[2J\n')
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert [line[-5:] for line in result.output.splitlines()] == ["\ufffd[2J\ufffd", " \ufffd[2J"]
