"""The commands that read files: check, ruleset, replay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from enforcer.check import check as run_check
from enforcer.commands import input_errors, load_config, machine_errors, policy_of
from enforcer.engine import Engine
from enforcer.gateway import preflight
from enforcer.gateway.backend import detect
from enforcer.gateway.exempt_keeper import remembered
from enforcer.gateway.ruleset import Backend, table
from enforcer.gateway.sets import statements
from enforcer.lists import load_lists
from enforcer.options import DEFAULT_CONFIG, INPUT, config_option, fail, lenient_option
from enforcer.present import console, flows_table
from enforcer.replay import FlowReport, Replay
from enforcer.wire.capture import CaptureError, open_capture


@click.command()
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


@click.command()
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


@click.command()
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
