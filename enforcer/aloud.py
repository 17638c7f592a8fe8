"""The paragraph that the help desk reads out: what happened, why, what would change it, whom to ask.

It speaks to the caller, who is no engineer; the details for the technician follow it on the screen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TypedDict

from enforcer.explanation import FamilyAnswer, GatewayFacts, RecentRefusal, RegistrationFacts
from enforcer.fingerprints.detection import Family
from enforcer.policy import ENTRY_REASONS, Action, HeldBack, Reason
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.registry.model import Status

NAMES = {Family.WIREGUARD: "WireGuard", Family.OPENVPN: "OpenVPN", Family.IPSEC: "IPsec"}

SOON = timedelta(days=30)
"""A registration that ends within this time is said to."""

_SOMEBODY = "the office that keeps the list of registrations"

_NO_LINE = frozenset({Reason.NO_ROUTE, Reason.NO_SUBSCRIBER})
_UNMAPPED = _NO_LINE | {Reason.MAPPING_MISSING}

_INTERNAL = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7",
                 "fe80::/10", "::1")
)  # fmt: skip
"""What a device sees as its own address behind a router (RFC 1918, 3927, 4193, 4291)."""

_BY_STATUS = {
    **ENTRY_REASONS,
    Status.CURRENT: Reason.REGISTERED,
    Status.GRACE: Reason.REGISTERED_GRACE,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the paragraph needs besides the answers. ``down``: no gateway runs. ``sessions_elsewhere``: only the
    running gateway knows who holds a mobile address, and it was not asked."""

    at: datetime
    address: IPv4Address | IPv6Address
    contact: str | None
    down: bool
    sessions_elsewhere: bool


class Fields(TypedDict):
    """What may stand in braces in ``Words.aloud``. A date has its preposition."""

    what: str
    ended: str
    counts_until: str
    starts: str
    protocols: str
    notice: str
    why: str
    revoked: str


def address_aloud(
    answers: Sequence[FamilyAnswer],
    gateway: GatewayFacts | None,
    recent: Sequence[RecentRefusal] | None,
    surroundings: Surroundings,
) -> str:
    """The paragraph about an address."""
    by_family = {answer.protocol: answer for answer in answers}
    # What was refused to another protocol than was asked about is no answer to the question.
    refused = [refusal for refusal in recent or () if refusal.protocol in by_family]
    said = list(_lately(refused, by_family, gateway, surroundings))
    told = {
        refusal.protocol
        for refusal in refused
        if by_family[refusal.protocol].action is Action.REJECT or refusal.reason is Reason.OTHER_PEER
    }
    said += _now([answer for answer in answers if answer.protocol not in told], said)
    said += _about_entries(answers, surroundings.at)
    if gateway is not None and not refused and all(_passes(answer) for answer in answers):
        said.append(f"So if your {_vpn(by_family)} does not work, this gateway is not the cause.")
    if _looks_internal(surroundings.address) and all(answer.reason in _NO_LINE for answer in answers):
        said.append(
            "Please check the address you gave: it may be one inside your home or office, which the outside never "
            "sees. A page that shows your address tells the right one."
        )
    if surroundings.sessions_elsewhere and any(answer.reason in _UNMAPPED for answer in answers):
        said.append(
            "For a mobile line this is not the whole answer: only the running gateway knows who has the address."
        )
    if refused or any(_wants_contact(answer) for answer in answers):
        said.append(_contact(surroundings.contact))
    return " ".join(said)


def number_aloud(entries: Sequence[RegistrationFacts], contact: str | None, at: datetime) -> str:
    """The paragraph about a number."""
    if not entries:
        said = ["This number is not on the list of registrations."]
    else:
        said = list(dict.fromkeys(_words(_BY_STATUS[entry.status], entry, "number") for entry in entries))
        said += dict.fromkeys(sentence for entry in entries for sentence in _notes(entry, at))
    said.append(
        "Whether something was refused can only be looked up by address: please tell me the one you have now."
    )
    said.append(_contact(contact))
    return " ".join(said)


def _lately(
    refused: Sequence[RecentRefusal],
    by_family: dict[Family, FamilyAnswer],
    gateway: GatewayFacts | None,
    surroundings: Surroundings,
) -> Iterable[str]:
    if gateway is None:
        yield (
            "Our gateway does not run just now, and while it does not, nothing is refused. Once it runs again:"
            if surroundings.down
            else "What was refused to you lately I cannot see here. By the rules:"
        )
        return
    for family in NAMES:
        of_family = [refusal for refusal in refused if refusal.protocol is family]
        if of_family:
            last, first = of_family[-1], of_family[0]
            times = f", {len(of_family)} times since {first.at:%H:%M}" if len(of_family) > 1 else ""
            article = "A" if family is Family.WIREGUARD else "An"
            yield f"{article} {NAMES[family]} connection of your line was refused at {last.at:%H:%M}{times}."
            yield from _since(last, by_family[family])
    if not refused:
        nothing = f"no {_vpn(by_family)} connection" if len(by_family) < len(NAMES) else "nothing"
        if gateway.remembers_since <= gateway.started_at:
            yield (
                f"This gateway was started at {gateway.started_at:%H:%M}. Since then it has refused {nothing} of "
                "your line; what was before, it does not know."
            )
        else:
            yield f"In the last ten minutes this gateway refused {nothing} of your line."


def _vpn(asked: Collection[Family]) -> str:
    """What was asked about: any VPN, or one of some families."""
    return "VPN" if len(asked) == len(NAMES) else _either(NAMES[family] for family in asked)


def _since(last: RecentRefusal, now: FamilyAnswer) -> Iterable[str]:
    """Why it was refused, and whether it would be again."""
    same = last.reason is now.reason
    yield _of_answer(now) if same else _words(last.reason, now.entry, _what(now))
    if now.action is Action.REJECT:
        if not same:
            yield f"Now it would be refused for another reason. {_of_answer(now)}"
    elif last.reason is not Reason.OTHER_PEER:
        yield "That has changed since: please try again."


def _now(answers: Sequence[FamilyAnswer], said: Sequence[str]) -> Iterable[str]:
    groups: dict[tuple[Action, str, HeldBack | None], list[Family]] = {}
    for answer in answers:
        groups.setdefault((answer.action, _of_answer(answer), answer.held_back), []).append(answer.protocol)
    known = set(said)
    for (action, why, held_back), families in groups.items():
        vpn = "A VPN" if len(families) == len(NAMES) else _either(NAMES[family] for family in families)
        if action is Action.REJECT:
            yield f"{vpn} would be refused {'too' if why in known else 'now'}."
        else:
            yield f"{vpn} would be let through now."
        if held_back is not None:
            yield HELD_BACK[held_back].aloud
            if why not in known:
                yield f"Otherwise it would be refused. {why}"
        elif why not in known:
            yield why
        known.add(why)


def _about_entries(answers: Iterable[FamilyAnswer], at: datetime) -> Iterable[str]:
    return dict.fromkeys(
        sentence for answer in answers if answer.entry is not None for sentence in _notes(answer.entry, at)
    )


def _notes(entry: RegistrationFacts, at: datetime) -> Iterable[str]:
    """What the holder of an entry that counts should know besides."""
    if entry.status is not Status.CURRENT:
        return
    if entry.revocation is not None:
        yield (
            f"But it is revoked: notice was given {_on(entry.revocation.notice_at)}, the reason is: "
            f"{entry.revocation.reason}. It ends {_on(entry.revocation.effective_at)}."
        )
    elif entry.valid_to is not None and entry.valid_to - at < SOON:
        yield f"It ends soon, {_ending(entry.valid_to)}: renew it in time."
    if entry.peers:
        yield "It is for VPNs with certain remote addresses only; a VPN with any other is refused."


def _of_answer(answer: FamilyAnswer) -> str:
    return _words(answer.reason, answer.entry, _what(answer))


def _words(reason: Reason, entry: RegistrationFacts | None, what: str) -> str:
    return REASONS[reason].aloud.format(**_fields(entry, what))


def _fields(entry: RegistrationFacts | None, what: str) -> Fields:
    """Every field; one of which nothing is known says so, and no reason that has it comes without an entry."""
    unknown = "(on a date not known)"
    ends = [end for end in (entry.valid_to, entry.vanished_at) if end is not None] if entry is not None else []
    until = entry.counts_until if entry is not None else None
    protocols = entry.protocols if entry is not None else []
    revocation = entry.revocation if entry is not None else None
    return Fields(
        what=what,
        ended=_ending(min(ends)) if ends else unknown,
        counts_until=unknown if until is None else _moment(until),
        starts=unknown if entry is None or entry.valid_from is None else _on(entry.valid_from),
        protocols=_either(NAMES[family] for family in protocols) if protocols else "another kind of VPN",
        notice=unknown if revocation is None else _on(revocation.notice_at),
        why="not known" if revocation is None else revocation.reason,
        revoked=unknown if revocation is None else _on(revocation.effective_at),
    )


def _what(answer: FamilyAnswer) -> str:
    """What is, or would be, registered of the line."""
    if answer.line is None:
        return "line"
    return "address" if answer.line.kind == "static" else "mobile number"


def _passes(answer: FamilyAnswer) -> bool:
    return answer.action is Action.ACCEPT and not (answer.entry is not None and answer.entry.peers)


def _wants_contact(answer: FamilyAnswer) -> bool:
    return (
        answer.action is Action.REJECT or answer.held_back is not None or answer.reason is Reason.REGISTERED_GRACE
    )


def _contact(contact: str | None) -> str:
    return f"To register, or to ask about a registration, contact {contact or _SOMEBODY}."


def _looks_internal(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in _INTERNAL)


def _either(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _moment(at: datetime) -> str:
    """A point in time after "until". A day's last moment belongs to that day."""
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"the end of {_day(at - timedelta(days=1))}"
    return f"{_day(at)} at {at:%H:%M}"


def _ending(at: datetime) -> str:
    """When something ends or ended, with its preposition."""
    moment = _moment(at)
    return f"at {moment}" if moment.startswith("the end") else f"on {moment}"


def _on(at: datetime) -> str:
    """A date with its preposition, and the time of day unless it is midnight."""
    return f"on {_day(at)}" if (at.hour, at.minute) == (0, 0) else f"on {_day(at)} at {at:%H:%M}"
