"""`enforcer explain`: what would happen to an address's tunnels, a number's registration, a capture's flows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from enforcer.commands import input_errors, load_config, policy_of
from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.explain import Source, explain_address, explain_number
from enforcer.explanation import AddressExplanation, Explanation, NumberExplanation
from enforcer.fingerprints.detection import Family
from enforcer.gateway.control import ControlError, NotRunning, ask
from enforcer.lists import load_lists
from enforcer.options import DEFAULT_CONFIG, INPUT, config_option, fail, lenient_option
from enforcer.policy import Policy
from enforcer.present import console, evidence_lines, explanation_lines, labelled
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.registry.model import Registration
from enforcer.replay import Replay
from enforcer.subscribers.number import normalise
from enforcer.wire.capture import CaptureError, open_capture

_EXPLANATION: TypeAdapter[AddressExplanation | NumberExplanation] = TypeAdapter(Explanation)


@click.command()
@click.argument("what", metavar="ADDRESS|NUMBER|FILE")
@config_option(required=False)
@lenient_option()
@click.option("--protocol", type=click.Choice([str(family) for family in Family]), help="Only this family.")
@click.option(
    "--at", "at_text", metavar="TIME", help="At this time (RFC 3339, with offset), by the files, not the daemon."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/explain.schema.json).")
def explain(
    what: str, config_path: Path | None, lenient: bool, protocol: str | None, at_text: str | None, as_json: bool
) -> None:
    """Say what was refused lately, what would happen now, and why: for whoever has the person on the phone.

    \b
    ADDRESS  a tunnel from or to this subscriber's address
    NUMBER   its registration and dates, never an address
    FILE     every flow of a capture, with the bytes that prove it

    The first paragraph is to be read out word for word; the details below it are the technician's. Times are in
    registry.timezone.

    Addresses and numbers are asked of the running gateway, where control.socket is set; else, and with --at, of
    the files of the configuration, and the answer says so. Each question to the gateway goes to the audit log with
    who asked.

    Exit codes: 0 answered, whatever the answer; 1 not answered, with the reason; 2 usage; 3 this machine cannot.
    """
    at = _time(at_text)
    families = [Family(protocol)] if protocol else list(Family)
    address = _address(what)
    if address is None and _is_file(what):
        _explain_file(Path(what), policy_of(config_path, lenient), families, as_json)
        return
    config = load_config(config_path, required=False)
    if address is None:
        _require_number(what, config)
        subject: dict[str, str | None] = {"number": what}
    else:
        subject = {"address": str(ip_address(address)), "protocol": protocol}
    asked = Source(not_asked="--at asks the files") if at_text is not None else _ask(config, subject)
    if not isinstance(asked, Source):
        told = asked
    elif address is not None:
        told = explain_address(policy_of(config_path, lenient), address, families, at, asked)
    else:
        told = explain_number(config, _entries(what, config_path, config, lenient, at), at, asked.not_asked)
    _print(told, as_json)


def _ask(config: Config, subject: dict[str, str | None]) -> AddressExplanation | NumberExplanation | Source:
    """What the running gateway answers; the files as a source, with the reason, where there is none to ask."""
    if config.control.socket is None:
        return Source(not_asked="control.socket is not set")
    try:
        answer = ask(config.control.socket, {"what": "explain", **subject})
    except NotRunning:
        return Source(not_asked=f"none runs behind {config.control.socket}", down=True)
    except ControlError as error:
        fail(INPUT, str(error).splitlines())
    try:
        return _EXPLANATION.validate_python(answer["explanation"], strict=False)
    except (KeyError, ValidationError):
        fail(INPUT, ["the running gateway answers in another form: it is of another version, restart it"])


def _address(text: str) -> bytes | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # Written by a dual-stack program's log; on the wire it is the IPv4 address.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed


def _is_file(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:
        return False


def _require_number(text: str, config: Config) -> None:
    try:
        normalise(text, config.numbers.region)
    except ValueError:
        fail(INPUT, ["neither an address, nor a mobile number, nor a file that exists"])


def _print(told: AddressExplanation | NumberExplanation, as_json: bool) -> None:
    if as_json:
        click.echo(told.model_dump_json(indent=2, by_alias=True))
        return
    for lines in explanation_lines(told):
        console().print(labelled(lines))
        click.echo()


def _explain_file(path: Path, policy: Policy, families: Iterable[Family], as_json: bool) -> None:
    one = Replay(Engine(policy))
    failure: CaptureError | None = None
    try:
        with open_capture(path) as capture:
            for _ in one.feed(capture.records):
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


def _entries(what: str, path: Path | None, config: Config, lenient: bool, at: float) -> list[Registration]:
    """The registrations of a number, by the files."""
    if config.numbers.key_file is None:
        fail(INPUT, ["numbers.key_file is not set: without it no number can be looked up"])
    with input_errors():
        lists = load_lists(config, lenient, at, path or DEFAULT_CONFIG)
    if lists.tagger is None:
        return []
    return lists.registry.match_tag(lists.tagger.tag(normalise(what, config.numbers.region)))


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
    if not 1970 <= at.year <= 9998:
        raise click.BadParameter(f"{text!r}: the year is not between 1970 and 9998", param_hint="--at")
    return at.timestamp()
