"""Who holds an address: one live session or nobody."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.registry.model import Network
from enforcer.subscribers.claims import CLOCK_SKEW
from enforcer.subscribers.model import Holding, HoldingState
from enforcer.subscribers.table import Session, SessionTable

NOW = 1_000_000.0
TTL = 600.0
TAG = b"a" * 16
OTHER = b"b" * 16
ADDRESS = ip_address("100.64.0.17").packed
V6 = ip_address("2001:db8:a:17::5").packed

MISSING = Holding(HoldingState.MISSING)
AMBIGUOUS = Holding(HoldingState.AMBIGUOUS)


def session(
    key: str, *addresses: str, tag: bytes | None = TAG, age: float = 0.0, nas: str | None = None
) -> Session:
    return Session(key, tuple(map(ip_network, addresses or ("100.64.0.17",))), tag, NOW - age, nas)


def table(*sessions: Session) -> SessionTable:
    made = SessionTable(TTL)
    made.replace_all(sessions)
    return made


def test_one_live_session_is_the_holder_at_each_of_its_addresses() -> None:
    made = table(session("s", "100.64.0.17", "2001:db8:a:17::/64", age=5.0, nas="ggsn-1"))
    expected = Holding(HoldingState.FRESH, TAG, 5.0, "ggsn-1")
    assert made.holder(ADDRESS, NOW) == made.holder(V6, NOW) == expected
    assert made.holder(ip_address("100.64.0.18").packed, NOW) == MISSING
    assert made.holder(ip_address("2001:db8:a:18::5").packed, NOW) == MISSING


def test_a_session_without_a_number_identifies_nobody() -> None:
    expected = Holding(HoldingState.NUMBERLESS, None, 1.0, "bras")
    assert table(session("s", tag=None, age=1.0, nas="bras")).holder(ADDRESS, NOW) == expected


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (TTL - 1, HoldingState.FRESH), (TTL, HoldingState.STALE), (TTL * 9, HoldingState.STALE),
        (-CLOCK_SKEW, HoldingState.FRESH), (-CLOCK_SKEW - 1, HoldingState.STALE),
    ],
)  # fmt: skip
def test_only_a_claim_of_known_recent_age_is_live(age: float, state: HoldingState) -> None:
    made = table(session("s", age=age))
    holding = made.holder(ADDRESS, NOW)
    assert holding.state is state
    assert (holding.tag is not None) == (state is HoldingState.FRESH)
    assert [live.key for live in made.live(NOW)] == (["s"] if state is HoldingState.FRESH else [])


@pytest.mark.parametrize(
    "other",
    [
        session("b", tag=OTHER),
        session("b", tag=TAG),
        session("b", tag=None),
        session("b", "100.64.0.0/24", tag=OTHER),
        session("b", tag=OTHER, age=-CLOCK_SKEW - 1),
    ],
    ids=["another holder", "the same holder", "no number", "a prefix around it", "a claim from the future"],
)
def test_two_claims_are_never_picked_from(other: Session) -> None:
    assert table(session("a"), other).holder(ADDRESS, NOW) == AMBIGUOUS
    assert table(other, session("a")).holder(ADDRESS, NOW) == AMBIGUOUS


def test_a_stale_claim_gives_way_to_a_live_one() -> None:
    made = table(session("old", tag=OTHER, age=TTL), session("new", "100.64.0.0/24", age=3.0))
    assert made.holder(ADDRESS, NOW) == Holding(HoldingState.FRESH, TAG, 3.0, None)


def test_of_stale_claims_the_age_of_the_latest_is_told() -> None:
    made = table(session("a", age=TTL + 50), session("b", age=TTL + 5, nas="n"), session("c", age=TTL + 90))
    assert made.holder(ADDRESS, NOW) == Holding(HoldingState.STALE, None, TTL + 5, "n")


def test_a_new_report_of_a_session_replaces_the_old() -> None:
    made = table(session("s", "100.64.0.17", "100.64.0.18", age=TTL))
    made.add(session("s", "100.64.0.17", age=1.0))
    assert made.holder(ADDRESS, NOW).state is HoldingState.FRESH
    assert made.holder(ip_address("100.64.0.18").packed, NOW) == MISSING
    assert len(made) == 1


def test_a_session_may_name_an_address_twice() -> None:
    made = table(session("s", "100.64.0.17", "100.64.0.17", "100.64.0.0/24"))
    assert made.holder(ADDRESS, NOW).state is HoldingState.FRESH
    made.add(session("s", "100.64.0.99"))
    assert made.holder(ADDRESS, NOW) == MISSING


def test_replacing_all_forgets_all() -> None:
    made = table(session("s"))
    made.replace_all([])
    assert made.holder(ADDRESS, NOW) == MISSING
    assert len(made) == 0


few = st.integers(0, 7).map(lambda low: (0x64400010 | low).to_bytes(4, "big"))
sessions = st.builds(
    Session,
    key=st.sampled_from("abcdef"),
    addresses=st.lists(
        st.tuples(few, st.integers(27, 32)).map(lambda pair: ip_network(pair, strict=False)),
        min_size=1,
        max_size=3,
    ).map(tuple),
    tag=st.sampled_from([None, TAG, OTHER]),
    heard_at=st.sampled_from([NOW, NOW - 10, NOW - TTL, NOW - 2 * TTL, NOW + 30, NOW + 3600]),
    nas=st.none(),
)


@given(st.lists(sessions, max_size=8), few)
def test_the_answer_equals_looking_at_every_session(reports: list[Session], asked: bytes) -> None:
    made = SessionTable(TTL)
    for report in reports:
        made.add(report)
    latest = {report.key: report for report in reports}

    def held(networks: tuple[Network, ...]) -> bool:
        return any(ip_address(asked) in network for network in networks)

    claims = [report for report in latest.values() if held(report.addresses)]
    live = [claim for claim in claims if -CLOCK_SKEW <= NOW - claim.heard_at < TTL]
    undated = [claim for claim in claims if NOW - claim.heard_at < -CLOCK_SKEW]
    holding = made.holder(asked, NOW)
    if not claims:
        assert holding.state is HoldingState.MISSING
    elif len(live) > 1 or (live and undated) or len(undated) > 1:
        assert holding.state is HoldingState.AMBIGUOUS
    elif not live:
        assert holding.state is HoldingState.STALE
    else:
        assert holding.state is (HoldingState.NUMBERLESS if live[0].tag is None else HoldingState.FRESH)
        assert holding.tag == live[0].tag
    if holding.state is not HoldingState.FRESH:
        assert holding.tag is None
    assert sorted(report.key for report in made.live(NOW)) == sorted(
        report.key for report in latest.values() if -CLOCK_SKEW <= NOW - report.heard_at < TTL
    )
