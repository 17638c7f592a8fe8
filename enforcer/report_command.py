"""`enforcer report`: what enforcing would do, from the totals of the shadow report."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.table import Table
from rich.text import Text

from enforcer.commands import load_config
from enforcer.config_fields import Seconds
from enforcer.options import INPUT, MACHINE, config_option, fail
from enforcer.present import console
from enforcer.shadow.advice import NAMES, about, advice, share
from enforcer.shadow.chart import between, date
from enforcer.shadow.coverage import lasting
from enforcer.shadow.page import busiest, margin, moment, page, typical
from enforcer.shadow.report import Group, Report, first_day, make
from enforcer.shadow.store import Store, StoreError
from enforcer.shadow.totals import DAY


@click.command()
@config_option(required=True)
@click.option(
    "--since",
    default="7d",
    show_default=True,
    metavar="7d|DATE",
    help="The last so many days, or from this day (2026-11-21) on. Days are UTC.",
)
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write it as one HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(config_path: Path | None, since: str, html: Path | None, as_json: bool) -> None:
    """Say what enforcing would do: how many would be refused and why, and what to mend first.

    \b
    enforcer report                       the last seven days
    enforcer report --since 2026-11-01    from that day on
    enforcer report --html report.html    with plots, to print or to send

    It reads the totals that the daemon keeps in shadow.file, while it runs or when it does not. The daemon writes
    them when an hour is over. Nobody is named: there are numbers only, and none for fewer than twenty subscribers.
    """
    config = load_config(config_path, required=True)
    if config.shadow.file is None:
        told = "shadow.file is not set, so no totals are kept; usually it is /var/lib/enforcer/shadow.sqlite"
        fail(INPUT, [told])
    now = time.time()
    begin = _since(since, now)
    store = Store(config.shadow.file)
    try:
        if not store.exists():
            fail(INPUT, [f"{config.shadow.file}: does not exist yet; the daemon writes it when an hour is over"])
        records = store.read(first_day(begin))
    except StoreError as error:
        fail(INPUT, [f"{config.shadow.file}: {error}"])
    made = make(records, begin, now, config.shadow.period)
    if html is not None:
        try:
            html.write_text(page(made), encoding="utf-8")
        except OSError as error:
            fail(MACHINE, [f"{html}: cannot be written: {error.strerror}"])
        click.echo(f"written to {html}", err=True)
    if as_json:
        click.echo(json.dumps(as_object(made), indent=2))
    elif html is None:
        show(made)


def as_object(report: Report) -> dict[str, object]:
    """The report as plain values, for JSON: times in epoch seconds, null for fewer than twenty, or nobody."""
    return {**asdict(report), "advice": [asdict(each) for each in advice(report)]}


def show(report: Report) -> None:
    """Print it for a person."""
    out = console()
    days = date(report.days[0]) if len(report.days) == 1 else f"{date(report.days[0])} to {date(report.days[-1])}"
    out.print(Text(f"What enforcing would do: {days} (UTC), as of {moment(report.made)}", "bold"))
    out.print(f"Would be refused: {about(report.refused, 'subscribers')}.")
    out.print(f"Estimates, within {margin()}, 19 times in 20. <20 is fewer than 20, or nobody.\n")

    families = _table("family", "typical day", "busiest day", "handshakes", "shadow period")
    for family in report.families:
        period = (
            "none asked for"
            if not report.period
            else "complete"
            if family.suffices
            else f"{lasting(family.shadowed)} of {lasting(report.period)}"
        )
        families.add_row(NAMES[family.family], *_numbers(family.refused, family.handshakes), period)
    out.print(families)

    reasons = _table("reason", "typical day", "busiest day", "handshakes", "")
    for each in report.reasons:
        what = Text("would be refused", "red") if each.stopped else Text("would pass", "green")
        refused, most, handshakes = _numbers(each.subscribers, each.handshakes)
        reasons.add_row(str(each.reason), refused, most, f"{handshakes} ({share(each.share)})", what)
    if report.reasons:
        out.print(reasons)

    lines = _table("would be refused, by line", "typical day", "busiest day", "handshakes", "family")
    for line in report.lines:
        lines.add_row(line.line or "none declared", *_numbers(line.refused, line.handshakes), NAMES[line.family])
    if report.lines:
        out.print(lines)

    by_day = _table("would be refused, by day", *(NAMES[family.family] for family in report.families), "watched")
    for index, day in enumerate(report.days):
        watched = report.watched[index]
        found = [family.refused.days[index] for family in report.families]
        numbers = [between(some) if some else "<20" if watched else "-" for some in found]
        by_day.add_row(date(day), *numbers, lasting(watched) if watched else "not watched")
    out.print(by_day)

    for number, one in enumerate(advice(report), 1):
        out.print(Text(f"{number}. {one.title}", "bold"))
        out.print(f"   {one.text}")


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 0 < index < 4 else "left", no_wrap=index < 4)
    return table


def _numbers(group: Group, handshakes: int) -> tuple[str, str, str]:
    return typical(group), busiest(group), f"{handshakes:,}"


def _since(text: str, now: float) -> float:
    try:
        begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        try:
            span = TypeAdapter(Seconds).validate_python(text)
        except ValidationError:
            span = 0
        if span < DAY:
            told = f"{text!r}: expected a number of days, for example 7d, or a day, for example 2026-11-21"
            raise click.BadParameter(told, param_hint="--since") from None
        begin = now - span + DAY
    if begin > now:
        raise click.BadParameter(f"{text}: is not over yet", param_hint="--since")
    return max(begin, 0.0)
