"""Output for people: tables on a terminal, plain columns elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enforcer.explain import span
from enforcer.explanation import AddressExplanation, FamilyAnswer, NumberExplanation, RegistrationFacts
from enforcer.policy import Action, Decision
from enforcer.reasons import HELD_BACK
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


def explanation_lines(told: AddressExplanation | NumberExplanation) -> list[list[tuple[str, str]]]:
    """An explanation in blocks of labelled sentences: the paragraph to read out, then the technician's details."""
    blocks = [[("read out", told.aloud)]]
    if isinstance(told, NumberExplanation):
        return [*blocks, *(_entry(entry) for entry in told.answers), [("answered by", _answered_by(told))]]
    same: dict[str, list[FamilyAnswer]] = {}
    for answer in told.answers:
        same.setdefault(answer.model_dump_json(exclude={"protocol"}), []).append(answer)
    for answers in same.values():
        blocks.append(
            [(", ".join(answer.protocol for answer in answers), _verdict(answers[0])), *_why(answers[0])]
        )
    if told.recent is not None:
        lately = [
            ("lately", f"refused {refusal.at:%H:%M:%S}, {span(refusal.seconds_ago)} ago: {refusal.protocol} "
             f"{refusal.variant} ({refusal.reason})")
            for refusal in told.recent
        ]  # fmt: skip
        since = "" if told.gateway is None else f" (known since {_at(told.gateway.remembers_since)})"
        blocks.append(lately or [("lately", f"nothing refused in the last ten minutes{since}")])
    return [*blocks, [("answered by", _answered_by(told))]]


def _answered_by(told: AddressExplanation | NumberExplanation) -> str:
    if told.source == "files":
        return f"the files, as of {_at(told.at)}; the running gateway was not asked: {told.not_asked}"
    if isinstance(told, NumberExplanation) or told.gateway is None:
        return f"the running gateway, {_at(told.at)}"
    return f"the running gateway, {_at(told.at)}; mode {told.gateway.mode}, started {_at(told.gateway.started_at)}"


def _verdict(answer: FamilyAnswer) -> str:
    return f"{'refused' if answer.action is Action.REJECT else 'accepted'} ({answer.reason})"


def _why(answer: FamilyAnswer) -> list[tuple[str, str]]:
    lines = [("why", answer.meaning)]
    if answer.held_back is not None:
        lines.append(("held back", f"It would be refused, but: {HELD_BACK[answer.held_back].meaning}"))
    line = answer.line
    lines.append(
        ("line", f"{line.name} (class {line.kind})" if line else "no class of line with a way to register")
    )
    if answer.entry is not None:
        lines += _entry(answer.entry)
    if answer.session is not None:
        age = answer.session.age_seconds
        lines.append(("session", answer.session.state + ("" if age is None else f", heard of {span(age)} ago")))
    list_age = answer.list_age_seconds
    lines.append(("list", "none loaded" if list_age is None else f"{span(list_age)} old"))
    lines.append(("to change", answer.change))
    if answer.held_back is not None:
        lines.append(("or", HELD_BACK[answer.held_back].change))
    return lines


def _entry(entry: RegistrationFacts) -> list[tuple[str, str]]:
    lines = [("registration", f"{entry.id} ({entry.holder}), {entry.source}: {entry.status}")]
    first, last = entry.valid_from, entry.valid_to
    lines.append(("valid", f"{_at(first) if first else 'no first day'} to {_at(last) if last else 'no last day'}"))
    if entry.counts_until is not None:
        lines.append(("counts until", _at(entry.counts_until)))
    if entry.vanished_at is not None:
        lines.append(("vanished", f"missing from the list since {_at(entry.vanished_at)}"))
    if entry.revocation is not None:
        revocation = entry.revocation
        dates = f"notice {_at(revocation.notice_at)}, effective {_at(revocation.effective_at)}"
        lines.append(("revoked", f"{revocation.reason}; {dates}"))
    for limits in (entry.protocols, entry.peers):
        if limits:
            lines.append(("limited to", ", ".join(limits)))
    return lines


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
