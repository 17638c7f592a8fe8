"""`enforcer explain`: what would happen to an address's tunnels, a number's registration, a capture's flows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import click

from enforcer.commands import (
    DEFAULT_CONFIG,
    INPUT,
    ask_daemon,
    config_option,
    fail,
    input_errors,
    lenient_option,
    load_config,
    policy_of,
)
from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.explain import (
    address_lines,
    address_object,
    explain_address,
    registration_lines,
    registration_object,
)
from enforcer.fingerprints.detection import Family
from enforcer.lists import load_lists
from enforcer.policy import Policy
from enforcer.present import console, evidence_lines, labelled
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.replay import Replay
from enforcer.subscribers.number import normalise
from enforcer.wire.capture import CaptureError, open_capture


@click.command()
@click.argument("what", metavar="ADDRESS|NUMBER|FILE")
@config_option(required=False)
@lenient_option()
@click.option("--protocol", type=click.Choice([str(family) for family in Family]), help="Only this family.")
@click.option(
    "--at", "at_text", metavar="TIME", help="At this time (RFC 3339, with offset), by the files, not the daemon."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    what: str, config_path: Path | None, lenient: bool, protocol: str | None, at_text: str | None, as_json: bool
) -> None:
    """Say what would happen, and why.

    \b
    ADDRESS  a tunnel from or to this subscriber's address
    NUMBER   its registration and dates, never an address
    FILE     every flow of a capture, with the bytes that prove it

    Addresses and numbers are asked of the running daemon, where control.socket is set and it runs; else, and with
    --at, of the files of the configuration. Each question to the daemon goes to the audit log with who asked.
    """
    at = _time(at_text)
    families = [Family(protocol)] if protocol else list(Family)
    address = _address(what)
    if address is None and what and Path(what).exists():
        _explain_file(Path(what), policy_of(config_path, lenient), families, as_json)
        return
    config = load_config(config_path, required=False)
    if address is None:
        _require_number(what, config)
    if at_text is None and config.control.socket is not None and config.control.socket.exists():
        subject = (
            {"address": str(ip_address(address)), "protocol": protocol}
            if address is not None
            else {"number": what}
        )
        _print_live(ask_daemon(config, {"what": "explain", **subject}), as_json)
    elif address is not None:
        answers = [explain_address(policy_of(config_path, lenient), address, family, at) for family in families]
        if as_json:
            click.echo(json.dumps({"answers": [address_object(answer) for answer in answers]}, indent=2))
            return
        for answer in answers:
            console().print(labelled(address_lines(answer)))
            click.echo()
    else:
        _explain_number(what, config_path or DEFAULT_CONFIG, config, lenient, at, as_json)


def _address(text: str) -> bytes | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # Written by a dual-stack program's log; on the wire it is the IPv4 address.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed


def _require_number(text: str, config: Config) -> None:
    try:
        normalise(text, config.numbers.region)
    except ValueError:
        fail(INPUT, ["neither an address, nor a mobile number, nor a file that exists"])


def _print_live(told: dict[str, Any], as_json: bool) -> None:
    parts = [*told["answers"], *([told["recent"]] if "recent" in told else [])]
    if as_json:
        found = {"answers": [part["object"] for part in told["answers"]]}
        click.echo(
            json.dumps({**found, **({"recent": told["recent"]["object"]} if "recent" in told else {})}, indent=2)
        )
        return
    if not told["answers"]:
        click.echo("This number is not on the list.")
    for part in parts:
        console().print(labelled([(label, sentence) for label, sentence in part["lines"]]))
        click.echo()


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
    if (unread := one.unread()) is not None:
        click.echo(f"note: {path}: {unread}", err=True)
    if failure is not None:
        fail(INPUT, [str(failure)])


def _explain_number(what: str, path: Path, config: Config, lenient: bool, at: float, as_json: bool) -> None:
    if config.numbers.key_file is None:
        fail(INPUT, ["numbers.key_file is not set: without it no number can be looked up"])
    with input_errors():
        lists = load_lists(config, lenient, at, path)
    grace = float(config.registry.grace)
    tagger = lists.tagger
    entries = (
        [] if tagger is None else lists.registry.match_tag(tagger.tag(normalise(what, config.numbers.region)))
    )
    if as_json:
        objects = [registration_object(entry, entry.status(at, grace)) for entry in entries]
        click.echo(json.dumps({"answers": objects}, indent=2))
        return
    if not entries:
        click.echo("This number is not on the list.")
    for entry in entries:
        console().print(labelled(registration_lines(entry, entry.status(at, grace))))


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
