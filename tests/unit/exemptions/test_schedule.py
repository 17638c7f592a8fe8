"""Which name is asked for when: the operator's own first, bounds on TTLs, backoff, and outages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from enforcer.exempt_schedule import OTHERS, OUTAGE, OWN, PROBE, Schedule

OWN_NAMES = ["own-1", "own-2"]
WORLD = [f"other-{number}" for number in range(100)]


def drain(schedule: Schedule, now: float) -> list[str]:
    names = []
    while (name := schedule.take(now)) is not None:
        names.append(name)
    return names


def test_everything_is_due_at_first_in_the_given_order() -> None:
    schedule = Schedule(OWN_NAMES, WORLD, 1000.0)
    assert drain(schedule, 1000.0) == [*OWN_NAMES, *WORLD]
    assert schedule.next_due() is None


def test_an_own_name_that_falls_due_goes_before_a_backlog_of_others() -> None:
    schedule = Schedule(OWN_NAMES, WORLD, 0.0)
    for _ in range(2):
        schedule.answered(str(schedule.take(0.0)), 10, True, 0.0)
    assert schedule.take(5.0) == "other-0"
    assert schedule.take(10.0) == "own-1"


def due_after(ttl: float, exists: bool, own: bool) -> float:
    schedule = Schedule(["name"], [], 0.0) if own else Schedule([], ["name"], 0.0)
    schedule.take(0.0)
    schedule.answered("name", ttl, exists, 0.0)
    due = schedule.next_due()
    assert due is not None
    assert schedule.take(due - 0.001) is None
    assert schedule.take(due) == "name"
    return due


def test_ttls_are_kept_within_bounds() -> None:
    for own, pace in ((True, OWN), (False, OTHERS)):
        assert due_after(0, True, own) == pace.fresh[0]
        assert due_after(1e9, True, own) == pace.fresh[1]
        assert due_after(0, False, own) == pace.absent[0]
        assert due_after(1e9, False, own) == pace.absent[1]
    assert due_after(77, True, own=True) == 77


def test_failures_back_off_to_a_bound_and_an_answer_ends_that() -> None:
    for own, pace in ((True, OWN), (False, OTHERS)):
        schedule = Schedule(["name"], [], 0.0) if own else Schedule([], ["name"], 0.0)
        waits = []
        now = 0.0
        for _ in range(12):
            assert schedule.take(now) == "name"
            schedule.failed("name", now)
            next_name = schedule.next_due()
            assert next_name is not None
            waits.append(next_name - now)
            now = next_name
        assert waits[0] == pace.retry[0]
        assert waits[1] == 2 * pace.retry[0]
        assert waits[-1] == pace.retry[1]
        assert waits == sorted(waits)
        schedule.take(now)
        schedule.answered("name", 60, True, now)
        schedule.take(now + 60)
        schedule.failed("name", now + 60)
        assert schedule.next_due() == now + 60 + pace.retry[0]


def test_in_an_outage_the_others_wait_but_for_a_probe_and_any_answer_ends_it() -> None:
    schedule = Schedule(OWN_NAMES, WORLD, 0.0)
    for _ in range(OUTAGE):
        assert not schedule.outage
        schedule.failed(str(schedule.take(0.0)), 0.0)
    assert schedule.outage
    first = schedule.take(1000.0)
    assert first == "own-1"
    assert schedule.take(1000.0) == "own-2"
    probe = schedule.take(1000.0)
    assert probe is not None
    assert probe.startswith("other")
    assert schedule.take(1000.0) is None
    assert schedule.next_due() == 1000.0 + PROBE
    schedule.answered(probe, 900, False, 1001.0)
    assert not schedule.outage
    assert len(drain(schedule, 1001.0)) == len(WORLD) - 1


def test_with_no_own_names_an_outage_still_ends() -> None:
    schedule = Schedule([], WORLD, 0.0)
    for _ in range(OUTAGE):
        schedule.failed(str(schedule.take(0.0)), 0.0)
    now = schedule.next_due()
    assert now is not None
    schedule.answered(str(schedule.take(now)), 900, True, now)
    assert not schedule.outage


@given(
    st.lists(st.tuples(st.sampled_from(["answer", "absent", "fail", "wait"]), st.floats(0, 5000)), max_size=150)
)
def test_no_name_is_ever_lost_or_asked_for_twice_at_once(steps: list[tuple[str, float]]) -> None:
    schedule = Schedule(OWN_NAMES, WORLD[:5], 0.0)
    names = {*OWN_NAMES, *WORLD[:5]}
    now, under_way = 0.0, list[str]()
    for step, number in steps:
        now += number / 10
        taken = schedule.take(now)
        if taken is not None:
            assert taken not in under_way
            under_way.append(taken)
        if under_way and step == "fail":
            schedule.failed(under_way.pop(0), now)
        elif under_way and step != "wait":
            schedule.answered(under_way.pop(0), number, step == "answer", now)
    for name in under_way:
        schedule.answered(name, 60, True, now)
    found = set(drain(schedule, now + 1e6))
    if not schedule.outage:
        assert found == names
    else:
        assert set(OWN_NAMES) <= found
        assert len(found) == len(OWN_NAMES) + 1
