"""The command line."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from enforcer import __version__
from enforcer.check import check as run_check
from enforcer.config import Config, ConfigError, load
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.explain import (
    address_lines,
    address_object,
    explain_address,
    registration_lines,
    registration_object,
)
from enforcer.fingerprints.detection import Family
from enforcer.gateway import nft, preflight
from enforcer.gateway.backend import detect
from enforcer.gateway.daemon import Daemon, StartError
from enforcer.gateway.nfqueue import QueueError
from enforcer.gateway.ruleset import Backend, table
from enforcer.gateway.sets import KernelSets, desired
from enforcer.lists import ListError, Lists, load_lists, load_tagger
from enforcer.policy import Policy
from enforcer.present import console, evidence_lines, flows_table, labelled
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.replay import FlowReport, Replay
from enforcer.subscribers.number import normalise
from enforcer.wire.capture import CaptureError, open_capture

DEFAULT_CONFIG = Path("/etc/enforcer/enforcer.yaml")

INPUT, MACHINE = 1, 3
"""Exit codes: something in the files given is wrong; this machine cannot do it. 2 is click's, for usage."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _config_option(required: bool) -> Callable[[Command], Command]:
    path = click.Path(path_type=Path, readable=False)
    fallback = "" if required else ", or what is built in"
    text = f"The configuration. Default: {DEFAULT_CONFIG}{fallback}."
    return click.option("--config", "-c", "config_path", type=path, help=text)


def _lenient_option() -> Callable[[Command], Command]:
    return click.option(
        "--lenient", is_flag=True, help="Leave bad rows of the lists out instead of refusing the whole file."
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="enforcer %(version)s")
def main() -> None:
    """Applies a VPN registration scheme fairly on a gateway.

    Recognises the handshakes of WireGuard, OpenVPN and IPsec in their standard form, asks who is behind them, and
    accepts, or rejects with a clear error. The default mode only watches.

    \b
    A first day:
      enforcer check --config enforcer.yaml       is everything in order?
      enforcer replay capture.pcap                what would it see in this capture?
      enforcer run --config enforcer.yaml         watch (mode: monitor), read /metrics
      enforcer explain 203.0.113.7                why would this address be refused?
    """


@main.command()
@_config_option(required=True)
@_lenient_option()
def run(config_path: Path | None, lenient: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; SIGHUP reloads the configuration and the lists.

    Needs root. Loads one nft table, gives verdicts, and takes everything out again when it stops. A daemon that
    is dead or stalled stops nobody: the kernel lets pass what it would have judged.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    config = _load_config(config_path, required=True)
    obstacles = list(preflight.obstacles(config))
    if obstacles:
        _fail(MACHINE, obstacles)
    with _input_errors():
        lists = load_lists(config, lenient, time.time(), keep=True)
    for warning in (*preflight.warnings(config), *lists.notices, *lists.problems):
        logging.warning("%s", warning)
    try:
        Daemon(config_path or DEFAULT_CONFIG, config, lists, lenient).run()
    except (StartError, QueueError, nft.CommandError) as error:
        _fail(MACHINE, [str(error)])


@main.command()
@_config_option(required=True)
@_lenient_option()
def check(config_path: Path | None, lenient: bool) -> None:
    """Validate the configuration, the lists, the exemptions and, as root, the ruleset.

    Prints every problem and exits with 1 when there is one. Changes nothing.
    """
    config = _load_config(config_path, required=True)
    with _machine_errors():
        report = run_check(config, lenient)
    for fact in report.facts:
        click.echo(f"      {fact}")
    for warning in report.warnings:
        click.echo(f"note  {warning}")
    for problem in report.problems:
        click.echo(f"ERROR {problem}", err=True)
    if report.problems:
        _fail(INPUT, [f"{len(report.problems)} problem{'s' * (len(report.problems) > 1)} found"])
    click.echo(f"ok    mode {config.mode}, enforcing {', '.join(config.enforce) or 'nothing'}")


@main.command()
@_config_option(required=True)
@_lenient_option()
def ruleset(config_path: Path | None, lenient: bool) -> None:
    """Print the nft text that `run` would load, sets included.

    As root the kernel is asked whether it has nft's queue statement; without root it is taken to have it.
    """
    config = _load_config(config_path, required=True)
    with _input_errors(), _machine_errors():
        lists = load_lists(config, lenient, time.time(), keep=False)
        backend = detect(config) if os.geteuid() == 0 else Backend.NATIVE
    now, grace = time.time(), float(config.registry.grace)
    contents = desired(lists.registry, lists.sessions, Exemptions(config.exempt), now, grace)
    click.echo(table(config, backend) + KernelSets().fill(contents), nl=False)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@_config_option(required=False)
@_lenient_option()
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def replay(files: tuple[Path, ...], config_path: Path | None, lenient: bool, form: str) -> None:
    """Decide on the flows of capture files (pcap, pcapng, also gzip-compressed), by the captures' own clocks.

    Prints one row, or one JSON object a line, for each flow in which a family was proven or seen.
    """
    policy = _policy(config_path, lenient)
    failures: list[str] = []
    rows: list[tuple[str, FlowReport]] = []
    frames = packets = 0
    with _progress(files) as advance:
        for path in files:
            one = Replay(Engine(policy))
            try:
                with open_capture(path) as capture:
                    for _ in one.feed(capture):
                        advance(path, capture.position)
            except CaptureError as error:
                failures.append(str(error))
            frames += one.frames
            packets += one.packets
            if form == "jsonl":
                for report in one.reports():
                    click.echo(json.dumps(report.as_object(str(path))))
            else:
                rows.extend((str(path), report) for report in one.reports())
    if form == "table":
        if rows:
            console().print(flows_table(rows))
        click.echo(
            f"{len(rows)} flows of WireGuard, OpenVPN or IPsec in {frames} frames, {packets} packets", err=True
        )
    if failures:
        _fail(INPUT, failures)


@main.command()
@click.argument("what", metavar="ADDRESS|NUMBER|FILE")
@_config_option(required=False)
@_lenient_option()
@click.option("--protocol", type=click.Choice([str(family) for family in Family]), help="Only this family.")
@click.option("--at", "at_text", metavar="TIME", help="At this time (RFC 3339, with offset), not now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    what: str, config_path: Path | None, lenient: bool, protocol: str | None, at_text: str | None, as_json: bool
) -> None:
    """Say what would happen, and why.

    \b
    ADDRESS  a tunnel from or to this subscriber's address
    NUMBER   its registration and dates, never an address
    FILE     every flow of a capture, with the bytes that prove it
    """
    at = _time(at_text)
    families = [Family(protocol)] if protocol else list(Family)
    try:
        address = ip_address(what).packed
    except ValueError:
        address = b""
    if address:
        answers = [explain_address(_policy(config_path, lenient), address, family, at) for family in families]
        if as_json:
            click.echo(json.dumps([address_object(answer) for answer in answers], indent=2))
            return
        for answer in answers:
            console().print(labelled(address_lines(answer)))
            click.echo()
    elif Path(what).exists():
        _explain_file(Path(what), _policy(config_path, lenient), families, as_json)
    else:
        _explain_number(what, config_path, lenient, at, as_json)


def _explain_file(path: Path, policy: Policy, families: Iterable[Family], as_json: bool) -> None:
    one = Replay(Engine(policy))
    failure: CaptureError | None = None
    try:
        with open_capture(path) as capture:
            for _ in one.feed(capture):
                pass
    except CaptureError as error:
        failure = error
    reports = [report for report in one.reports() if report.decision.detection.family in families]
    if as_json:
        click.echo(json.dumps([report.as_object(str(path)) for report in reports], indent=2))
    else:
        for report in reports:
            decision = report.decision
            words = REASONS[decision.reason]
            lines = [*evidence_lines(report), ("decision", f"{decision.action} ({decision.reason})")]
            lines.append(("why", words.meaning))
            if decision.held_back is not None:
                lines.append(("held back", f"It would be refused, but: {HELD_BACK[decision.held_back].meaning}"))
            lines.append(("to change", words.change))
            console().print(labelled(lines))
            click.echo()
        click.echo(f"{len(reports)} flows in {one.frames} frames")
    if failure is not None:
        _fail(INPUT, [str(failure)])


def _explain_number(what: str, config_path: Path | None, lenient: bool, at: float, as_json: bool) -> None:
    config = _load_config(config_path, required=False)
    with _input_errors():
        try:
            number = normalise(what, config.numbers.region)
        except ValueError:
            _fail(INPUT, ["neither an address, nor a mobile number, nor a file that exists"])
        tagger = load_tagger(config)
        if tagger is None:
            _fail(INPUT, ["numbers.key_file is not set: without it no number can be looked up"])
        lists = load_lists(config, lenient, at, keep=False)
    grace = float(config.registry.grace)
    entries = [(entry, entry.status(at, grace)) for entry in lists.registry.match_tag(tagger.tag(number))]
    if as_json:
        click.echo(json.dumps([registration_object(entry, status) for entry, status in entries], indent=2))
        return
    if not entries:
        click.echo("This number is not on the list.")
    for entry, status in entries:
        console().print(labelled(registration_lines(entry, status)))


def _policy(config_path: Path | None, lenient: bool) -> Policy:
    config = _load_config(config_path, required=False)
    with _input_errors():
        lists = load_lists(config, lenient, time.time(), keep=False)
    _tell(lists)
    return Policy(config, lists.registry, lists.sessions, Exemptions(config.exempt))


def _tell(lists: Lists) -> None:
    for notice in (*lists.notices, *lists.problems):
        click.echo(f"note: {notice}", err=True)


def _load_config(path: Path | None, required: bool) -> Config:
    if path is None and not required and not DEFAULT_CONFIG.exists():
        return Config()
    with _input_errors():
        return load(path or DEFAULT_CONFIG)


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except (ConfigError, ListError) as error:
        _fail(INPUT, [str(problem) for problem in error.problems])


@contextmanager
def _machine_errors() -> Iterator[None]:
    try:
        yield
    except nft.CommandError as error:
        _fail(MACHINE, [str(error)])


@contextmanager
def _progress(files: tuple[Path, ...]) -> Iterator[Callable[[Path, int], None]]:
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield lambda path, position: None  # noqa: ARG005
        return
    total = sum(path.stat().st_size for path in files if path.is_file())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("reading", total=total)
        done: dict[Path, int] = {}

        def advance(path: Path, position: int) -> None:
            done[path] = position
            bar.update(task, description=path.name, completed=sum(done.values()))

        yield advance


def _time(text: str | None) -> float:
    if text is None:
        return time.time()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise click.BadParameter(
            f"{text!r}: expected a time with its offset, for example 2026-11-21T09:30:00+05:00", param_hint="--at"
        )
    return at.timestamp()


def _fail(code: int, messages: Iterable[str]) -> NoReturn:
    for message in messages:
        click.echo(f"enforcer: {message}", err=True)
    raise SystemExit(code)
