"""Grace for what vanished: nobody registered is lost within it, and nothing is kept for ever."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.fingerprints.detection import Family
from enforcer.registry import memory
from enforcer.registry.memory import KEPT_GRACES
from enforcer.registry.model import HolderKind, Network, Registration, Revocation, Status
from enforcer.registry.registrations import Registrations

DAY = 86400.0
NOW = 1000 * DAY
GRACE = 30 * DAY
BASE = Registration(
    "C-1", HolderKind.COMPANY, ip_network("198.51.100.0/24"), None, NOW - 100 * DAY, NOW + 100 * DAY,
    frozenset(), (), "", "list.csv:2",
)  # fmt: skip


def remember(
    previous: list[Registration], loaded: list[Registration], now: float, grace: float
) -> list[Registration]:
    return list(memory.remember(Registrations.of(previous), Registrations.of(loaded), now, grace))


def revoked(at: float) -> Revocation:
    return Revocation("fraud", at - DAY, at, "list.csv:9")


def test_a_vanished_entry_counts_through_the_grace_period_and_is_then_kept_to_explain() -> None:
    (kept,) = remember([BASE], [], NOW, GRACE)
    assert kept == replace(BASE, vanished_at=NOW)
    (again,) = remember([kept], [], NOW + GRACE - 1, GRACE)
    assert again.vanished_at == NOW
    assert again.status(NOW + GRACE - 1, GRACE) is Status.GRACE
    (ended,) = remember([again], [], NOW + GRACE, GRACE)
    assert ended.status(NOW + GRACE, GRACE) is Status.ENDED
    assert remember([ended], [], NOW + KEPT_GRACES * GRACE, GRACE) == []


def test_an_entry_that_comes_back_is_no_longer_vanished() -> None:
    vanished = replace(BASE, vanished_at=NOW - DAY)
    assert remember([vanished], [BASE], NOW, GRACE) == [BASE]


def test_an_expired_entry_that_vanishes_ends_when_it_expired() -> None:
    expired = replace(BASE, valid_to=NOW - 29 * DAY)
    (kept,) = remember([expired], [], NOW, GRACE)
    assert kept.status(NOW, GRACE) is Status.GRACE
    assert kept.status(NOW + DAY, GRACE) is Status.ENDED
    assert remember([replace(BASE, valid_to=NOW - 2 * GRACE)], [], NOW, GRACE) == []


def test_a_revoked_entry_keeps_its_revocation_and_is_forgotten_a_grace_period_later() -> None:
    gone = replace(BASE, revocation=revoked(NOW + DAY))
    (kept,) = remember([gone], [], NOW, GRACE)
    assert kept.status(NOW, GRACE) is Status.GRACE
    assert kept.status(NOW + DAY, GRACE) is Status.REVOKED
    assert remember([kept], [], NOW + DAY + GRACE - 1, GRACE) == [kept]
    assert remember([kept], [], NOW + DAY + GRACE, GRACE) == []


NARROWER: dict[str, dict[str, object]] = {
    "another address": {"network": ip_network("203.0.113.0/24")},
    "a part of the prefix": {"network": ip_network("198.51.100.0/25")},
    "the other IP version": {"network": ip_network("2001:db8::/32")},
    "a number instead": {"network": None, "tag": b"t" * 16},
    "one protocol only": {"protocols": frozenset({Family.WIREGUARD})},
    "one peer only": {"peers": (ip_network("192.0.2.1/32"),)},
    "begins later": {"valid_from": NOW + DAY},
    "expired in the past": {"valid_to": NOW - 40 * DAY},
}


@pytest.mark.parametrize("change", NARROWER.values(), ids=NARROWER)
def test_an_entry_that_grants_less_vanishes_as_it_was(change: dict[str, object]) -> None:
    new = replace(BASE, **change)  # type: ignore[arg-type]
    assert remember([BASE], [new], NOW, GRACE) == [new, replace(BASE, vanished_at=NOW)]


WIDER: dict[str, dict[str, object]] = {
    "nothing": {},
    "a note and another line": {"note": "x", "source": "list.csv:3"},
    "a broader prefix": {"network": ip_network("198.51.0.0/16")},
    "begins earlier": {"valid_from": None},
    "a longer time": {"valid_to": None},
    "an earlier end still ahead": {"valid_to": NOW + DAY},
    "a revocation": {"revocation": revoked(NOW + DAY)},
}


@pytest.mark.parametrize("change", WIDER.values(), ids=WIDER)
def test_an_entry_that_grants_as_much_goes_on(change: dict[str, object]) -> None:
    new = replace(BASE, **change)  # type: ignore[arg-type]
    assert remember([BASE], [new], NOW, GRACE) == [new]


def test_limits_that_grow_go_on_and_limits_that_shrink_do_not() -> None:
    both = frozenset({Family.WIREGUARD, Family.OPENVPN})
    one = frozenset({Family.WIREGUARD})
    wide: tuple[Network, ...] = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    narrow: tuple[Network, ...] = (ip_network("192.0.2.9/32"),)
    small = replace(BASE, protocols=one, peers=narrow)
    large = replace(BASE, protocols=both, peers=wide)
    assert remember([small], [large], NOW, GRACE) == [large]
    assert remember([large], [small], NOW, GRACE) == [small, replace(large, vanished_at=NOW)]


def test_the_revocation_of_an_id_holds_for_what_the_entry_was_before() -> None:
    moved = replace(BASE, network=ip_network("203.0.113.0/24"), revocation=revoked(NOW))
    _, old = remember([BASE], [moved], NOW, GRACE)
    assert old.status(NOW, GRACE) is Status.REVOKED


# Any history of lists: each step is a list of entries, some days after the one before.

ids = st.sampled_from(["A", "B", "C"])
few_networks = st.integers(0, 3).map(lambda n: IPv4Network((0xC6336400 + n, 32)))
days = st.one_of(st.none(), st.integers(-80, 80))


@st.composite
def lists(draw: st.DrawFn, now: float) -> list[Registration]:
    found: list[Registration] = []
    for id in draw(st.sets(ids)):
        begin, end, effective = (
            None if day is None else now + day * DAY
            for day in (draw(days), draw(days), draw(st.one_of(st.none(), days)))
        )
        found.append(
            Registration(
                id, HolderKind.COMPANY, draw(few_networks), None, begin, end,
                draw(st.sampled_from([frozenset(), frozenset({Family.WIREGUARD})])), (), "", "list.csv:2",
                None if effective is None else revoked(effective),
            )
        )  # fmt: skip
    return found


def granted(entries: list[Registration], now: float) -> set[tuple[Network | None, Family]]:
    return {
        (entry.network, family)
        for entry in entries
        if entry.status(now, GRACE) in (Status.CURRENT, Status.GRACE)
        for family in entry.protocols or Family
    }


@given(st.data())
def test_whoever_counts_when_a_list_comes_counts_until_the_grace_period_ends(data: st.DataObject) -> None:
    now = NOW
    known: list[Registration] = []
    for _ in range(data.draw(st.integers(1, 5))):
        loaded = data.draw(lists(now))
        revocations = {entry.id: entry.revocation for entry in loaded if entry.revocation is not None}
        after = remember(known, loaded, now, GRACE)
        assert after[: len(loaded)] == loaded
        assert all(entry.vanished_at is not None for entry in after[len(loaded) :])
        later = now + data.draw(st.integers(0, 29)) * DAY
        for entry in known:
            revocation = revocations.get(entry.id, entry.revocation)
            ends = entry.ends_at()
            until = (now if ends is None else min(ends, now)) + GRACE
            current = entry.status(now, GRACE) in (Status.CURRENT, Status.GRACE)
            if current and later < until and (revocation is None or later < revocation.effective_at):
                assert granted([entry], now) <= granted(after, later)
        assert not any(
            entry.vanished_at is not None and now >= entry.vanished_at + KEPT_GRACES * GRACE for entry in after
        )
        known = after
        now += data.draw(st.integers(0, 40)) * DAY
