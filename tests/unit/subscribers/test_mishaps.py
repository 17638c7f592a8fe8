"""Every accounting mishap, played: what is answered, and that no registered subscriber is refused."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.policy import Action, Decision, Policy, Reason
from enforcer.subscribers.table import SessionTable
from enforcer.wire.packet import Packet, Protocol
from tests.unit.policy.worlds import ELSEWHERE, NOW, SERVER, TTL, World, registration
from tests.unit.subscribers.mishaps import MISHAPS, PREFIX, Mishap, R, U, X, document, interim, later, start

_WORLD = World(
    entries=[ELSEWHERE, registration(network=None, tag=R)],
    settings={"lines": [{"name": "lte", "class": "mobile", "prefixes": ["100.64.0.0/16", PREFIX]}]},
)
_INITIATION = Detection(Family.WIREGUARD, "any", "initiation", Standing.PROVEN, True, True, ())


def _decide(policy: Policy, address: str, now: float) -> Decision:
    source, destination = ip_address(address).packed, ip_address(SERVER).packed
    packet = Packet(Protocol.UDP, source, destination, 50000, 51820, b"", 0)
    return policy.decide(packet, _INITIATION, now)


def _played(mishap: Mishap) -> list[tuple[float, Decision]]:
    """The decision before anything, and after each arrival: just then, and a while later."""
    table = SessionTable(TTL)
    policy = _WORLD.policy()
    policy.sessions = table
    decisions: list[tuple[float, Decision]] = []
    arrivals = mishap.arrivals
    for position, (at, event) in enumerate(arrivals):
        if event is not None:
            table.apply(event, NOW + at)
        table.expire(NOW + at, 100)
        until = arrivals[position + 1].at if position + 1 < len(arrivals) else at
        for moment in dict.fromkeys((at, (at + until) / 2)):
            decisions.append((moment, _decide(policy, mishap.asked, NOW + moment)))
    return decisions


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name)
def test_no_registered_subscriber_is_refused(mishap: Mishap) -> None:
    decisions = _played(mishap)
    begin, end = mishap.holds
    held = [decision for moment, decision in decisions if begin <= moment < end]
    assert held
    assert all(decision.action is Action.ACCEPT for decision in held)
    assert decisions[-1][1].reason is mishap.reason


def test_mishaps_are_many_and_named_once() -> None:
    assert len({mishap.name for mishap in MISHAPS}) == len(MISHAPS) >= 25


def test_the_world_refuses_whoever_is_not_registered() -> None:
    table = SessionTable(TTL)
    policy = _WORLD.policy()
    policy.sessions = table
    for arrival in (start("a", U, X, at=0), interim("a", U, X, at=900)):
        assert arrival.event is not None
        table.apply(arrival.event, NOW + arrival.at)
        assert _decide(policy, X, NOW + arrival.at).action is Action.REJECT


def test_what_nobody_told_cannot_be_known_and_lasts_no_longer_than_stated() -> None:
    """The one way to a wrong answer, in both directions, and its end."""
    for former, wrong in ((U, Reason.NOT_REGISTERED), (R, Reason.REGISTERED)):
        unheard = Mishap("", "", "", wrong, (start("a", former, X, at=0), later(TTL - 1), later(TTL)))
        reasons = [decision.reason for _, decision in _played(unheard)]
        assert set(reasons[:-1]) == {wrong}
        assert reasons[-1] is Reason.MAPPING_STALE
        now_holder = U if former is R else R
        for first in (start("b", now_holder, X, at=100), interim("b", now_holder, X, at=100)):
            told = Mishap("", "", "", wrong, (start("a", former, X, at=0), first))
            assert _played(told)[-1][1].reason is not wrong


def test_the_document_says_what_is_tested(repository: Path) -> None:
    text = (repository / "docs" / "accounting-mishaps.md").read_text(encoding="utf-8")
    assert text == document(), "run: python -m tests.unit.subscribers.mishaps > docs/accounting-mishaps.md"
