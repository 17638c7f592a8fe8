"""What is written of small cells: nothing, whatever the order of things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.fingerprints.detection import Family, Standing
from enforcer.policy import Decision, HeldBack, Reason
from enforcer.shadow.ledger import MERGED, SMALLEST, Figures, Ledger, Total
from enforcer.shadow.totals import DAY, HOUR, Cell, Outcome, Totals
from tests.unit.shadow.handshakes import LEASED, LTE, handshake

MIDNIGHT = 20_000 * DAY
FINE = Cell("wireguard", "wireguard", "not_registered", "leased", Outcome.WOULD_REFUSE)


@pytest.fixture
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a key of chance two of twenty share a register now and then, and count as one."""
    monkeypatch.setattr("enforcer.shadow.totals.secrets.token_bytes", bytes)


Event = tuple[int, Decision]
"""When, in hours since midnight, and what."""


def played(events: Iterable[Event], until: int) -> list[Figures]:
    """What the ledger writes of events in order, and of the close after ``until`` hours."""
    totals, ledger = Totals(MIDNIGHT), Ledger()
    written = []
    for hours, decision in events:
        over = totals.roll(MIDNIGHT + hours * HOUR)
        if over is not None:
            written.append(ledger.take(over))
        totals.observe(decision)
    over = totals.roll(MIDNIGHT + until * HOUR)
    if over is not None:
        written.append(ledger.take(over))
    written.append(ledger.take(totals.close()))
    return written


def totals_of(written: Iterable[Figures]) -> list[Total]:
    return [total for figures in written for total in figures.totals]


_decisions = st.builds(
    handshake,
    st.integers(0, 45),
    family=st.sampled_from([Family.WIREGUARD, Family.OPENVPN]),
    variant=st.sampled_from(["one", "other"]),
    reason=st.sampled_from([Reason.NOT_REGISTERED, Reason.REVOKED, Reason.MAPPING_STALE]),
    line=st.sampled_from([LEASED, LTE, None]),
    held_back=st.sampled_from([HeldBack.MONITOR, None]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 50), _decisions), max_size=300), st.integers(0, 60))
def test_no_written_cell_has_fewer_than_twenty_subscribers_behind_it(events: list[Event], later: int) -> None:
    events.sort(key=lambda event: event[0])
    written = played(events, 50 + later)
    totals = totals_of(written)
    for total in totals:
        assert total.subscribers >= SMALLEST
        behind = {
            decision.who.address
            for hours, decision in events
            if decision.who is not None
            and total.first <= MIDNIGHT + hours * HOUR < total.last + HOUR
            and matches(total.cell, decision)
        }
        assert len(behind) >= SMALLEST
        assert total.decisions >= SMALLEST
    for figures in written:
        for each in figures.distinct:
            assert each.subscribers >= SMALLEST
            behind = {
                decision.who.address
                for hours, decision in events
                if decision.who is not None
                and each.day <= MIDNIGHT + hours * HOUR < each.day + DAY
                and matches(Cell(each.family, MERGED, each.reason, each.line, each.outcome), decision)
            }
            assert len(behind) >= SMALLEST
    assert sum(total.decisions for total in totals) <= len(events)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 23), _decisions), max_size=300))
def test_what_is_left_out_is_less_than_twenty_subscribers_a_family_and_outcome(events: list[Event]) -> None:
    events.sort(key=lambda event: event[0])
    written = totals_of(played(events, 24))
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for total in written:
        seen[total.cell.family, total.cell.outcome] += total.decisions
    left: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for _, decision in events:
        left[str(decision.detection.family), outcome(decision)].append(decision)
    for key, decisions in left.items():
        behind = {decision.who.address for decision in decisions if decision.who is not None}
        # A register that two of them share counts once: rarely, one or two more than nineteen.
        if len(behind) > SMALLEST + 2:
            assert seen[key] > 0
    assert sum(seen.values()) <= len(events)


def matches(cell: Cell, decision: Decision) -> bool:
    line = decision.who.line.name if decision.who is not None and decision.who.line is not None else "-"
    detection = decision.detection
    return outcome(decision) == cell.outcome and all(
        part in (MERGED, value)
        for part, value in (
            (cell.family, str(detection.family)),
            (cell.variant, detection.variant),
            (cell.reason, str(decision.reason)),
            (cell.line, line),
        )
    )


def outcome(decision: Decision) -> str:
    if decision.would == "accept":
        return Outcome.PASSED
    return Outcome.WOULD_REFUSE if decision.held_back else Outcome.REFUSED


@pytest.mark.usefixtures("known_key")
def test_a_cell_waits_for_its_twentieth_subscriber() -> None:
    events = [(hours, handshake(hours * 8 + number)) for hours in range(6) for number in range(8)]
    first, second = totals_of(played(events, 24))
    # Eight an hour: the third hour brings it over twenty, and so does the sixth.
    assert (first.first, first.last) == (MIDNIGHT, MIDNIGHT + 2 * HOUR)
    assert (second.first, second.last) == (MIDNIGHT + 3 * HOUR, MIDNIGHT + 5 * HOUR)
    assert (first.cell, first.decisions, first.subscribers) == (FINE, 24, 20)


@pytest.mark.usefixtures("known_key")
def test_nineteen_are_suppressed_and_the_twentieth_is_not_told_from_the_first() -> None:
    assert totals_of(played([(0, handshake(number)) for number in range(19) for _ in range(50)], 48)) == []
    (total,) = totals_of(played([(0, handshake(number)) for number in range(20)], 48))
    assert total.subscribers == 20


def test_a_day_does_not_add_to_another() -> None:
    events = [(23, handshake(number)) for number in range(15)] + [(24, handshake(99 + n)) for n in range(15)]
    assert totals_of(played(events, 72)) == []


@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        ([{"variant": "plain"}, {"variant": "tls-auth"}], Cell("*v", MERGED, "not_registered", "leased", "")),
        ([{"line": LEASED}, {"line": LTE}], Cell("*l", MERGED, "not_registered", MERGED, "")),
        (
            [{"reason": Reason.ENDED}, {"reason": Reason.REVOKED, "line": LTE}],
            Cell("*r", MERGED, MERGED, MERGED, ""),
        ),
    ],
    ids=["variants", "lines", "reasons"],
)
def test_small_cells_are_merged_at_the_days_end_no_coarser_than_needed(
    changes: list[dict[str, object]], merged: Cell
) -> None:
    events: list[Event] = [
        (1, handshake(number, **changes[number % 2]))  # type: ignore[arg-type]
        for number in range(30)
    ]
    (total,) = totals_of(played(events, 24))
    assert total.cell == merged._replace(family="wireguard", outcome=Outcome.WOULD_REFUSE)
    assert total.decisions == 30


def test_what_was_merged_is_in_no_figure_of_a_reason_or_line() -> None:
    events = [(1, handshake(number)) for number in range(40)]
    events += [(1, handshake(100 + n, reason=Reason.ENDED, line=LTE)) for n in range(12)]
    events += [(1, handshake(200 + n, reason=Reason.REVOKED, line=LTE)) for n in range(12)]
    written = played(events, 24)
    last = {(d.family, d.reason, d.line): d.subscribers for figures in written for d in figures.distinct}
    assert last["wireguard", "not_registered", "leased"] == 40
    assert last["wireguard", MERGED, MERGED] == 60
    assert last[MERGED, MERGED, "leased"] == 40
    assert not {reason for _, reason, _ in last} & {"registration_ended", "registration_revoked"}
    assert not {line for _, _, line in last} & {"lte"}


def test_a_figure_of_a_day_is_of_written_cells_alone() -> None:
    """Else the day's figure less its cells would tell of the cell that was held back."""
    events = [(1, handshake(number)) for number in range(40)]
    events += [(1, handshake(100 + n, reason=Reason.REVOKED)) for n in range(15)]
    for figures in played(events, 24):
        assert {each.subscribers for each in figures.distinct} <= {40}


def test_subscribers_are_told_apart_by_tag_then_by_address() -> None:
    moving = [(0, handshake(number, tag=b"the same tag of 16")) for number in range(60)]
    assert totals_of(played(moving, 24)) == []
    apart = [(0, handshake(1, tag=bytes([number]) * 16)) for number in range(60)]
    assert [total.subscribers for total in totals_of(played(apart, 24))] == [60]


def test_an_ipv6_subscriber_is_a_64() -> None:
    def from_prefix(prefix: int, host: int) -> Decision:
        decision = handshake(0)
        assert decision.who is not None
        address = bytes.fromhex("20010db8") + prefix.to_bytes(4) + host.to_bytes(8)
        return replace(decision, who=replace(decision.who, address=address))

    assert totals_of(played([(0, from_prefix(1, host)) for host in range(60)], 24)) == []
    (total,) = totals_of(played([(0, from_prefix(prefix, 1)) for prefix in range(60)], 24))
    assert total.subscribers == 60


@pytest.mark.parametrize("what", ["data", "candidate"])
def test_what_says_nothing_of_a_subscriber_is_not_counted(what: str) -> None:
    detection = replace(handshake(0).detection, standing=Standing.SEEN if what == "data" else Standing.CANDIDATE)
    nobody = [(0, replace(handshake(number), detection=detection, who=None)) for number in range(60)]
    assert totals_of(played(nobody, 24)) == []


def test_a_clock_set_back_writes_no_stretch_that_ends_before_it_begins() -> None:
    totals, ledger = Totals(MIDNIGHT + 5 * HOUR), Ledger()
    for number in range(15):
        totals.observe(handshake(number))
    hours = [totals.roll(MIDNIGHT + 2 * HOUR)]
    for number in range(15, 30):
        totals.observe(handshake(number))
    hours.append(totals.roll(MIDNIGHT + 3 * HOUR))
    written = [ledger.take(hour) for hour in hours if hour is not None]
    (total,) = totals_of(written)
    assert total.first <= total.last


def test_the_key_ends_with_its_day_and_with_the_daemon() -> None:
    totals = Totals(MIDNIGHT)
    keys = [totals._key]
    assert totals.roll(MIDNIGHT + 23 * HOUR) is not None
    assert totals._key is keys[0]
    over = totals.roll(MIDNIGHT + 24 * HOUR)
    assert over is not None
    assert over.last
    keys.append(totals._key)
    assert totals.close().last
    keys.append(totals._key)
    assert len({*keys}) == 3
    assert {len(key) for key in keys} == {32}
