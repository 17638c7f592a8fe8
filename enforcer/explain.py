"""Why: the answer for an address or a number, with every fact it rests on and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from enforcer.fingerprints.detection import Family
from enforcer.policy import Action, Answer, HeldBack, Policy, Reason, Who
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.registry.model import Registration, Status


@dataclass(frozen=True, slots=True)
class AddressAnswer:
    """What would happen to a tunnel of one family from or to an address."""

    family: Family
    action: Action
    reason: Reason
    held_back: HeldBack | None
    who: Who | None


def explain_address(policy: Policy, address: bytes, family: Family, now: float) -> AddressAnswer:
    """What would happen at ``now`` (epoch seconds) to a handshake between the address (4 or 16 bytes) and anyone.

    Where subscribers are known by interface, the address is taken to be behind one: this is asked of a
    subscriber's address. Conditions on remote peers count as met.
    """
    if policy.exemptions.covers(address):
        return AddressAnswer(family, Action.ACCEPT, Reason.EXEMPT, None, None)
    subscriber = bool(policy.config.subscribers.interfaces) or policy.is_subscriber(address, None, now)
    who = policy.end(address, None, subscriber, family, now)
    if who.answer is not Answer.NOT_REGISTERED:
        return AddressAnswer(family, Action.ACCEPT, who.reason, None, who)
    held_back = policy.held_back(family, now)
    action = Action.ACCEPT if held_back else Action.REJECT
    return AddressAnswer(family, action, who.reason, held_back, who)


def address_lines(answer: AddressAnswer) -> list[tuple[str, str]]:
    """The answer as labelled sentences for a person."""
    words = REASONS[answer.reason]
    verdict = "refused" if answer.action is Action.REJECT else "accepted"
    lines = [
        (str(answer.family), f"{verdict} ({answer.reason})"),
        ("why", words.meaning),
    ]
    if answer.held_back is not None:
        lines.append(("held back", f"It would be refused, but: {HELD_BACK[answer.held_back].meaning}"))
    who = answer.who
    if who is not None:
        lines.append(("line", "no class of line with a registration route" if who.line is None else
                      f"{who.line.name} (class {who.line.kind})"))  # fmt: skip
        if who.entry is not None:
            lines.extend(registration_lines(who.entry, who.status))
        if who.holding is not None and (who.line is None or who.line.kind == "mobile"):
            age = "" if who.holding.age is None else f", heard of {span(who.holding.age)} ago"
            lines.append(("session", f"{who.holding.state}{age}"))
        lines.append(("list", "none loaded" if who.list_age is None else f"{span(who.list_age)} old"))
    lines.append(("to change", words.change))
    if answer.held_back is not None:
        lines.append(("or", HELD_BACK[answer.held_back].change))
    return lines


def address_object(answer: AddressAnswer) -> dict[str, Any]:
    """The answer as plain values, for JSON."""
    who = answer.who
    facts: dict[str, Any] = {
        "protocol": str(answer.family),
        "action": str(answer.action),
        "reason": str(answer.reason),
        "held_back": None if answer.held_back is None else str(answer.held_back),
        "meaning": REASONS[answer.reason].meaning,
        "change": REASONS[answer.reason].change,
    }
    if who is not None:
        facts["line"] = None if who.line is None else {"name": who.line.name, "class": who.line.kind}
        facts["entry"] = None if who.entry is None else registration_object(who.entry, who.status)
        facts["session"] = (
            None if who.holding is None else {"state": str(who.holding.state), "age_seconds": who.holding.age}
        )
        facts["list_age_seconds"] = who.list_age
    return facts


def registration_lines(entry: Registration, status: Status | None) -> list[tuple[str, str]]:
    """A registration and its dates as labelled sentences; never the address of a number's holder."""
    lines = [("registration", f"{entry.id} ({entry.kind}), {entry.source}" + (f": {status}" if status else ""))]
    lines.append(("valid", f"{_date(entry.valid_from, 'no first day')} to {_date(entry.valid_to, 'no last day')}"))
    if entry.vanished_at is not None:
        lines.append(("vanished", f"missing from the list since {_date(entry.vanished_at, '')}"))
    if entry.revocation is not None:
        revocation = entry.revocation
        lines.append(
            (
                "revoked",
                f"{revocation.reason}; notice {_date(revocation.notice_at, '')}, "
                f"effective {_date(revocation.effective_at, '')}",
            )
        )
    if entry.protocols:
        lines.append(("limited to", ", ".join(sorted(entry.protocols))))
    if entry.peers:
        lines.append(("limited to", ", ".join(str(peer) for peer in entry.peers)))
    return lines


def registration_object(entry: Registration, status: Status | None) -> dict[str, Any]:
    """A registration and its dates as plain values, for JSON; never the address of a number's holder."""
    revocation = entry.revocation
    return {
        "id": entry.id,
        "holder": str(entry.kind),
        "source": entry.source,
        "status": None if status is None else str(status),
        "valid_from": _iso(entry.valid_from),
        "valid_to": _iso(entry.valid_to),
        "vanished_at": _iso(entry.vanished_at),
        "protocols": sorted(entry.protocols),
        "peers": [str(peer) for peer in entry.peers],
        "revocation": None
        if revocation is None
        else {
            "reason": revocation.reason,
            "notice_at": _iso(revocation.notice_at),
            "effective_at": _iso(revocation.effective_at),
        },
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _date(at: float | None, absent: str) -> str:
    return absent if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(seconds: float) -> str:
    """A length of time in words, in the largest unit of which there are two."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
