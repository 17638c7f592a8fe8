"""Fuzz what reads packets, captures, lists, configuration, accounting and questions."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.fuzz import harness
from tests.fuzz.harness import FINDINGS, NAMES, WORK

_STATUS = re.compile(rb"#(\d+)\s.*?cov: (\d+)")
_DONE = re.compile(rb"stat::number_of_executed_units: (\d+)|Done (\d+) runs")
_TOOK = re.compile(rb"Done \d+ runs in (\d+) second")
# Tracing keeps some kilobytes of each run of numpy code; without it memory stays flat.
_MEMORY_MB = 4096
_SLOWEST_SECONDS = 5


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", default=60, show_default=True, help="How long to fuzz each.")
@click.option("--runs", default=-1, help="How many inputs to try on each, at most.")
@click.option("--pack", default=0, metavar="BYTES", help="Fuzz nothing; distil the corpus into the repository.")
@click.option("--totals", is_flag=True, help="Fuzz nothing; print what was executed so far, as Markdown.")
def main(names: tuple[str, ...], seconds: int, runs: int, pack: int, totals: bool) -> None:
    """Fuzz the named readers, or all of them, one after the other, guided by the program's coverage.

    An input that breaks an invariant stops its harness and is kept under tests/fuzz/findings: the unit tests
    replay it from then on. Corpora grow in build/fuzz. Stop with Ctrl-C; nothing is lost.

    Names: link, reassembly, packet, flow, capture, registry_csv, registry_yaml, config, radius, control.
    """
    if totals:
        click.echo(_totals())
        return
    failed = False
    for name in names or NAMES:
        if pack:
            _pack(name, pack)
        else:
            failed = _fuzz(name, seconds, runs) or failed
    sys.exit(failed)


def _command(name: str, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz.child", name, str(folder), *options]


def _fuzz(name: str, seconds: int, runs: int) -> bool:
    """Whether something was found."""
    FINDINGS.mkdir(exist_ok=True)
    before = set(harness.findings(name))
    command = _command(
        name,
        WORK / name,
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-artifact_prefix={FINDINGS}/{name}-",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-timeout={_SLOWEST_SECONDS}",
        "-print_final_stats=1",
    )
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[n]}"),
    )
    executed = took = 0
    last: list[bytes] = []
    with Progress(*columns) as progress, subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        task = progress.add_task(name, total=None, n="")
        assert process.stderr is not None
        with contextlib.suppress(KeyboardInterrupt):
            for line in process.stderr:
                last = [*last[-30:], line]
                status, done, time = _STATUS.search(line), _DONE.search(line), _TOOK.search(line)
                if status:
                    executed = int(status[1])
                    progress.update(task, n=f"{executed:,} executions, {int(status[2]):,} places covered")
                if done:
                    executed = int(done[1] or done[2])
                if time:
                    took = int(time[1])
        process.wait()
        took = took or round(progress.tasks[task].elapsed or 0)
    new = sorted(set(harness.findings(name)) - before)
    _record(name, executed, took, len(new))
    click.echo(f"{name}: {executed:,} executions in {took} s, {len(new)} findings")
    if new or process.returncode:
        click.echo(b"".join(last).decode(errors="replace"), err=True)
    for path in new:
        click.echo(f"found: {path}", err=True)
    return bool(new or process.returncode)


def _record(name: str, executed: int, took: int, found: int) -> None:
    path = WORK / f"{name}.json"
    before = json.loads(path.read_text()) if path.exists() else {"executions": 0, "seconds": 0, "findings": 0}
    now = {"executions": executed, "seconds": took, "findings": found}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: before[key] + now[key] for key in now}))


def _totals() -> str:
    rows = ["| harness | executions | a second | findings |", "|---|---|---|---|"]
    total = found = 0
    for name in NAMES:
        path = WORK / f"{name}.json"
        if path.exists():
            told = json.loads(path.read_text())
            executed, took = told["executions"], told["seconds"]
            rows.append(f"| {name} | {executed:,} | {executed / max(took, 1):,.0f} | {told['findings']} |")
            total, found = total + executed, found + told["findings"]
    return "\n".join([*rows, f"| all | {total:,} | | {found} |"])


def _pack(name: str, most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "merged"
        merged.mkdir()
        subprocess.run(
            [*_command(name, merged, "-merge=1"), str(WORK / name)], stderr=subprocess.DEVNULL, check=True
        )
        inputs = [path.read_bytes() for path in merged.iterdir()]
    seeds = set(harness.load(name).seeds().values())
    kept = harness.pack(name, (data for data in inputs if data not in seeds), most)
    click.echo(f"{name}: {kept} of {len(inputs)} inputs packed")


if __name__ == "__main__":
    main()
