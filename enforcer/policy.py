"""Who is behind a flow, and what follows from it: a Decision with its reasons.

Promise 1 to 3 and 6 of the design live here. `not registered` is the only answer that may refuse, and it is
earned by every condition at once; anything missing is `unknown`, and unknown is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol as Interface

from enforcer.config import Config, Line
from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.registry.model import Registration, Status
from enforcer.registry.prefixes import PrefixMap
from enforcer.subscribers.model import Holding, HoldingState
from enforcer.wire.packet import Packet

AHEAD = 3600.0
"""Seconds by which the list may be ahead of the clock. Beyond, the clock is wrong: a machine without a battery for
it starts years back, where every registration has yet to begin."""


class Answer(StrEnum):
    """Who is behind the subscriber's side: the three-valued answer."""

    REGISTERED = "registered"
    NOT_REGISTERED = "not_registered"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What happens to the packet."""

    ACCEPT = "accept"
    REJECT = "reject"


class Reason(StrEnum):
    """Why. Every code has its text in reasons.py."""

    REGISTERED = "registered"
    REGISTERED_GRACE = "registered_grace"
    EXEMPT = "exempt"
    AWAITING_ANSWER = "awaiting_answer"
    NOT_A_HANDSHAKE = "not_a_handshake"
    SUBSCRIBERS_IPV6_IPSEC = "subscribers_ipv6_ipsec"
    NO_SUBSCRIBER = "no_subscriber"
    NO_ROUTE = "no_route"
    LIST_MISSING = "list_missing"
    LIST_STALE = "list_stale"
    CLOCK_BEHIND = "clock_behind"
    MAPPING_MISSING = "mapping_missing"
    MAPPING_STALE = "mapping_stale"
    MAPPING_AMBIGUOUS = "mapping_ambiguous"
    MAPPING_NUMBERLESS = "mapping_numberless"
    MAPPING_CUT_OFF = "mapping_cut_off"
    NOT_REGISTERED = "not_registered"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_PROTOCOL = "other_protocol"
    OTHER_PEER = "other_peer"
    ENDED = "registration_ended"
    REVOKED = "registration_revoked"


class HeldBack(StrEnum):
    """Why a packet that would be refused is accepted all the same."""

    MONITOR = "mode_is_monitor"
    FAMILY = "family_not_enforced"
    WIFI_CALLING = "wifi_calling_exemptions_unresolved"
    SHADOW = "shadow_period_not_recorded"


class RegistryView(Interface):
    """What the policy asks of the list."""

    @property
    def as_of(self) -> float | None:
        """When the list was known good, seconds since the epoch; None when none is loaded."""

    def match_address(self, address: bytes) -> list[Registration]:
        """Every entry whose prefix holds the address, most specific first."""

    def match_tag(self, tag: bytes) -> list[Registration]:
        """Every entry of the number with this tag."""


class SessionsView(Interface):
    """What the policy asks of the session table."""

    def holder(self, address: bytes, now: float) -> Holding:
        """Who holds the address at ``now``, seconds since the epoch."""


class ExemptionsView(Interface):
    """What the policy asks of the exemptions."""

    def covers(self, address: bytes) -> bool:
        """Whether flows to or from this address are left alone."""

    def wifi_calling_missing(self, now: float) -> str | None:
        """What of the Wi-Fi calling exemptions is not known at ``now``; None when all is."""


class ShadowView(Interface):
    """What the policy asks of the shadow report's record."""

    def suffices(self, family: Family, period: float) -> bool:
        """Whether a period, in seconds, has been recorded for a family, now or ever."""

    def shadowed(self, family: Family) -> float:
        """Seconds recorded for a family."""


@dataclass(frozen=True, slots=True)
class Who:
    """The answer for one end or for the flow, with every fact it rests on.

    ``address`` is the end's, or the packet's source where neither end is a subscriber's. ``entry`` is the
    registration that decided, ``status`` how it stood; ``list_age`` in seconds.
    """

    answer: Answer
    reason: Reason
    address: bytes | None = None
    line: Line | None = None
    entry: Registration | None = None
    status: Status | None = None
    holding: Holding | None = None
    list_age: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a packet in which a family was found, and why.

    ``would`` is what would be done if nothing held the gateway back; ``held_back`` says what does.
    """

    action: Action
    would: Action
    reason: Reason
    held_back: HeldBack | None
    detection: Detection
    who: Who | None


_MAPPING_REASONS = {
    HoldingState.MISSING: Reason.MAPPING_MISSING,
    HoldingState.STALE: Reason.MAPPING_STALE,
    HoldingState.AMBIGUOUS: Reason.MAPPING_AMBIGUOUS,
    HoldingState.NUMBERLESS: Reason.MAPPING_NUMBERLESS,
    HoldingState.CUT_OFF: Reason.MAPPING_CUT_OFF,
}

ENTRY_REASONS = {
    Status.REVOKED: Reason.REVOKED,
    Status.ENDED: Reason.ENDED,
    Status.UPCOMING: Reason.NOT_YET_VALID,
}
"""Why an entry does not count, by how it stands."""

_UNKNOWN_ORDER = (
    Reason.NO_SUBSCRIBER,
    Reason.NO_ROUTE,
    Reason.LIST_MISSING,
    Reason.LIST_STALE,
    Reason.CLOCK_BEHIND,
    Reason.MAPPING_MISSING,
    Reason.MAPPING_NUMBERLESS,
    Reason.MAPPING_STALE,
    Reason.MAPPING_AMBIGUOUS,
    Reason.MAPPING_CUT_OFF,
)


class Policy:
    """The rules of one configuration, applied to a list, a session table and exemptions."""

    def __init__(
        self,
        config: Config,
        registry: RegistryView,
        sessions: SessionsView,
        exemptions: ExemptionsView,
        live: bool = False,
        shadow: ShadowView | None = None,
    ) -> None:
        """``live`` says that the times given are this machine's present, not a capture's.

        Without ``shadow`` no shadow time is on record.
        """
        self.config = config
        self.registry = registry
        self.sessions = sessions
        self.exemptions = exemptions
        self.shadow = shadow
        self._live = live
        self._enforced = frozenset(config.enforce) if config.mode == "enforce" else frozenset[Family]()
        self._lines: PrefixMap[Line] = PrefixMap()
        self._nas: dict[str, Line] = {}
        for line in config.lines:
            for prefix in line.prefixes:
                self._lines.add(prefix, line)
            for nas in line.nas:
                self._nas[nas] = line
        self._subscriber_prefixes: PrefixMap[bool] = PrefixMap()
        for prefix in config.subscribers.prefixes:
            self._subscriber_prefixes.add(prefix, True)
        self._is_subscriber_interface = _interface_test(config.subscribers.interfaces)

    def decide(
        self,
        packet: Packet,
        detection: Detection,
        now: float,
        inbound: str | None = None,
        outbound: str | None = None,
    ) -> Decision:
        """The decision on a packet at ``now`` (seconds since the epoch), by the interfaces it came and goes by."""
        if detection.standing is Standing.CANDIDATE:
            return _accept(detection, Reason.AWAITING_ANSWER)
        if detection.standing is Standing.SEEN or not detection.handshake:
            return _accept(detection, Reason.NOT_A_HANDSHAKE)
        source, destination = packet.source, packet.destination
        if self.exemptions.covers(destination) or self.exemptions.covers(source):
            return _accept(detection, Reason.EXEMPT)
        ends = [
            address
            for address, interface in ((source, inbound), (destination, outbound))
            if self.is_subscriber(address, interface, now)
        ]
        if detection.family is Family.IPSEC and len(ends) == 2 and len(source) == 16:
            return _accept(detection, Reason.SUBSCRIBERS_IPV6_IPSEC)
        who = self.who(source, destination, ends, detection.family, now)
        if who.answer is not Answer.NOT_REGISTERED:
            return Decision(Action.ACCEPT, Action.ACCEPT, who.reason, None, detection, who)
        held_back = self.held_back(detection.family, now)
        action = Action.ACCEPT if held_back else Action.REJECT
        return Decision(action, Action.REJECT, who.reason, held_back, detection, who)

    def held_back(self, family: Family, now: float) -> HeldBack | None:
        """Why a family's tunnels are not refused at ``now``, None when they are."""
        if self.config.mode != "enforce":
            return HeldBack.MONITOR
        if family not in self._enforced:
            return HeldBack.FAMILY
        if family is Family.IPSEC and self.exemptions.wifi_calling_missing(now) is not None:
            return HeldBack.WIFI_CALLING
        if not self.shadow_suffices(family):
            return HeldBack.SHADOW
        return None

    def shadow_suffices(self, family: Family) -> bool:
        """Whether the shadow period asked for is on record for a family."""
        period = self.config.shadow.period
        return period == 0 or (self.shadow is not None and self.shadow.suffices(family, period))

    def judging(self, now: float) -> bool:
        """Whether anybody can be called unregistered at ``now``: a line is declared, the list loaded and fresh."""
        as_of = self.registry.as_of
        fresh = as_of is not None and now - self.config.registry.max_age <= as_of <= now + AHEAD
        return fresh and bool(self.config.lines)

    def is_subscriber(self, address: bytes, interface: str | None, now: float) -> bool:
        """Whether an end is the subscriber's: by interface, by prefix, or as an address of a declared line."""
        return (
            (interface is not None and self._is_subscriber_interface(interface))
            or bool(self._subscriber_prefixes.covering(address))
            or self._line(address, self.sessions.holder(address, now)) is not None
        )

    def _line(self, address: bytes, holding: Holding) -> Line | None:
        lines = self._lines.covering(address)
        if lines:
            return lines[0]
        return self._nas.get(holding.nas) if holding.nas else None

    def who(self, source: bytes, destination: bytes, ends: list[bytes], family: Family | None, now: float) -> Who:
        """Who is behind a flow whose subscriber's ends are ``ends``. Either end registered is enough.

        A ``family`` of None asks about no protocol in particular: conditions on protocols count as met.
        """
        doubts: list[Who] = []
        negative: Who | None = None
        for address, peer in ((source, destination), (destination, source)):
            who = self.end(address, peer, address in ends, family, now)
            if who.answer is Answer.REGISTERED:
                return who
            if address in ends:
                if who.answer is Answer.UNKNOWN:
                    doubts.append(who)
                else:
                    negative = negative or who
        if doubts:
            return min(doubts, key=lambda who: _UNKNOWN_ORDER.index(who.reason))
        return negative or Who(Answer.UNKNOWN, Reason.NO_SUBSCRIBER, source)

    def end(self, address: bytes, peer: bytes | None, subscriber: bool, family: Family | None, now: float) -> Who:
        """Who is behind one end. A ``peer`` of None asks about no peer in particular."""
        holding = self.sessions.holder(address, now)
        line = self._line(address, holding)
        as_of = self.registry.as_of
        list_age = None if as_of is None else max(0.0, now - as_of)
        entries = self.registry.match_address(address)
        if holding.tag is not None:
            entries = [*entries, *self.registry.match_tag(holding.tag)]
        grace = float(self.config.registry.grace)
        refusal, refused_by, refused_status = Reason.NOT_REGISTERED, None, None
        for entry in entries:
            status = entry.status(now, grace)
            obstacle = ENTRY_REASONS.get(status) or _unmet_condition(entry, peer, family)
            if obstacle is None:
                reason = Reason.REGISTERED if status is Status.CURRENT else Reason.REGISTERED_GRACE
                return Who(Answer.REGISTERED, reason, address, line, entry, status, holding, list_age)
            if refused_by is None:
                refusal, refused_by, refused_status = obstacle, entry, status
        doubt = self._doubt(subscriber, line, holding, list_age)
        if doubt is None and self._live and as_of is not None and as_of - now > AHEAD:
            doubt = Reason.CLOCK_BEHIND
        answer = Answer.NOT_REGISTERED if doubt is None else Answer.UNKNOWN
        return Who(answer, doubt or refusal, address, line, refused_by, refused_status, holding, list_age)

    def _doubt(
        self, subscriber: bool, line: Line | None, holding: Holding, list_age: float | None
    ) -> Reason | None:
        if not subscriber:
            return Reason.NO_SUBSCRIBER
        if line is None:
            return Reason.NO_ROUTE
        if list_age is None:
            return Reason.LIST_MISSING
        if list_age > self.config.registry.max_age:
            return Reason.LIST_STALE
        if line.kind == "mobile":
            return _MAPPING_REASONS.get(holding.state)
        return None


def _accept(detection: Detection, reason: Reason) -> Decision:
    return Decision(Action.ACCEPT, Action.ACCEPT, reason, None, detection, None)


def _unmet_condition(entry: Registration, peer: bytes | None, family: Family | None) -> Reason | None:
    if entry.protocols and family is not None and family not in entry.protocols:
        return Reason.OTHER_PROTOCOL
    if entry.peers and peer is not None:
        address = ip_address(peer)
        if not any(address in network for network in entry.peers):
            return Reason.OTHER_PEER
    return None


def _interface_test(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    exact = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    starts = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return lambda name: name in exact or name.startswith(starts)
