"""Why: the answer for an address or a number, with every fact it rests on and what would change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from enforcer.aloud import Surroundings, address_aloud, number_aloud
from enforcer.config import Config
from enforcer.explanation import (
    AddressExplanation,
    FamilyAnswer,
    GatewayFacts,
    LineFacts,
    NumberExplanation,
    RecentRefusal,
    RegistrationFacts,
    RevocationFacts,
    SessionFacts,
)
from enforcer.fingerprints.detection import Family
from enforcer.policy import Action, Answer, Policy, Reason, Who
from enforcer.reasons import REASONS
from enforcer.registry.model import Registration


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from: the running gateway and its memory, or the files (``not_asked`` says why, and
    ``down`` whether none runs)."""

    gateway: GatewayFacts | None = None
    recent: list[RecentRefusal] | None = None
    not_asked: str | None = None
    down: bool = False


class Clock:
    """Moments in the operator's time zone, to the second."""

    def __init__(self, config: Config) -> None:
        self._zone = ZoneInfo(config.registry.timezone)

    def at(self, moment: float) -> datetime:
        """A moment given in seconds since the epoch."""
        return datetime.fromtimestamp(int(moment), self._zone)

    def at_or_never(self, moment: float | None) -> datetime | None:
        """The same; None stays None."""
        return None if moment is None else self.at(moment)


def explain_address(
    policy: Policy, address: bytes, families: Iterable[Family], now: float, source: Source
) -> AddressExplanation:
    """What would happen at ``now`` (epoch seconds) to handshakes between the address (4 or 16 bytes) and anyone.

    Where subscribers are known by interface, the address is taken to be behind one: this is asked of a
    subscriber's address. Conditions on remote peers count as met.
    """
    clock = Clock(policy.config)
    answers = [_family(policy, address, family, now, clock) for family in families]
    surroundings = Surroundings(
        at=clock.at(now),
        address=ip_address(address),
        contact=policy.config.help.contact,
        down=source.down,
        sessions_elsewhere=source.gateway is None and _sessions_are_live(policy.config),
    )
    return AddressExplanation(
        at=surroundings.at,
        aloud=address_aloud(answers, source.gateway, source.recent, surroundings),
        source="files" if source.gateway is None else "gateway",
        not_asked=source.not_asked,
        gateway=source.gateway,
        answers=answers,
        recent=source.recent,
    )


def explain_number(
    config: Config, entries: Iterable[Registration], now: float, not_asked: str | None
) -> NumberExplanation:
    """The registrations of a number at ``now``, epoch seconds."""
    clock = Clock(config)
    found = [_registration(entry, config, now, clock) for entry in entries]
    return NumberExplanation(
        at=clock.at(now),
        aloud=number_aloud(found, config.help.contact, clock.at(now)),
        source="gateway" if not_asked is None else "files",
        not_asked=not_asked,
        answers=found,
    )


def _family(policy: Policy, address: bytes, family: Family, now: float, clock: Clock) -> FamilyAnswer:
    action, held_back, who = Action.ACCEPT, None, None
    if policy.exemptions.covers(address):
        reason = Reason.EXEMPT
    else:
        subscriber = bool(policy.config.subscribers.interfaces) or policy.is_subscriber(address, None, now)
        who = policy.end(address, None, subscriber, family, now)
        reason = who.reason
        if who.answer is Answer.NOT_REGISTERED:
            held_back = policy.held_back(family, now)
            action = Action.REJECT if held_back is None else Action.ACCEPT
    return FamilyAnswer(
        protocol=family,
        action=action,
        reason=reason,
        held_back=held_back,
        meaning=REASONS[reason].meaning,
        change=REASONS[reason].change,
        line=None if who is None or who.line is None else LineFacts(name=who.line.name, kind=who.line.kind),
        entry=None if who is None or who.entry is None else _registration(who.entry, policy.config, now, clock),
        session=_session(who),
        list_age_seconds=None if who is None else who.list_age,
    )


def _session(who: Who | None) -> SessionFacts | None:
    if who is None or who.holding is None or (who.line is not None and who.line.kind == "static"):
        return None
    return SessionFacts(state=who.holding.state, age_seconds=who.holding.age)


def _registration(entry: Registration, config: Config, now: float, clock: Clock) -> RegistrationFacts:
    grace = float(config.registry.grace)
    revocation, end = entry.revocation, entry.ends_at()
    ends = [] if end is None else [end + grace]
    if revocation is not None:
        ends.append(revocation.effective_at)
    return RegistrationFacts(
        id=entry.id,
        holder=entry.kind,
        source=entry.source,
        status=entry.status(now, grace),
        valid_from=clock.at_or_never(entry.valid_from),
        valid_to=clock.at_or_never(entry.valid_to),
        vanished_at=clock.at_or_never(entry.vanished_at),
        counts_until=clock.at_or_never(min(ends, default=None)),
        protocols=sorted(entry.protocols),
        peers=[str(peer) for peer in entry.peers],
        revocation=None
        if revocation is None
        else RevocationFacts(
            reason=revocation.reason,
            notice_at=clock.at(revocation.notice_at),
            effective_at=clock.at(revocation.effective_at),
        ),
    )


def _sessions_are_live(config: Config) -> bool:
    return bool(config.radius.clients) or config.sessions.store is not None


def span(seconds: float) -> str:
    """A length of time in words, in the largest unit of which there are two."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
