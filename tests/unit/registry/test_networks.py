"""Networks in arrays, tables of rows, and their differences: as Python's own sets and comparisons have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.registry import difference, networks
from enforcer.registry.difference import partners
from enforcer.registry.model import Network, Registration
from enforcer.registry.networks import Networks
from enforcer.registry.registrations import Registrations
from tests.unit.registry.test_registry_lookup import DAY, NOW, registrations
from tests.unit.registry.test_registry_lookup import networks as some_networks

sets = st.lists(some_networks(), max_size=12).map(set)


@given(sets, sets, st.sampled_from([1, 64]))
def test_sets_of_networks_are_sets(one: set[Network], other: set[Network], few: int) -> None:
    with mock.patch.object(networks, "_FEW", few):
        first, second = Networks.of(one), Networks.of(other)
        assert first | second == one | other
        assert first - second == one - other
        assert first & second == one & other
    assert (len(first), set(first)) == (len(one), one)
    assert (first == second) == (one == other)
    assert [network in first for network in (*one, *other)] == [network in one for network in (*one, *other)]
    assert "192.0.2.1" not in first


@given(sets)
def test_the_outermost_networks_cover_all_and_none_another(members: set[Network]) -> None:
    def covers(outer: Network, inner: Network) -> bool:
        return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]

    found = set(Networks.of(members).outermost())
    assert found == {one for one in members if not any(other != one and covers(other, one) for other in members)}


def grants(entry: Registration) -> tuple[object, ...]:
    return (
        entry.id, entry.network, entry.tag, entry.valid_from, entry.valid_to, entry.protocols, entry.peers
    )  # fmt: skip


def distinct(entries: list[Registration]) -> list[Registration]:
    return list({grants(entry): entry for entry in entries}.values())


changes: list[Callable[[list[Registration]], list[Registration]]] = [
    lambda entries: entries,
    lambda entries: entries[1:],
    lambda entries: entries[:-1],
    lambda entries: entries[::-1],
    lambda entries: entries[: len(entries) // 2] + entries[len(entries) // 2 + 1 :],
    lambda entries: [
        replace(entry, valid_to=NOW + 999 * DAY) if n == 1 else entry for n, entry in enumerate(entries)
    ],
]


@settings(deadline=None)
@given(
    st.lists(registrations(), max_size=12), st.lists(registrations(), max_size=3), st.sampled_from(changes),
    st.sampled_from([0, 10_000]),
)  # fmt: skip
def test_partners_are_the_rows_that_grant_the_same(
    entries: list[Registration],
    more: list[Registration],
    change: Callable[[list[Registration]], list[Registration]],
    few: int,
) -> None:
    before = distinct(entries)
    after = distinct([*change(before), *more])
    with mock.patch.object(difference, "_FEW", few):
        found = partners(Registrations.of(before), Registrations.of(after)).tolist()
    places = {grants(entry): place for place, entry in enumerate(after)}
    assert found == [places.get(grants(entry), -1) for entry in before]


@given(st.lists(registrations(), max_size=8), st.data())
def test_rows_taken_and_put_together_are_the_same_entries(
    entries: list[Registration], data: st.DataObject
) -> None:
    entries = [
        replace(entry, former_tags=tuple(bytes([n] * 16) for n in range(data.draw(st.integers(0, 2)))))
        if entry.tag is not None
        else entry
        for entry in entries
    ]
    table = Registrations.of(entries)
    assert table == entries
    rows = data.draw(st.permutations(range(len(entries))))[: data.draw(st.integers(0, 8))]
    taken = table.take(np.array(rows, np.intp))
    assert taken == [entries[row] for row in rows]
    assert Registrations.concatenated([taken, table, taken]) == [*taken, *entries, *taken]
    assert table[1:3] == entries[1:3]


def test_long_prefixes_of_version_6_are_told_apart() -> None:
    members = [
        ip_network(text) for text in ("2001:db8::/120", "2001:db8::/121", "2001:db8::/128", "2001:db8::/64")
    ]
    assert set(Networks.of(members)) == set(members)
    assert list(Networks.of(members).outermost()) == [members[3]]
    assert list(Networks.of(members[:3]).outermost()) == [members[0]]
