"""The list as it is asked: the same answers as looking at every entry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from enforcer.fingerprints.detection import Family
from enforcer.registry.lookup import Registry
from enforcer.registry.model import HolderKind, Network, Registration, Revocation, Status
from enforcer.registry.prefixes import PrefixMap

DAY = 86400.0
NOW = 1000 * DAY
GRACE = 30 * DAY


def entry(id: str, network: str | None = "198.51.100.7/32", tag: bytes | None = None) -> Registration:
    return Registration(
        id, HolderKind.COMPANY, None if network is None else ip_network(network), tag, None, None,
        frozenset(), (), "", "list.csv:1",
    )  # fmt: skip


# Few bits vary, so that random prefixes cover one another and random addresses fall into them.
addresses = st.one_of(
    st.integers(0, 0xFFFF).map(lambda low: (0xC6330000 | low).to_bytes(4, "big")),
    st.integers(0, 0xFFFF).map(lambda low: (0x20010DB8 << 96 | low << 48).to_bytes(16, "big")),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(addresses)
    length = draw(st.integers(8, 32) if len(address) == 4 else st.integers(16, 128))
    return ip_network((address, length), strict=False)


times = st.one_of(st.none(), st.integers(-100, 100).map(lambda days: NOW + days * DAY))


@st.composite
def registrations(draw: st.DrawFn) -> Registration:
    network = draw(st.one_of(st.none(), networks()))
    effective = draw(times)
    return Registration(
        id=draw(st.text("ab", min_size=1, max_size=3)),
        kind=HolderKind.COMPANY,
        network=network,
        tag=draw(st.sampled_from([b"a" * 16, b"b" * 16])) if network is None else None,
        valid_from=draw(times),
        valid_to=draw(times),
        protocols=draw(st.sampled_from([frozenset(), frozenset({Family.WIREGUARD})])),
        peers=draw(st.sampled_from([(), (ip_network("192.0.2.0/24"),)])),
        note="",
        source="list.csv:1",
        revocation=None if effective is None else Revocation("r", effective, effective, "list.csv:2"),
        vanished_at=draw(times),
    )


def covers(network: Network | None, address: bytes) -> bool:
    return network is not None and ip_address(address) in network


def by_length(entries: Iterable[Registration]) -> list[int]:
    return [entry.network.prefixlen for entry in entries if entry.network is not None]


@given(st.lists(registrations(), max_size=40), st.lists(addresses, min_size=1, max_size=20))
def test_lookups_equal_looking_at_every_entry(entries: list[Registration], asked: list[bytes]) -> None:
    registry = Registry(entries, NOW)
    asked += [entry.network.network_address.packed for entry in entries if entry.network is not None]
    for address in asked:
        found = registry.match_address(address)
        assert Counter(found) == Counter(entry for entry in entries if covers(entry.network, address))
        assert by_length(found) == sorted(by_length(found), reverse=True)
    for tag in (b"a" * 16, b"b" * 16, b"c" * 16):
        assert registry.match_tag(tag) == [entry for entry in entries if entry.tag == tag]
    for entry in entries:
        found_entry = registry.by_id(entry.id)
        assert found_entry is not None
        same = [other for other in entries if other.id == entry.id]
        assert found_entry in same
        assert (found_entry.vanished_at is None) == any(other.vanished_at is None for other in same)
    assert len(registry) == len(list(registry)) == len(entries)


@given(st.lists(registrations(), max_size=40))
def test_counts_and_networks_equal_looking_at_every_entry(entries: list[Registration]) -> None:
    registry = Registry(entries, NOW)
    census = registry.census(NOW, GRACE)
    assert census == {status: sum(entry.status(NOW, GRACE) is status for entry in entries) for status in Status}
    yielded = list(registry.unconditional_networks(NOW, GRACE))
    assert len(yielded) == len(set(yielded))
    assert set(yielded) == {
        entry.network
        for entry in entries
        if entry.network is not None
        and entry.unconditional
        and entry.status(NOW, GRACE) in (Status.CURRENT, Status.GRACE)
    }


@given(st.lists(registrations(), max_size=10))
def test_nothing_changes_before_the_next_change(entries: list[Registration]) -> None:
    registry = Registry(entries, NOW)
    change = registry.next_change(NOW, GRACE)
    assert change > NOW
    before = min(change, NOW + 1000 * DAY) - 0.5
    assert [entry.status(before, GRACE) for entry in entries] == [entry.status(NOW, GRACE) for entry in entries]
    if math.isinf(change):
        far = NOW + 10_000 * DAY
        assert [entry.status(far, GRACE) for entry in entries] == [entry.status(NOW, GRACE) for entry in entries]


def test_expiring_names_what_ends_soon_by_expiry_or_revocation() -> None:
    soon = replace(entry("soon"), valid_to=NOW + 5 * DAY)
    revoked = replace(entry("revoked"), revocation=Revocation("r", NOW, NOW + 2 * DAY, "x:1"))
    edge = replace(entry("edge"), valid_to=NOW + 7 * DAY)
    others = [
        entry("open"),
        replace(entry("later"), valid_to=NOW + 8 * DAY),
        replace(entry("over"), valid_to=NOW - DAY),
        replace(entry("not yet"), valid_from=NOW + DAY, valid_to=NOW + 3 * DAY),
        replace(entry("gone"), revocation=Revocation("r", NOW, NOW, "x:1")),
        replace(entry("vanished"), vanished_at=NOW - DAY),
    ]
    found = Registry([edge, soon, *others, revoked], NOW).expiring(NOW, 7 * DAY)
    assert [registration.id for registration in found] == ["revoked", "soon", "edge"]


def test_one_registered_entry_is_enough_beside_an_ended_one() -> None:
    ended = replace(entry("old"), valid_to=NOW - 31 * DAY)
    limited = replace(entry("limited"), protocols=frozenset({Family.OPENVPN}))
    networks_of = Registry([ended, limited], NOW).unconditional_networks(NOW, GRACE)
    assert list(networks_of) == []
    networks_of = Registry([ended, limited, entry("new")], NOW).unconditional_networks(NOW, GRACE)
    assert list(networks_of) == [ip_network("198.51.100.7/32")]


def test_an_empty_registry_knows_nobody() -> None:
    registry = Registry([], None)
    assert registry.as_of is None
    assert registry.match_address(b"\xc6\x33\x64\x07") == []
    assert registry.match_tag(b"a" * 16) == []
    assert registry.by_id("x") is None
    assert set(registry.census(NOW, GRACE).values()) == {0}


@given(st.lists(st.tuples(networks(), st.booleans()), max_size=30), addresses, networks())
def test_prefixes_put_in_and_taken_out(steps: list[tuple[Network, bool]], asked: bytes, around: Network) -> None:
    table: PrefixMap[object] = PrefixMap()
    held: list[tuple[Network, object]] = []
    for network, take_out in steps:
        value = object()
        table.add(network, value)
        if take_out:
            table.remove(network, object())
            table.remove(network, value)
        else:
            held.append((network, value))
    assert set(table.covering(asked)) == {value for network, value in held if covers(network, asked)}
    for network, _ in steps:
        assert set(table.at(network)) == {value for other, value in held if other == network}
    assert set(table.around(around)) == {
        value
        for network, value in held
        if network.version == around.version and network != around and around.subnet_of(network)  # type: ignore[arg-type]
    }
