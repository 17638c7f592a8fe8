"""Who is it: `not registered` is earned by every condition at once, and unknown is accepted."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from enforcer.fingerprints.detection import Family, Standing
from enforcer.policy import AHEAD, Action, Answer, HeldBack, Policy, Reason
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Revocation
from tests.unit.policy.worlds import (
    DAY,
    ELSEWHERE,
    HOME,
    MOBILE,
    NOW,
    SERVER,
    STATIC,
    STATIC6,
    TAG,
    TTL,
    World,
    registration,
    session,
)

GRACE = 30 * DAY


def test_all_conditions_met_and_no_entry_is_refused() -> None:
    for address in (STATIC, MOBILE, STATIC6):
        decision = World().decide(address)
        assert (decision.action, decision.reason) == (Action.REJECT, Reason.NOT_REGISTERED), address
        assert decision.who is not None
        assert decision.who.answer is Answer.NOT_REGISTERED


MISSING: list[tuple[str, World, str, Reason]] = [
    ("no registration route: a home line", World(), HOME, Reason.NO_SUBSCRIBER),
    (
        "no registration route: a home line behind a subscriber interface",
        World(settings={"subscribers": {"prefixes": ["10.0.0.0/8"]}}),
        HOME,
        Reason.NO_ROUTE,
    ),
    ("no class of line declared at all", World(settings={"lines": []}), STATIC, Reason.NO_SUBSCRIBER),
    ("no list loaded", World(entries=(), as_of=None), STATIC, Reason.LIST_MISSING),
    ("no list loaded, mobile", World(entries=(), as_of=None), MOBILE, Reason.LIST_MISSING),
    ("list too old", World(as_of=NOW - 7 * DAY - 1), STATIC, Reason.LIST_STALE),
    ("list too old, mobile", World(as_of=NOW - 7 * DAY - 1), MOBILE, Reason.LIST_STALE),
    ("no session holds the address", World(sessions=()), MOBILE, Reason.MAPPING_MISSING),
    (
        "session not heard of in its time",
        World(sessions=(session(heard_at=NOW - TTL),)),
        MOBILE,
        Reason.MAPPING_STALE,
    ),
    ("session from the future", World(sessions=(session(heard_at=NOW + 3600),)), MOBILE, Reason.MAPPING_STALE),
    (
        "two sessions claim the address",
        World(sessions=(session(), session(key="s2", tag=bytes(16)))),
        MOBILE,
        Reason.MAPPING_AMBIGUOUS,
    ),
    (
        "two sessions claim the address, one by a prefix",
        World(sessions=(session(), session(key="s2", addresses=(ip_network("100.64.0.0/24"),)))),
        MOBILE,
        Reason.MAPPING_AMBIGUOUS,
    ),
    ("session without a number", World(sessions=(session(tag=None),)), MOBILE, Reason.MAPPING_NUMBERLESS),
]


@pytest.mark.parametrize(
    ("world", "address", "reason"), [case[1:] for case in MISSING], ids=[c[0] for c in MISSING]
)
@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("inbound", [True, False], ids=["subscriber calls", "subscriber is called"])
def test_one_condition_missing_is_unknown_and_accepted(
    world: World, address: str, reason: Reason, family: Family, inbound: bool
) -> None:
    ends = (address, SERVER) if inbound else (SERVER, address)
    decision = world.decide(*ends, family=family)
    assert decision.reason is reason
    assert (decision.action, decision.would, decision.held_back) == (Action.ACCEPT, Action.ACCEPT, None)
    assert decision.who is not None
    assert decision.who.answer is Answer.UNKNOWN


REGISTERED: list[tuple[str, World, str, Reason]] = [
    ("address", World(entries=(registration(),)), STATIC, Reason.REGISTERED),
    ("prefix", World(entries=(registration(network=ip_network("198.51.100.0/28")),)), STATIC, Reason.REGISTERED),
    (
        "IPv6 prefix",
        World(entries=(registration(network=ip_network("2001:db8:1::/64")),)),
        STATIC6,
        Reason.REGISTERED,
    ),
    ("number", World(entries=(registration(network=None, tag=TAG),)), MOBILE, Reason.REGISTERED),
    ("the other end", World(entries=(registration(network=ip_network(SERVER)),)), STATIC, Reason.REGISTERED),
    ("old list", World(entries=(registration(),), as_of=NOW - 90 * DAY), STATIC, Reason.REGISTERED),
    ("expired yesterday", World(entries=(registration(valid_to=NOW - DAY),)), STATIC, Reason.REGISTERED_GRACE),
    (
        "expired, last moment of grace",
        World(entries=(registration(valid_to=NOW - GRACE + 1),)),
        STATIC,
        Reason.REGISTERED_GRACE,
    ),
    ("vanished yesterday", World(entries=(registration(vanished_at=NOW - DAY),)), STATIC, Reason.REGISTERED_GRACE),
    (
        "number vanished yesterday",
        World(entries=(registration(network=None, tag=TAG, vanished_at=NOW - DAY),)),
        MOBILE,
        Reason.REGISTERED_GRACE,
    ),
    (
        "revocation noticed, not effective",
        World(entries=(registration(revocation=Revocation("x", NOW - DAY, NOW + 1, "l:3")),)),
        STATIC,
        Reason.REGISTERED,
    ),
    (
        "revoked under one id, registered under another",
        World(
            entries=(
                registration(revocation=Revocation("x", NOW - DAY, NOW - 1, "l:3")),
                registration(id="R-2", network=ip_network("198.51.100.0/24")),
            )
        ),
        STATIC,
        Reason.REGISTERED,
    ),
    (
        "for this protocol",
        World(entries=(registration(protocols=frozenset({Family.WIREGUARD})),)),
        STATIC,
        Reason.REGISTERED,
    ),
    (
        "to this peer",
        World(entries=(registration(peers=(ip_network("203.0.113.0/24"),)),)),
        STATIC,
        Reason.REGISTERED,
    ),
]


@pytest.mark.parametrize(
    ("world", "address", "reason"), [case[1:] for case in REGISTERED], ids=[c[0] for c in REGISTERED]
)
@pytest.mark.parametrize("inbound", [True, False], ids=["subscriber calls", "subscriber is called"])
def test_registered_is_accepted(world: World, address: str, reason: Reason, inbound: bool) -> None:
    ends = (address, SERVER) if inbound else (SERVER, address)
    decision = world.decide(*ends)
    assert (decision.action, decision.reason) == (Action.ACCEPT, reason)
    assert decision.who is not None
    assert decision.who.entry is not None


REFUSED: list[tuple[str, World, str, Reason]] = [
    ("grace is over", World(entries=(registration(valid_to=NOW - GRACE),)), STATIC, Reason.ENDED),
    (
        "revoked, effective now",
        World(entries=(registration(revocation=Revocation("x", NOW - DAY, NOW, "l:3")),)),
        STATIC,
        Reason.REVOKED,
    ),
    ("starts tomorrow", World(entries=(registration(valid_from=NOW + DAY),)), STATIC, Reason.NOT_YET_VALID),
    (
        "registered for another protocol",
        World(entries=(registration(protocols=frozenset({Family.OPENVPN})),)),
        STATIC,
        Reason.OTHER_PROTOCOL,
    ),
    (
        "registered for another peer",
        World(entries=(registration(peers=(ip_network("192.0.2.0/24"),)),)),
        STATIC,
        Reason.OTHER_PEER,
    ),
    ("number's grace is over", World(entries=(registration(network=None, tag=TAG, valid_to=NOW - GRACE),)), MOBILE,
     Reason.ENDED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("world", "address", "reason"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_an_entry_that_does_not_hold_is_named_in_the_refusal(world: World, address: str, reason: Reason) -> None:
    decision = world.decide(address)
    assert (decision.action, decision.reason) == (Action.REJECT, reason)
    assert decision.who is not None
    assert decision.who.entry is not None
    assert decision.who.entry.id == "R-1"


@pytest.mark.parametrize("case", REFUSED, ids=[c[0] for c in REFUSED])
@pytest.mark.parametrize(
    "doubt", [{"as_of": None}, {"as_of": NOW - 90 * DAY}, {"settings": {"lines": []}}], ids=str
)
def test_a_doubt_outweighs_an_entry_that_does_not_hold(
    case: tuple[str, World, str, Reason], doubt: dict[str, object]
) -> None:
    decision = replace(case[1], **doubt).decide(case[2])  # type: ignore[arg-type]
    assert decision.action is Action.ACCEPT


def test_two_subscribers_are_refused_only_when_both_are_not_registered() -> None:
    assert World().decide(STATIC, "198.51.100.8").action is Action.REJECT
    assert World().decide(STATIC, MOBILE).action is Action.REJECT
    assert World(sessions=()).decide(STATIC, MOBILE).reason is Reason.MAPPING_MISSING
    assert World(sessions=()).decide(MOBILE, STATIC).reason is Reason.MAPPING_MISSING
    registered = World(entries=(registration(network=ip_network("198.51.100.8")),))
    assert registered.decide(STATIC, "198.51.100.8").reason is Reason.REGISTERED


def test_the_subscriber_side_is_known_by_interface_whichever_way_the_packet_goes() -> None:
    world = World(settings={"subscribers": {"interfaces": ["ppp*"]}})
    assert world.decide(HOME, SERVER).reason is Reason.NO_SUBSCRIBER
    assert world.decide(HOME, SERVER, inbound="ppp7", outbound="wan").reason is Reason.NO_ROUTE
    assert world.decide(SERVER, HOME, inbound="wan", outbound="ppp7").reason is Reason.NO_ROUTE
    assert world.decide(SERVER, HOME, inbound="wan", outbound="pp").reason is Reason.NO_SUBSCRIBER


def test_a_line_may_be_known_by_the_access_server_of_the_session() -> None:
    world = World(
        settings={"lines": [{"name": "lte", "class": "mobile", "nas": ["ggsn1"]}]},
        sessions=(session(nas="ggsn1"),),
    )
    assert world.decide(MOBILE).reason is Reason.NOT_REGISTERED
    elsewhere = replace(world, sessions=(session(nas="bng1"),))
    assert elsewhere.decide(MOBILE).action is Action.ACCEPT


@pytest.mark.parametrize(
    "changes",
    [{"standing": Standing.CANDIDATE}, {"standing": Standing.SEEN, "handshake": False}, {"handshake": False}],
    ids=["candidate", "seen", "proven but no handshake"],
)
@pytest.mark.parametrize("address", [STATIC, MOBILE])
def test_only_proven_handshakes_are_ever_refused(changes: dict[str, object], address: str) -> None:
    assert World().decide(address, **changes).action is Action.ACCEPT  # type: ignore[arg-type]


def test_exempt_destinations_are_left_alone_in_both_directions() -> None:
    world = World(settings={"exempt": {"prefixes": ["203.0.113.0/28"], "wifi_calling": {"networks": ["410-01"]}}})
    assert world.decide(STATIC, SERVER).reason is Reason.EXEMPT
    assert world.decide(SERVER, STATIC).reason is Reason.EXEMPT
    assert world.decide(STATIC, "203.0.113.16").action is Action.REJECT
    assert world.decide(STATIC, "203.0.113.77", family=Family.IPSEC).reason is Reason.EXEMPT


MODES: list[tuple[str, World, Family, HeldBack | None]] = [
    ("monitor", World(settings={"mode": "monitor", "enforce": []}), Family.WIREGUARD, HeldBack.MONITOR),
    ("monitor with families", World(settings={"mode": "monitor"}), Family.WIREGUARD, HeldBack.MONITOR),
    ("enforce names nothing", World(settings={"enforce": []}), Family.WIREGUARD, HeldBack.FAMILY),
    ("enforce names another", World(settings={"enforce": ["openvpn"]}), Family.WIREGUARD, HeldBack.FAMILY),
    ("ipsec, Wi-Fi calling not configured", World(settings={"exempt": {}}, resolved=False), Family.IPSEC,
     HeldBack.WIFI_CALLING),
    ("ipsec, names not resolved", World(resolved=False), Family.IPSEC, HeldBack.WIFI_CALLING),
    ("ipsec, all known", World(), Family.IPSEC, None),
    ("others do not depend on Wi-Fi calling", World(resolved=False), Family.OPENVPN, None),
]  # fmt: skip


@pytest.mark.parametrize(("world", "family", "held_back"), [case[1:] for case in MODES], ids=[c[0] for c in MODES])
def test_what_holds_a_refusal_back(world: World, family: Family, held_back: HeldBack | None) -> None:
    decision = world.decide(STATIC, family=family)
    assert decision.would is Action.REJECT
    assert decision.held_back is held_back
    assert decision.action is (Action.REJECT if held_back is None else Action.ACCEPT)


def test_ipsec_between_subscribers_ipv6_addresses_is_left_alone() -> None:
    world = World()
    assert world.decide(STATIC6, "2001:db8:1::8", family=Family.IPSEC).reason is Reason.SUBSCRIBERS_IPV6_IPSEC
    assert world.decide(STATIC6, "2001:db8:1::8").action is Action.REJECT
    assert world.decide(STATIC6, "2001:db8:ffff::8", family=Family.IPSEC).action is Action.REJECT
    assert world.decide(STATIC, "198.51.100.8", family=Family.IPSEC).action is Action.REJECT


def test_no_entry_of_the_tests_matches_by_accident() -> None:
    assert World(entries=(ELSEWHERE,)).decide(STATIC).action is Action.REJECT


@pytest.mark.parametrize(("ahead", "answer"), [(AHEAD, Answer.NOT_REGISTERED), (AHEAD + 1, Answer.UNKNOWN)])
def test_a_list_from_the_future_shows_a_wrong_clock(ahead: float, answer: Answer) -> None:
    registry = Registry((registration(valid_from=NOW + DAY),), NOW + ahead)
    made = World().policy()
    live = Policy(made.config, registry, made.sessions, made.exemptions, live=True)
    who = live.end(ip_address(STATIC).packed, None, True, None, NOW)
    assert who.answer is answer
    assert who.reason is (Reason.CLOCK_BEHIND if answer is Answer.UNKNOWN else Reason.NOT_YET_VALID)
    # A capture may well be older than the list.
    past = Policy(made.config, registry, made.sessions, made.exemptions)
    assert past.end(ip_address(STATIC).packed, None, True, None, NOW).answer is Answer.NOT_REGISTERED
