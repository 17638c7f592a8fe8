"""What is in the store, for how long, and what becomes of it when others write there."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.store.encoding import Heard, Seal
from enforcer.subscribers.store.schema import split_record
from tests.lab.store import (
    KEY,
    NUMBER,
    OTHER_TAG,
    SOON,
    TAG,
    Gateway,
    World,
    event,
    eventually,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_older_news_never_undoes_newer_in_whatever_order_it_is_written(world: World) -> None:
    store = world.store()
    writer = world.gateway(store.url)
    now = time.time() - 50
    history = [
        event(at=now, address=None),
        event(EventKind.INTERIM, at=now + 1),
        event(EventKind.INTERIM, at=now + 2, tag=None, address="2001:db8::/64"),
        event(EventKind.INTERIM, at=now + 3, tag=None, address=None),
    ]
    ended = [*history, event(EventKind.STOP, at=now + 4)]
    again = [*ended, event(at=now + 5, tag=OTHER_TAG, address="198.51.100.8")]
    random_order = random.Random(3)
    expected: dict[str, tuple[AccountingEvent, ...]] = {}
    for number in range(60):
        which, told = (("on", history), ("ended", ended), ("again", again))[number % 3]
        told = [each._replace(session=f"{which}-{number}") for each in told]
        last = told[-1]
        expected[last.session] = (last,) if which == "again" else tuple(told)
        random_order.shuffle(told)
        for each in told:
            writer.store.put(each, each.at)
    eventually(lambda: writer.store.state.sent == 20 * (4 + 5 + 6), 3)
    seal, found = Seal(KEY), {}
    for key in store.client().scan_iter("*:r:*"):
        value = store.client().get(key)
        assert isinstance(value, bytes)
        kept = [heard.event for each in split_record(value) if (heard := seal.open(each))]
        found[kept[0].session] = tuple(sorted(kept, key=lambda each: each.at))
    assert found == expected


def test_every_key_dies_by_itself(world: World) -> None:
    store = world.store()
    one = world.gateway(store.url, ttl=2.0)
    one.hear(event())
    one.hear(event(EventKind.STOP, session="b2"))
    one.hear(event(EventKind.ON, session="", nas="bras-2", address=None, tag=None))
    eventually(lambda: one.store.state.sent == 3)
    client = store.client()
    keys = list(client.scan_iter())
    assert len(keys) == 4
    for key in keys:
        assert 0 < client.pttl(key) <= 2000
    one.store.close()
    eventually(lambda: client.dbsize() == 0, 3)


def test_late_news_does_not_live_longer_and_a_time_to_come_is_not_kept(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url, ttl=100.0), world.gateway(store.url, ttl=100.0)
    one.store.put(event(session="half gone", at=time.time() - 50), time.time())
    one.store.put(event(session="gone", at=time.time() - 101), time.time())
    one.store.put(event(session="to come", at=time.time() + 3600), time.time())
    eventually(lambda: one.store.state.sent == 3)
    client = store.client()
    (record,) = client.scan_iter("*:r:*")
    assert 40_000 < client.pttl(record) <= 50_000
    # It is told all the same: each table judges for itself.
    sessions: list[str] = []
    end = time.monotonic() + SOON
    while len(sessions) < 3 and time.monotonic() < end:
        sessions += [heard.event.session for heard in other.store.receive()]
    assert sessions == ["half gone", "gone", "to come"]


def test_what_others_write_there_is_counted_and_nothing_else(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    client, seal = store.client(), Seal(KEY)
    stream = next(client.scan_iter("*:events"))
    forged = bytearray(seal.seal(Heard(event(tag=OTHER_TAG), time.time())))
    forged[-1] ^= 1
    client.xadd(stream, {"o": b"x", "e": bytes(forged)})
    client.xadd(stream, {"o": b"x", "e": b"\xff" * 300})
    client.xadd(stream, {"other": b"fields"})
    eventually(lambda: other.store.state.unreadable == 2)
    assert other.holder()[0] is HoldingState.MISSING
    prefix = f"enforcer:1:{seal.namespace}:r:"
    never = bytearray(forged)
    never[2:10] = b"\x7f\xf0" + bytes(6)
    squatted = [event(session=f"s{number}", address=f"203.0.113.{number}") for number in range(5)]
    names = [prefix + seal.record(each) for each in squatted]
    client.set(names[0], b"\xff\xff\xff")
    client.set(names[1], len(forged).to_bytes(2, "big") + forged)
    client.set(names[2], len(never).to_bytes(2, "big") + never)
    client.lpush(names[3], b"a list")
    client.set(names[4], b"\x00\x03abc")
    for each in squatted:
        one.hear(each)
    eventually(lambda: all(other.holds(TAG, f"203.0.113.{number}") for number in range(5)))
    late = world.gateway(store.url)
    assert all(late.holds(TAG, f"203.0.113.{number}") for number in range(5))


def test_gateways_with_another_key_do_not_meet(world: World) -> None:
    store = world.store()
    one, stranger = world.gateway(store.url), world.gateway(store.url, key=bytes(reversed(KEY)))
    one.hear(event())
    eventually(lambda: one.store.state.sent == 1)
    late = world.gateway(store.url, key=bytes(reversed(KEY)))
    time.sleep(0.3)
    for each in (stranger, late):
        assert each.holder()[0] is HoldingState.MISSING
        assert each.store.state.received == each.store.state.unreadable == 0


def offered_all(gateway: Gateway, count: int) -> bool:
    gateway.follow()
    return gateway.store.state.offered >= count


def test_offers_of_what_the_store_knows_make_no_news(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    for number in range(50):
        one.hear(event(session=f"s{number}", address=f"203.0.113.{number}"))
    eventually(lambda: other.holds(TAG, "203.0.113.49"))
    client = store.client()
    stream = next(client.scan_iter("*:events"))
    told = client.xlen(stream)
    client.xtrim(stream, maxlen=0)
    for gateway in (one, other):
        eventually(partial(offered_all, gateway, 50), 3)
    stream_entries = client.xlen(stream)
    assert told == 51
    # The one that marks its beginning, or one each of two that saw it empty.
    assert stream_entries <= 2


def test_no_number_is_in_the_store_nor_on_its_disk(world: World) -> None:
    store = world.store()
    one = world.gateway(store.url)
    one.hear(event())
    eventually(lambda: one.store.state.sent == 1)
    store.client().config_set("rdbcompression", "no")
    store.client().save()
    dump = (world.folder / "dump.rdb").read_bytes()
    assert TAG in dump
    digits = NUMBER.removeprefix("+92")
    for form in (digits, digits[:6], digits[-6:]):
        assert form.encode() not in dump
        assert int(form).to_bytes(8, "big").lstrip(b"\0") not in dump


def test_what_two_gateways_heard_alike_is_told_once(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    both = event()
    one.hear(both)
    eventually(lambda: one.store.state.sent == 1)
    other.hear(both)
    eventually(lambda: other.store.state.sent == 1)
    client = store.client()
    # The entry that marks the stream's beginning, or one each of two that saw it empty; then the event.
    entries: Any = client.xrange(next(client.scan_iter("*:events")))
    assert len([fields for _, fields in entries if fields[b"e"]]) == 1
