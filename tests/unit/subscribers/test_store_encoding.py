"""Events as sealed bytes: nothing is lost, and nothing that was not sealed with the key is an event."""

from __future__ import annotations

import pickle
import struct
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.registry.model import Network
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.store.encoding import TRAIL_BYTES, Heard, Role, Seal, roles
from enforcer.subscribers.store.schema import SHORTEST, split_record

KEY = bytes(range(32))
SEAL = Seal(KEY)


def networks() -> st.SearchStrategy[Network]:
    def make(version: int, number: int, length: int) -> Network:
        bits = 32 if version == 4 else 128
        length = min(length, bits)
        return ip_network((number % (1 << bits) >> bits - length << bits - length, length))

    made = st.builds(make, st.sampled_from((4, 6)), st.integers(0, (1 << 128) - 1), st.integers(0, 128))
    # A small number as IPv6 would be read as IPv4 by ip_network.
    return made.filter(lambda network: network.version == 4 or int(network.network_address) >= 1 << 32)


TIMES = st.floats(-4e9, 5e9, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
EVENTS = st.builds(
    AccountingEvent,
    st.sampled_from(EventKind),
    TEXTS,
    TEXTS,
    TIMES,
    st.lists(networks(), max_size=5).map(tuple),
    st.none() | st.binary(min_size=16, max_size=16),
)
HEARD = st.builds(Heard, EVENTS, TIMES)


def event(kind: EventKind = EventKind.START, nas: str = "bras-1", session: str = "5a") -> AccountingEvent:
    return AccountingEvent(kind, nas, session, 1e9, (ip_network("198.51.100.7"),), bytes(16))


@given(HEARD)
def test_what_was_sealed_is_what_is_opened(heard: Heard) -> None:
    sealed = SEAL.seal(heard)
    assert SEAL.open(sealed) == heard
    assert len(sealed) >= SHORTEST


@given(HEARD, st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_octet_makes_it_no_event(heard: Heard, where: int, change: int) -> None:
    sealed = bytearray(SEAL.seal(heard))
    sealed[where % len(sealed)] ^= change
    assert SEAL.open(bytes(sealed)) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_event(data: bytes) -> None:
    assert SEAL.open(data) is None


@given(st.binary(max_size=120))
def test_garbage_with_a_true_seal_raises_nothing(body: bytes) -> None:
    # What a later version of this program, under the same key, might write.
    opened = SEAL.open(body + SEAL._seal_of(body))
    assert opened is None or SEAL.seal(opened) == body + SEAL._seal_of(body)


@given(HEARD, st.integers(0, 100))
def test_a_true_event_cut_short_or_longer_but_sealed_is_no_event(heard: Heard, cut: int) -> None:
    body = SEAL.seal(heard)[:-16]
    for other in (body[: -1 - cut % len(body)], body + bytes(1 + cut)):
        assert SEAL.open(other + SEAL._seal_of(other)) is None


def test_another_key_opens_nothing_and_looks_elsewhere() -> None:
    other = Seal(bytes(reversed(range(32))))
    heard = Heard(event(), 1e9)
    assert SEAL.open(SEAL.seal(heard)) == heard
    assert other.open(SEAL.seal(heard)) is None
    assert other.namespace != SEAL.namespace
    assert other.record(event()) != SEAL.record(event())


def test_a_session_has_one_record_whatever_happens_in_it() -> None:
    start, stop = event(EventKind.START), event(EventKind.STOP)
    assert SEAL.record(start) == SEAL.record(stop._replace(at=5.0, tag=None, addresses=()))
    assert SEAL.record(event(nas="a", session="b:c")) != SEAL.record(event(nas="a:b", session="c"))
    assert SEAL.record(event(session="")) != SEAL.record(event())


def test_two_gateways_bytes_differ_only_at_the_end() -> None:
    one, other = SEAL.seal(Heard(event(), 1e9)), SEAL.seal(Heard(event(), 1e9 + 1))
    assert one != other
    assert one[:-TRAIL_BYTES] == other[:-TRAIL_BYTES]


def test_the_script_finds_roles_and_time_where_it_looks() -> None:
    sealed = SEAL.seal(Heard(event(), 2e9))
    assert sealed[1] == Role.START | Role.REPORT | Role.IPV4 | Role.TAG
    assert struct.unpack(">d", sealed[2:10]) == (1e9,)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (EventKind.START, Role.START | Role.REPORT | Role.IPV4 | Role.TAG),
        (EventKind.INTERIM, Role.REPORT | Role.IPV4 | Role.TAG),
        (EventKind.STOP, Role.STOP),
        (EventKind.ON, Role.RESTART),
        (EventKind.OFF, Role.RESTART),
    ],
)
def test_roles(kind: EventKind, expected: Role) -> None:
    assert roles(event(kind)) == expected


@pytest.mark.parametrize(
    "odd",
    [
        event()._replace(at=float("nan")),
        event()._replace(at=float("inf")),
        event()._replace(nas="n" * 70_000),
        event()._replace(nas="\ud800"),
        event()._replace(addresses=(ip_network("198.51.100.7"),) * 256),
    ],
)
def test_what_no_accounting_says_is_refused_without_being_shown(odd: AccountingEvent) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        SEAL.seal(Heard(odd, 1e9))
    assert "198.51" not in str(refused.value)


def test_the_key_is_not_shown() -> None:
    assert repr(SEAL) == "Seal(key hidden)"
    with pytest.raises(TypeError):
        pickle.dumps(SEAL)


@given(st.lists(st.binary(max_size=50), max_size=5), st.binary(max_size=3))
def test_a_record_is_split_where_it_was_joined(events: list[bytes], rest: bytes) -> None:
    value = b"".join(struct.pack(">H", len(each)) + each for each in events)
    assert split_record(value) == events
    assert split_record(value + b"\xff\xff" + rest) == events


@given(st.binary(max_size=100))
def test_garbage_in_a_record_raises_nothing(value: bytes) -> None:
    for each in split_record(value):
        assert SEAL.open(each) is None
