"""Property: whatever becomes of reports, a wrong holder is named only for want of every report that could tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from enforcer.policy import Answer
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Network
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.table import SessionTable
from tests.unit.policy.worlds import ELSEWHERE, World, registration
from tests.unit.subscribers.histories import ADDRESSES, REGISTERED, TTL, History, histories, history_of, probe

_LINES = [{"name": "lte", "class": "mobile", "prefixes": [str(address) for address in ADDRESSES]}]
_POLICY = World(settings={"lines": _LINES}).policy()
_MANY = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))


@_MANY
@given(histories())
def test_lost_repeated_late_and_reordered_reports(history: History) -> None:
    probe(history, SessionTable(TTL))


@_MANY
@given(histories(delays=(1.0,), stepping=True))
def test_lost_and_repeated_reports_by_clocks_that_jump(history: History) -> None:
    probe(history, SessionTable(TTL))


@_MANY
@given(histories())
def test_what_the_policy_makes_of_it(history: History) -> None:
    """A refusal rests on a fresh, unique, negative answer; nobody registered is refused while anything tells."""
    table = SessionTable(TTL)
    _POLICY.sessions = table
    entries = [replace(registration(network=None, tag=tag), id=tag.hex(), valid_to=None) for tag in REGISTERED]

    def check(address: Network, now: float) -> None:
        _POLICY.registry = Registry([ELSEWHERE, *entries], now)
        packed = address.network_address.packed
        answer = _POLICY.end(packed, None, True, None, now).answer
        holding = table.holder(packed, now)
        assert (answer is Answer.UNKNOWN) == (holding.state is not HoldingState.FRESH)
        assert (answer is Answer.REGISTERED) == (holding.tag in REGISTERED)
        really = history.holder(address, now)
        if really in REGISTERED and answer is Answer.NOT_REGISTERED:
            assert not history.told_of(address, now)

    probe(history, table, check)


@pytest.mark.parametrize("seed", [313, 774, 1158, 10299, 15969])
def test_histories_that_once_showed_a_wrong_holder(seed: int) -> None:
    probe(history_of(seed), SessionTable(TTL))


@pytest.mark.parametrize("seed", [21, 209, 508, 650, 1343, 1394, 4463, 4863, 11492, 15261])
def test_histories_by_clocks_that_jump_that_once_did(seed: int) -> None:
    probe(history_of(seed, delays=(1.0,), stepping=True), SessionTable(TTL))
