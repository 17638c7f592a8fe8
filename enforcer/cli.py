"""The command line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from enforcer import __version__, core_dumps, logs
from enforcer.check import check as run_check
from enforcer.commands import (
    DEFAULT_CONFIG,
    FAULT,
    INPUT,
    MACHINE,
    Failed,
    ask_daemon,
    config_option,
    fail,
    input_errors,
    lenient_option,
    load_config,
    machine_errors,
    policy_of,
)
from enforcer.engine import Engine
from enforcer.explain_command import explain
from enforcer.gateway import forgetting, nft, preflight
from enforcer.gateway.backend import detect
from enforcer.gateway.control import ControlError
from enforcer.gateway.daemon import Daemon, StartError
from enforcer.gateway.exempt_keeper import remembered
from enforcer.gateway.nfqueue import QueueError
from enforcer.gateway.ruleset import Backend, table
from enforcer.gateway.sets import statements
from enforcer.gateway.watch import watch_lists
from enforcer.lists import ListError, load_lists
from enforcer.log_command import log as log_command
from enforcer.log_events import named
from enforcer.present import console, flows_table
from enforcer.problems import Notice, Problem
from enforcer.replay import FlowReport, Replay
from enforcer.report_command import report as report_command
from enforcer.subscribers.radius.process import RadiusError
from enforcer.wire.capture import CaptureError, open_capture

log = logging.getLogger(__name__)


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
      enforcer log --since 2h                     what did it say lately?
      enforcer report                             what would enforcing do, and what to mend first?
    """


@main.command()
@config_option(required=True)
@lenient_option()
def run(config_path: Path | None, lenient: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; SIGHUP reloads the configuration and the lists.

    Needs CAP_NET_ADMIN: start it under systemd, as its own user, or as root. Loads one nft table, gives verdicts,
    and takes everything out again when it stops. A daemon that is dead or stalled stops nobody: the kernel lets
    pass what it would have judged.
    """
    forgetting.ensure()
    core_dumps.forbid()
    logs.to_standard_error()
    try:
        _run(config_path, lenient)
    except Failed as failed:
        for message in failed.messages:
            log.error("%s", message, extra=named("not_started"))
        raise SystemExit(failed.exit_code) from None
    except Exception:
        log.exception(
            "stopped by a fault of this program, everything taken out of the kernel", extra=named("fault")
        )
        raise SystemExit(FAULT) from None


def _run(config_path: Path | None, lenient: bool) -> None:
    config = load_config(config_path, required=True)
    obstacles = list(preflight.obstacles(config))
    if obstacles:
        fail(MACHINE, obstacles)
    watch = watch_lists(config)
    with input_errors():
        try:
            lists = load_lists(config, lenient, time.time(), config_path or DEFAULT_CONFIG, aside=True)
        except ListError as error:
            fail(INPUT, [problem.logged() for problem in error.problems])
    for warning in preflight.warnings(config):
        log.warning("%s", warning, extra=named("machine_notice"))
    notices: list[Notice | Problem] = [*lists.notices, *lists.problems]
    for notice in notices:
        log.warning("%s", notice.logged(), extra=named("list_notice"))
    with input_errors():
        daemon = Daemon(config_path or DEFAULT_CONFIG, config, lists, lenient, watch)
    try:
        daemon.run()
    except (StartError, QueueError, RadiusError, ControlError, nft.CommandError) as error:
        fail(MACHINE, [str(error)])


@main.command()
@config_option(required=True)
@lenient_option()
def check(config_path: Path | None, lenient: bool) -> None:
    """Validate the configuration, the lists, the exemptions and, as root, the ruleset.

    Prints every problem and exits with 1 when there is one. Changes nothing.
    """
    config = load_config(config_path, required=True)
    with machine_errors():
        report = run_check(config_path or DEFAULT_CONFIG, config, lenient)
    for fact in report.facts:
        click.echo(f"      {fact}")
    for warning in report.warnings:
        click.echo(f"note  {warning}")
    for problem in report.problems:
        click.echo(f"ERROR {problem}", err=True)
    if report.problems:
        fail(INPUT, [f"{len(report.problems)} problem{'s' * (len(report.problems) > 1)} found"])
    click.echo(f"ok    mode {config.mode}, enforcing {', '.join(report.enforced) or 'nothing'}")


@main.command()
@config_option(required=True)
@lenient_option()
def ruleset(config_path: Path | None, lenient: bool) -> None:
    """Print the nft text that `run` would load, sets included.

    As root the kernel is asked whether it has nft's queue statement; without root it is taken to have it.
    """
    config = load_config(config_path, required=True)
    with input_errors(), machine_errors():
        lists = load_lists(config, lenient, time.time(), config_path or DEFAULT_CONFIG)
        backend = detect(config) if preflight.may_administer_the_network() else Backend.NATIVE
    now = time.time()
    with input_errors():
        exemptions = remembered(config.exempt, config.exempt.memory, now, aside=False)
    click.echo(table(config, backend) + statements(config, lists, exemptions, now), nl=False)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@config_option(required=False)
@lenient_option()
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def replay(files: tuple[Path, ...], config_path: Path | None, lenient: bool, form: str) -> None:
    """Decide on the flows of capture files (pcap, pcapng, also gzip-compressed), by the captures' own clocks.

    Prints one row, or one JSON object a line, for each flow in which a family was proven or seen.
    """
    policy = policy_of(config_path, lenient)
    failures: list[str] = []
    notes: list[str] = []
    rows: list[tuple[str, FlowReport]] = []
    frames = packets = 0
    with _progress(files) as advance:
        for path in files:
            one = Replay(Engine(policy))
            try:
                with open_capture(path) as capture:
                    for _ in one.feed(capture.records):
                        advance(path, capture.position)
            except CaptureError as error:
                failures.append(str(error))
            if (unread := one.unread()) is not None:
                notes.append(f"{path}: {unread}")
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
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if failures:
        fail(INPUT, failures)


@main.command()
@config_option(required=True)
def status(config_path: Path | None) -> None:
    """Say how the running gateway stands: mode, families, list, sessions, accounting."""
    for label, sentence in ask_daemon(load_config(config_path, required=True), {"what": "status"})["lines"]:
        click.echo(f"{label:14} {sentence}")


@main.command()
@config_option(required=True)
def reload(config_path: Path | None) -> None:
    """Have the running gateway load its configuration and lists anew, and wait until they are in force.

    Exits with 1, with every reason, when they are refused: then everything stays as it was.
    """
    for label, sentence in ask_daemon(load_config(config_path, required=True), {"what": "reload"})["lines"]:
        click.echo(f"{label}: {sentence}")


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


main.add_command(explain)
main.add_command(log_command)
main.add_command(report_command)
