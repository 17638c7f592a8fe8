"""Output for people: tables on a terminal, plain columns elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enforcer.policy import Action, Decision
from enforcer.replay import FlowReport

_WIDE = 20_000
"""Columns assumed where the output is not a terminal, more than any row has: nothing is folded in a file."""


def console(stderr: bool = False) -> Console:
    """A console for standard output (or error) that never folds when it is not a terminal."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=not stderr)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, width=_WIDE)
    return made


def flows_table(rows: Iterable[tuple[str, FlowReport]]) -> Table:
    """One row for each flow in which a family was proven or seen."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("file", "frame", "", "client", "server", "family", "variant", "proof", "action", "reason"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "frame" else "left")
    for file, report in rows:
        decision, detection = report.decision, report.decision.detection
        table.add_row(
            Text(file),
            str(report.frame),
            report.transport,
            report.client,
            report.server,
            str(detection.family),
            detection.variant,
            str(detection.standing),
            action_text(decision),
            reason_text(decision),
        )
    return table


def action_text(decision: Decision) -> Text:
    """The action, in colour where it is or would be a refusal."""
    if decision.action is Action.REJECT:
        return Text("reject", "bold red")
    if decision.would is Action.REJECT:
        return Text("would reject", "yellow")
    return Text("accept", "green")


def reason_text(decision: Decision) -> str:
    """The reason code, with what holds the refusal back."""
    return str(decision.reason) if decision.held_back is None else f"{decision.reason} ({decision.held_back})"


def labelled(lines: Iterable[tuple[str, str]]) -> Table:
    """Labels and their sentences, in two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, sentence in lines:
        table.add_row(label, Text(sentence))
    return table


def evidence_lines(report: FlowReport) -> list[tuple[str, str]]:
    """The flow, what proves it, and where the proof stands in the payload."""
    detection = report.decision.detection
    lines: list[tuple[str, Any]] = [
        ("flow", f"{report.transport} {report.client} to {report.server}"),
        ("found", f"{detection.family} {detection.variant}, {detection.message}: {detection.standing}"),
        ("where", f"frame {report.frame}, packet {report.packet} of the flow"),
    ]
    for evidence in detection.evidence:
        octets = bytes(evidence.octets)
        shown = octets[:16].hex(" ") + (" …" if len(octets) > 16 else "")
        lines.append((f"byte {evidence.offset}", f"{shown}: {evidence.meaning}"))
    return lines
