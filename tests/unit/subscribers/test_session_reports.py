"""The table as it follows reports: what it says has changed, what it counts, forgets and gives up."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.registry.model import Network
from enforcer.subscribers.claims import CLOCK_SKEW, SessionState
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.records import FORGET_AFTER
from enforcer.subscribers.reports import MOST_ADDRESSES, SWEEP
from enforcer.subscribers.table import Session, SessionTable
from tests.unit.subscribers import histories as real

NOW = 1_790_000_000.0
TTL = 3600.0
TAG, OTHER = b"a" * 16, b"b" * 16
X, Y = ip_network("100.64.0.7"), ip_network("100.64.0.8")
PREFIX = ip_network("2001:db8:a:700::/56")

START, INTERIM, STOP, ON = EventKind.START, EventKind.INTERIM, EventKind.STOP, EventKind.ON
FRESH, STALE, AMBIGUOUS = HoldingState.FRESH, HoldingState.STALE, HoldingState.AMBIGUOUS


class Told:
    """A table and a clock: each report arrives when it is sent, unless ``late``."""

    def __init__(self, capacity: int = 1000) -> None:
        self.table = SessionTable(TTL, capacity)

    def report(
        self, kind: EventKind, session: str, *addresses: Network, at: float, tag: bytes | None = TAG,
        nas: str = "n1", late: float = 0.0,
    ) -> frozenset[Network]:  # fmt: skip
        event = AccountingEvent(kind, nas, session, NOW + at, addresses, None if kind is ON else tag)
        return self.table.apply(event, NOW + at + late)

    def state(self, address: Network, at: float) -> HoldingState:
        return self.table.holder(address.network_address.packed, NOW + at).state

    def tag(self, address: Network, at: float) -> bytes | None:
        return self.table.holder(address.network_address.packed, NOW + at).tag

    def census(self) -> dict[SessionState, int]:
        return {state: count for state, count in self.table.census().items() if count}


def test_only_what_changes_is_returned() -> None:
    told = Told()
    assert told.report(START, "a", X, PREFIX, at=0) == {X, PREFIX}
    assert told.report(START, "a", X, PREFIX, at=0) == frozenset()
    assert told.report(INTERIM, "a", X, PREFIX, at=300) == frozenset()
    assert told.report(INTERIM, "a", at=600) == frozenset()
    assert told.report(INTERIM, "a", X, PREFIX, at=900, tag=OTHER) == {X, PREFIX}
    assert told.report(INTERIM, "a", Y, PREFIX, at=1200, tag=OTHER) == {X, Y}
    assert told.report(STOP, "a", Y, PREFIX, at=1500) == {X, Y, PREFIX}
    assert told.report(STOP, "a", Y, PREFIX, at=1500) == frozenset()


def test_a_claim_taken_over_is_returned_and_one_contested_too() -> None:
    told = Told()
    told.report(START, "a", X, PREFIX, at=0)
    assert told.report(START, "b", X, at=300, tag=OTHER) == {X}
    assert told.tag(X, 300) == OTHER
    assert told.tag(PREFIX, 300) == TAG
    assert told.report(START, "c", X, at=600, nas="n2") == {X}
    assert told.state(X, 600) is AMBIGUOUS
    assert told.report(STOP, "c", X, at=900, nas="n2") == {X}
    assert told.state(X, 900) is STALE
    assert told.report(INTERIM, "b", X, at=1200, tag=OTHER) == {X}
    assert told.tag(X, 1200) == OTHER


def test_one_report_without_a_start_does_not_end_a_claim_a_second_does() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(INTERIM, "b", X, at=600, tag=OTHER)
    assert told.state(X, 600) is AMBIGUOUS
    told.report(INTERIM, "b", X, at=1200, tag=OTHER)
    assert told.tag(X, 1200) == OTHER
    assert told.table.counts.superseded == 1


def test_a_start_of_the_same_second_or_one_that_came_late_does_not_end_a_claim() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(START, "b", X, at=0, tag=OTHER)
    assert told.state(X, 1) is AMBIGUOUS
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(START, "b", X, at=300, late=CLOCK_SKEW + 1, tag=OTHER)
    assert told.state(X, 400) is AMBIGUOUS
    told.report(INTERIM, "b", X, at=900, tag=OTHER)
    assert told.tag(X, 900) == OTHER


def test_an_address_is_held_under_the_number_it_was_named_with() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(INTERIM, "a", PREFIX, at=300, tag=None)
    assert told.state(PREFIX, 300) is STALE
    told.report(INTERIM, "a", X, PREFIX, at=600)
    assert told.tag(PREFIX, 600) == TAG


def test_what_is_kept_is_told_with_each_restart_however_many_sessions() -> None:
    told = Told(capacity=3 * SWEEP)
    networks = [ip_network((0x64400000 + number, 32)) for number in range(SWEEP + 500)]
    for number, network in enumerate(networks):
        told.report(START, f"s{number}", network, at=0)
    at_once = told.report(ON, "", at=600)
    assert len(at_once) == SWEEP
    assert all(told.state(network, 600) is HoldingState.MISSING for network in networks)
    assert told.report(ON, "", at=600) == frozenset()
    assert at_once | told.table.expire(NOW + 601, 10_000) == frozenset(networks)
    assert told.census() == {SessionState.ENDED: len(networks)}
    assert len(told.table) == 0


def test_stale_then_forgotten() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    assert told.table.expire(NOW + TTL - 1, 10) == frozenset()
    assert told.table.expire(NOW + TTL + 1, 10) == {X}
    assert told.census() == {SessionState.STALE: 1}
    assert told.state(X, TTL + 1) is STALE
    told.report(INTERIM, "a", X, at=1.5 * TTL)
    assert told.census() == {SessionState.LIVE: 1}
    assert told.table.expire(NOW + 2.5 * TTL + 1, 10) == {X}
    for at in (2.6 * TTL, 3.7 * TTL, (1.5 + FORGET_AFTER) * TTL + 1):
        assert told.census() == {SessionState.STALE: 1}
        told.table.expire(NOW + at, 10)
    assert told.census() == {}
    assert told.state(X, 5 * TTL) is HoldingState.MISSING


def test_an_ended_session_is_forgotten_after_a_time_to_live() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(STOP, "a", X, at=60)
    told.table.expire(NOW + TTL + 59, 10)
    assert told.census() == {SessionState.ENDED: 1}
    told.table.expire(NOW + TTL + 62, 10)
    assert told.census() == {}


def test_a_prefix_no_report_keeps_is_returned_when_it_goes_stale() -> None:
    told = Told()
    told.report(START, "a", X, PREFIX, at=0)
    told.report(INTERIM, "a", X, at=TTL / 2)
    assert told.table.expire(NOW + TTL + 1, 10) == {PREFIX}
    assert told.state(X, TTL + 1) is FRESH
    assert told.state(PREFIX, TTL + 1) is STALE


def test_expiring_stops_at_its_limit() -> None:
    told = Told()
    for number in range(20):
        told.report(START, f"s{number}", ip_network((0x64400000 + number, 32)), at=0)
    assert len(told.table.expire(NOW + TTL + 1, 8)) == 8
    assert told.census() == {SessionState.LIVE: 12, SessionState.STALE: 8}


def test_a_full_table_gives_up_the_ended_then_the_longest_unheard() -> None:
    told = Told(capacity=3)
    told.report(START, "a", X, at=0)
    told.report(START, "b", Y, at=1)
    told.report(STOP, "b", at=2)
    told.report(INTERIM, "a", X, at=900)
    told.report(START, "c", PREFIX, at=901)
    told.report(START, "d", ip_network("100.64.0.9"), at=902)
    assert told.table.counts.evicted == 1
    assert told.census() == {SessionState.LIVE: 3}
    assert told.report(START, "e", ip_network("100.64.0.10"), at=903) >= {X}
    assert told.state(X, 903) is HoldingState.MISSING
    assert len(told.table) == 3


def test_giving_up_a_contested_claim_does_not_make_the_other_one_right() -> None:
    told = Told(capacity=2)
    told.report(START, "a", X, at=0, nas="n1")
    told.report(START, "b", X, at=300, nas="n2", tag=OTHER)
    assert told.report(START, "c", Y, at=600) >= {X, Y}
    assert told.state(X, 600) is STALE


def test_a_session_keeps_the_addresses_named_last() -> None:
    told = Told()
    networks = [ip_network((0x64400000 + number, 32)) for number in range(MOST_ADDRESSES + 4)]
    for number, network in enumerate(networks):
        told.report(INTERIM, "a", network, at=number)
    assert told.state(networks[3], 30) is HoldingState.MISSING
    assert told.state(networks[4], 30) is STALE
    assert told.state(networks[-1], 30) is FRESH


def test_what_is_odd_is_counted() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(INTERIM, "a", X, at=900, late=CLOCK_SKEW + 1)
    told.report(INTERIM, "a", X, at=600, late=900)
    told.report(INTERIM, "a", X, at=1000 + CLOCK_SKEW + 1, late=-CLOCK_SKEW - 1)
    counts = told.table.counts
    assert (counts.reports, counts.late, counts.reordered, counts.ahead) == (4, 2, 1, 1)
    assert told.state(X, 1000) is STALE


def test_what_was_known_earlier_yields_to_what_is_known_now() -> None:
    told = Told()
    told.report(START, "b", X, at=0, tag=OTHER)
    assert told.table.restore(Session("a", (X,), TAG, NOW - 600, "n1")) == {X}
    assert told.tag(X, 1) == OTHER
    assert told.table.restore(Session("b", (Y,), TAG, NOW - 600, "n1")) == frozenset()
    assert told.state(Y, 1) is HoldingState.MISSING
    told.report(ON, "", at=60)
    assert told.table.restore(Session("c", (Y,), TAG, NOW - 600, "n1")) == frozenset()
    assert told.table.restore(Session("c", (X,), TAG, NOW - 600, "n2")) == {X}
    assert told.tag(X, 61) == TAG


def test_a_restart_is_remembered_when_nothing_was_known_of_the_server() -> None:
    told = Told()
    told.report(ON, "", at=600)
    told.report(START, "a", X, at=590, late=20)
    assert told.state(X, 611) is HoldingState.MISSING
    told.report(ON, "", at=9000, late=-8000, nas="n2")
    assert told.census() == {SessionState.ENDED: 3}


def test_a_restart_told_again_casts_no_doubt_and_one_told_late_does() -> None:
    told = Told()
    told.report(ON, "", at=600)
    told.report(START, "a", X, at=630)
    told.report(ON, "", at=600, late=40)
    assert told.state(X, 640) is FRESH
    told.report(ON, "", at=610, late=40)
    assert told.state(X, 650) is STALE


def test_reports_without_address_keep_neither_what_has_lapsed_nor_what_is_stale() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(INTERIM, "a", Y, at=300)
    told.report(INTERIM, "a", at=TTL - 60)
    told.report(START, "b", X, at=TTL - 30, nas="n2", tag=OTHER)
    assert told.state(X, TTL - 30) is AMBIGUOUS
    assert told.tag(X, TTL) == OTHER
    told.report(INTERIM, "a", at=2 * TTL)
    assert told.state(Y, 2 * TTL) is STALE


def test_a_session_begun_anew_has_no_number_from_before_and_an_ended_one_none_at_all() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(START, "a", X, at=300, tag=None)
    assert told.state(X, 300) is HoldingState.NUMBERLESS
    told.report(START, "b", Y, at=0)
    told.report(STOP, "b", Y, at=300)
    told.report(INTERIM, "b", Y, at=250, late=100)
    assert told.table._records.servers["n1"].sessions["b"].tag is None


def test_an_older_report_that_says_otherwise_leaves_a_doubt() -> None:
    told = Told()
    told.report(START, "a", X, at=0)
    told.report(INTERIM, "a", X, at=300, tag=OTHER)
    told.report(INTERIM, "a", X, at=280, late=30)
    assert told.state(X, 310) is STALE
    told = Told()
    told.report(START, "a", at=0)
    told.report(INTERIM, "a", X, at=80, late=-50)
    told.report(START, "a", at=40)
    assert told.state(X, 90) is STALE
    told = Told()
    told.report(START, "h", X, at=0)
    told.report(STOP, "a", at=600)
    told.report(START, "a", X, at=-3000, late=3700)
    assert told.state(X, 700) is STALE


@pytest.mark.parametrize("at", [90, 130])
def test_a_report_that_may_be_older_than_a_session_elsewhere_makes_nobody_a_holder(at: float) -> None:
    told = Told()
    told.report(START, "b", X, at=100, nas="n2", tag=OTHER)
    told.report(STOP, "b", at=110, nas="n2")
    told.report(INTERIM, "a", X, at=at, late=140 - at)
    assert told.state(X, 140) is STALE
    told.report(INTERIM, "a", X, at=900)
    assert told.tag(X, 900) == TAG


def test_the_live_sessions_of_some_numbers() -> None:
    told = Told()
    told.report(START, "a", X, PREFIX, at=0)
    told.report(START, "b", Y, at=0, tag=OTHER)
    told.report(START, "c", X, at=5, tag=OTHER)
    told.report(START, "d", ip_network("100.64.0.9"), at=0, tag=None)
    (kept,) = told.table.live(NOW + 10, {TAG})
    assert (kept.key, kept.addresses, kept.tag, kept.heard_at, kept.nas) == ("a", (PREFIX,), TAG, NOW, "n1")
    assert sorted(session.key for session in told.table.live(NOW + 10)) == ["a", "b", "c", "d"]


@settings(max_examples=300, deadline=None)
@given(real.histories(), st.sampled_from([2, 1000]))
def test_it_always_adds_up(history: real.History, capacity: int) -> None:
    """What changes is returned, the census is what a count gives, memory is bounded, all is forgotten at last."""
    table = SessionTable(real.TTL, capacity)
    answers: dict[Network, bytes | None] = dict.fromkeys(real.ADDRESSES)
    deliveries = [(at, report) for report in history.reports for at in report.arrivals]
    for now, report in sorted(deliveries, key=lambda pair: pair[0]):
        changed = table.expire(now, 1000) | table.apply(report.event, now)
        for address, before in answers.items():
            answers[address] = table.holder(address.network_address.packed, now).tag
            assert address in changed or answers[address] == before
        records = [record for server in table._records.servers.values() for record in server.sessions.values()]
        assert +Counter(table.census()) == Counter(record.state_at(now, real.TTL) for record in records)
        assert len(records) <= capacity
    for _ in range(8):
        history.end += 3 * real.TTL
        table.expire(history.end, 1000)
    assert not table._records.servers
    assert not any(table._records.by_address.covering(a.network_address.packed) for a in real.ADDRESSES)
