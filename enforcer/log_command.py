"""`enforcer log`: the daemon's JSON lines as a person reads them, filtered."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
from pydantic import TypeAdapter, ValidationError

from enforcer.config_fields import Seconds
from enforcer.fingerprints.detection import Family
from enforcer.log_events import EVENTS
from enforcer.options import INPUT, MACHINE, fail
from enforcer.policy import Reason

LEVELS = ("debug", "info", "warning", "error", "critical")
_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}

LOOK = 0.25
"""Seconds between two looks at a file that is followed."""


class Filter(NamedTuple):
    """What is asked for; None and empty ask for everything. ``since`` is in epoch seconds."""

    since: float | None = None
    events: frozenset[str] = frozenset()
    family: str | None = None
    reason: str | None = None
    level: str = "debug"

    def takes(self, entry: dict[str, Any]) -> bool:
        """Whether an entry is among what is asked for."""
        return (
            (self.since is None or _epoch(entry) >= self.since)
            and (not self.events or entry.get("event") in self.events)
            and (self.family is None or entry.get("family") == self.family)
            and (self.reason is None or entry.get("reason") == self.reason)
            and (entry.get("level") not in LEVELS or LEVELS.index(entry["level"]) >= LEVELS.index(self.level))
        )

    @property
    def by_content(self) -> bool:
        """Whether a line that says nothing of event, family and reason can be among what is asked for."""
        return bool(self.events) or self.family is not None or self.reason is not None


@click.command("log")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option("--since", "since_text", metavar="TIME", help="From then on: 30m, 2h, 7d ago, or 2026-09-21T14:00.")
@click.option(
    "--event", "events", multiple=True, type=click.Choice(sorted(EVENTS)), metavar="EVENT",
    help="Only this event; may be given again. docs/logs.md lists them.",
)  # fmt: skip
@click.option("--family", type=click.Choice([str(family) for family in Family]), help="Only of this family.")
@click.option(
    "--reason", type=click.Choice([str(reason) for reason in Reason]), metavar="REASON",
    help="Only with this reason, for example not_registered.",
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(LEVELS), default="debug", show_default=True, help="Of this level or above."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
def log(
    file: Path | None,
    since_text: str | None,
    events: tuple[str, ...],
    family: str | None,
    reason: str | None,
    level: str,
    follow: bool,
) -> None:
    """Show the daemon's log, from the journal, from FILE, or from standard input (-).

    No line holds an address, a number, a tag or a destination: it says what was refused and why, never whom.
    Lines that the daemon did not write begin with |.

    \b
      enforcer log --since 2h                        the last two hours
      enforcer log --follow                          as it happens
      enforcer log --level warning --since 7d        what went wrong this week
      enforcer log --event refused --family ipsec    refusals of IPsec
      enforcer log --event reloaded --event asked    who reloaded, who asked
      enforcer log --reason list_stale saved.jsonl   of a file
    """
    wanted = Filter(_since(since_text), frozenset(events), family, reason, level)
    lines = _journal(wanted.since, follow) if file is None else _of_file(file, follow)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(lines):
        for shown in pretty(lines, wanted):
            click.echo(shown)


def pretty(lines: Iterable[str], wanted: Filter) -> Iterator[str]:
    """The lines asked for, as a person reads them, coloured."""
    for line in lines:
        entry = _entry(line)
        if entry is None:
            if not wanted.by_content:
                yield click.style(f"| {_printable(line)}", dim=True)
        elif wanted.takes(entry):
            yield _shown(entry)


def _shown(entry: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(_epoch(entry)).astimezone().isoformat(" ", "milliseconds")[:23]
    level = entry.get("level", "")
    head = click.style(f"{_printable(level).upper():8}", fg=_COLOURS.get(level))
    message, *more = map(_printable, entry.get("message", "").splitlines() or [""])
    first = f"{when} {head} {click.style(_printable(entry.get('event', '')), bold=True)}: {message}"
    return "\n    ".join([first, *more, *(_printable(str(place)) for place in entry.get("traceback", ()))])


def _printable(text: str) -> str:
    """Without what would steer a terminal, or cannot be encoded: what others write is in the journal too."""
    return "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in text)


def _entry(line: str) -> dict[str, Any] | None:
    """The entry a line holds, None when the daemon did not write it."""
    # The priority stands before a line that did not pass through journald.
    text = line[3:] if line[:1] == "<" and line[2:3] == ">" else line
    try:
        entry = json.loads(text)
        datetime.fromtimestamp(_epoch(entry)).astimezone()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return entry if _is_entry(entry) else None


def _is_entry(found: object) -> bool:
    return (
        isinstance(found, dict)
        and all(isinstance(found.get(field, ""), str) for field in ("level", "event", "message"))
        and isinstance(found.get("traceback", []), list)
    )


def _epoch(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["time"]).timestamp()


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    with contextlib.suppress(ValidationError):
        return time.time() - TypeAdapter(Seconds).validate_python(text)
    try:
        # Without an offset it is the operator's own time.
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "expected how long ago (30m, 2h, 7d) or a time (2026-09-21T14:00, with or without an offset)",
            param_hint="--since",
        ) from None


def _journal(since: float | None, follow: bool) -> Generator[str, None, None]:
    if shutil.which("journalctl") is None:
        fail(MACHINE, ["journalctl is not installed here: name a file with the log, or - for standard input"])
    arguments = ["journalctl", "--unit=enforcer", "--output=cat", "--no-pager", "--quiet", "--lines=all"]
    if since is not None:
        arguments.append(f"--since=@{since:.0f}")
    if follow:
        arguments.append("--follow")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        try:
            yield from (line.rstrip("\n") for line in process.stdout)
        finally:
            process.terminate()
    if process.returncode > 0:
        fail(MACHINE, [f"journalctl ended with exit code {process.returncode}"])


def _of_file(path: Path, follow: bool) -> Generator[str, None, None]:
    if str(path) == "-":
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    try:
        reader = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        fail(INPUT, [f"{path}: {error.strerror}"])
    with reader:
        rest = ""
        while True:
            for part in reader:
                rest += part
                if rest.endswith("\n"):
                    yield rest.rstrip("\n")
                    rest = ""
            if not follow:
                break
            time.sleep(LOOK)
        if rest:
            yield rest
