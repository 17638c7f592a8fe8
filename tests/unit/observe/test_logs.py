"""The log: one object a line, named events with the fields that are defined, and nothing that quotes a value."""

from __future__ import annotations

import ast
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enforcer.gateway import nft
from enforcer.log_events import EVENTS, named
from enforcer.logs import JsonLines, ShortLines
from enforcer.observe.audit import AuditLog
from enforcer.observe.refusals import PER_SECOND, RefusalLog
from enforcer.problems import Notice, Problem
from tests.unit.policy.worlds import NOW, STATIC, World

LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}


def calls(repository: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """Every call of a module's log: where, the method, the call."""
    for path in sorted((repository / "enforcer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                whose = node.func.value
                if isinstance(whose, ast.Name) and whose.id in ("log", "logging") and node.func.attr in (
                    *LEVELS, "debug", "critical", "log", "warn",
                ):  # fmt: skip
                    yield f"{path.relative_to(repository)}:{node.lineno}", node.func.attr, node


def name_of(call: ast.Call) -> tuple[str, set[str]]:
    """The event a call names, and the fields it gives."""
    extra = next(keyword.value for keyword in call.keywords if keyword.arg == "extra")
    assert isinstance(extra, ast.Call)
    assert isinstance(extra.func, ast.Name)
    assert extra.func.id == "named"
    (event,) = extra.args
    assert isinstance(event, ast.Constant)
    fields = {keyword.arg for keyword in extra.keywords if keyword.arg is not None}
    if any(keyword.arg is None for keyword in extra.keywords):
        fields |= {"added", "ended", "in_grace"}
    return str(event.value), fields


def test_every_line_names_a_defined_event_at_its_level_with_its_fields(repository: Path) -> None:
    found = list(calls(repository))
    assert len(found) > 40
    for where, method, call in found:
        name, fields = name_of(call)
        assert name in EVENTS, where
        assert LEVELS[method] == EVENTS[name].level, f"{where}: {name}"
        assert fields == set(EVENTS[name].fields), f"{where}: {name}"


def test_every_event_defined_is_written_somewhere(repository: Path) -> None:
    assert {name_of(call)[0] for _, _, call in calls(repository)} == set(EVENTS) - {"other"}


def test_the_documentation_lists_every_event_and_no_other(repository: Path) -> None:
    rows = dict(
        re.findall(
            r"^\| `(\w+)` \| ([^|]+ \| [^|]+ \| [^|]+) \|$", (repository / "docs/logs.md").read_text(), re.M
        )
    )
    assert rows == {
        name: f"{one.level} | {', '.join(f'`{field}`' for field in one.fields) or ' '} | {one.meaning}"
        for name, one in EVENTS.items()
    }


def record(
    level: int = logging.INFO, message: str = "plain", extra: dict[str, object] | None = None
) -> logging.LogRecord:
    made = logging.LogRecord("enforcer", level, __file__, 1, message, (), None)
    made.__dict__.update(extra or {})
    made.created = NOW
    return made


def test_a_line_is_one_object() -> None:
    line = JsonLines("gw1", prefixed=False).format(
        record(message='two\nlines, "quoted", ü', extra=named("refused", family="ipsec", line=None))
    )
    assert "\n" not in line
    assert "ü" in line
    assert json.loads(line) == {
        "time": "2026-09-21T14:13:20.000Z",
        "level": "info",
        "event": "refused",
        "message": 'two\nlines, "quoted", ü',
        "gateway": "gw1",
        "family": "ipsec",
        "line": None,
    }


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)]
)
def test_the_journal_is_told_the_priority(level: int, priority: int) -> None:
    line = JsonLines("gw1", prefixed=True).format(record(level))
    assert line.startswith(f'<{priority}>{{"time"')


def test_a_traceback_says_where_and_never_which_value() -> None:
    def failing() -> None:
        try:
            raise ValueError(f"{STATIC} is odd")
        except ValueError as error:
            raise KeyError("+923001234567") from error

    try:
        failing()
    except KeyError as error:
        made = record(logging.ERROR)
        made.exc_info = (KeyError, error, error.__traceback__)
    lines = [JsonLines("gw1", prefixed=False).format(made), ShortLines().format(made)]
    trace = json.loads(lines[0])["traceback"]
    assert re.search(r"test_logs\.py:\d+ .*failing$", trace[1])
    assert trace[2:4] == ["KeyError", "because of"]
    assert trace[-1] == "ValueError"
    for line in lines:
        assert STATIC not in line
        assert "3001234567" not in line


PROGRAM = """
import logging, sys, threading, warnings
from enforcer import logs
from enforcer.log_events import named
logs.to_standard_error()
logging.getLogger("x").warning("dns is %s", "silent", extra=named("dns_silent"))
warnings.warn("198 is a library's word")
def fail(): raise ValueError("203.0.113.9")
thread = threading.Thread(target=fail); thread.start(); thread.join()
fail()
"""


def run(environment: dict[str, str], stderr: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], stderr=stderr, env={**os.environ, **environment}, check=False
    ).returncode


def test_what_is_no_terminal_gets_objects_whoever_speaks(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as out:
        assert run({"JOURNAL_STREAM": "1:2"}, out.fileno()) == 1
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["dns_silent", "other", "fault", "fault"]
    assert lines[0]["message"] == "dns is silent"
    assert "203.0.113.9" not in path.read_text()


def test_the_journal_is_recognised_by_its_stream(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as out:
        status = os.fstat(out.fileno())
        run({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, out.fileno())
    assert [line[:4] for line in path.read_text().splitlines()] == ["<4>{", "<4>{", "<3>{", "<3>{"]


def test_a_person_at_a_terminal_gets_short_lines() -> None:
    ours, theirs = pty.openpty()
    run({}, theirs)
    text = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert re.match(r"\d\d:\d\d:\d\d WARNING dns is silent\r\n", text)


def test_no_refusal_is_lost_to_the_limit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("enforcer.observe.refusals.time.monotonic", lambda: now[0])
    log, decision = RefusalLog(), World().decide(STATIC)
    with caplog.at_level(logging.INFO):
        for _ in range(PER_SECOND + 5):
            log(decision)
        log.flush()
        assert len(caplog.records) == PER_SECOND
        now[0] = 101.0
        log.flush()
        log.flush()
        log(decision)
        log.close()
    fields = [getattr(one, "fields") for one in caplog.records]  # noqa: B009
    assert [one["suppressed"] for one in fields] == [0] * PER_SECOND + [5, 0]
    assert fields[0] == {
        "family": "wireguard", "variant": "any", "reason": "not_registered", "line": "leased", "suppressed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("about", "said"), [({"address": STATIC}, "address"), ({"number_of": ["F-1"]}, "number")])
def test_the_log_says_who_asked_and_not_about_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, about: dict[str, object], said: str
) -> None:
    with caplog.at_level(logging.INFO):
        AuditLog(tmp_path / "audit.jsonl").asked(NOW, "amina", 1001, about)
        AuditLog(None).asked(NOW, "amina", 1001, about)
    (written,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(written).items() >= about.items()
    assert len(caplog.records) == 2
    for one in caplog.records:
        line = json.loads(JsonLines("gw1", prefixed=False).format(one))
        assert line.items() >= {"question": "explain", "about": said, "user": "amina", "uid": 1001}.items()
        assert STATIC not in str(line)
        assert "F-1" not in str(line)


def test_what_nft_refuses_is_told_without_the_addresses_it_quotes() -> None:
    with pytest.raises(nft.CommandError) as told:
        nft.check(f"add element inet enforcer_is_not_there registered4 {{ {STATIC} }}\n")
    assert "Error: " in str(told.value)
    assert STATIC not in str(told.value)


@pytest.mark.parametrize("column", ["address", "peers"])
def test_what_is_wrong_with_an_address_is_logged_without_it(column: str) -> None:
    problem = Problem("list.csv", 5, column, "198.51.100.300", "not an address: expected one as 192.0.2.7")
    notice = Notice("list.csv", 5, column, "covers 198.51.100.7")
    for found in (problem, notice):
        assert found.logged().startswith(f"list.csv:5: {column}: ")
        assert "198.51" not in found.logged()
        assert "`enforcer check`" in found.logged()
        assert "198.51" in str(found)
    other = Problem("list.csv", 6, "valid_to", "tomorrow", "not a date")
    assert other.logged() == str(other)
