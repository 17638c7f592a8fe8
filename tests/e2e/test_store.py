"""Two gateways on one real Redis: what one hears the other knows, and no failure of the store harms anybody."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from enforcer.subscribers.events import EventKind
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.store import shared
from enforcer.subscribers.store.settings import StoreSettings, parse_address
from tests.lab.network import Lab
from tests.lab.store import ADDRESS, KEY, OTHER_TAG, SOON, TAG, Gateway, World, event, eventually, fails, stays


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_what_one_hears_the_other_knows_within_a_second(world: World) -> None:
    url = world.store().url
    one, other = world.gateway(url), world.gateway(url)
    one.hear(event())
    eventually(lambda: other.holds(TAG))
    one.hear(event(EventKind.STOP, at=time.time()))
    eventually(lambda: other.holder()[0] is HoldingState.MISSING)
    other.hear(event(session="b2", tag=OTHER_TAG))
    eventually(lambda: one.holds(OTHER_TAG))
    prefix = "2001:db8:77::/56"
    one.hear(event(session="c3", address=prefix))
    eventually(lambda: other.holds(TAG, "2001:db8:77:1::1"))
    one.hear(event(EventKind.ON, session="", address=None, tag=None, at=time.time() + 0.01))
    eventually(lambda: other.holder("2001:db8:77:1::1")[0] is HoldingState.MISSING)
    assert other.store.state.unreadable == 0


def test_a_gateway_that_comes_later_learns_it_all_with_its_age(world: World) -> None:
    url = world.store().url
    one = world.gateway(url)
    began = time.time() - 100
    # Its time of arrival, not the newcomer's clock, says that this was punctual news.
    one.table.apply(event(at=began), began)
    one.store.put(event(at=began), began)
    one.store.put(event(EventKind.INTERIM, at=began + 50, address=None, tag=None), began + 50)
    eventually(lambda: one.store.state.sent == 2)
    late = world.gateway(url)
    assert late.holds(TAG)
    age = late.table.holder(ip_address(ADDRESS).packed, time.time()).age
    assert age is not None
    assert 49 < age < 60


@pytest.mark.parametrize("reason", ["killed", "flushed", "restarted from an old dump"])
def test_an_empty_store_is_filled_again_and_nobody_flickers(world: World, reason: str) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    if reason == "restarted from an old dump":
        one.hear(event(session="old", tag=OTHER_TAG, address="198.51.100.9"))
        eventually(lambda: other.holds(OTHER_TAG, "198.51.100.9"))
        store.client().save()
    one.hear(event())
    eventually(lambda: other.holds(TAG))
    emptied = time.time()
    if reason == "flushed":
        store.client().flushall()
    else:
        store.kill()
        fails(one, "cannot be reached")
        stays([one, other], TAG, 0.5)
        store.start_again()
        emptied = time.time()
    # On each side of coming back, the answer is the same at every moment.
    end = time.monotonic() + 8
    while not (one.is_current(emptied) and other.is_current(emptied) and one.store.state.resyncs > 1):
        assert time.monotonic() < end
        assert one.holds(TAG)
        assert other.holds(TAG)
    stays([one, other], TAG, 0.3)
    eventually(lambda: any(gateway.store.state.offered for gateway in (one, other)))
    eventually(lambda: store.client().dbsize() >= 2, 3)
    third = world.gateway(store.url)
    assert third.holds(TAG)
    one.hear(event(EventKind.STOP))
    eventually(lambda: other.holder()[0] is HoldingState.MISSING)


def test_news_from_the_time_the_store_was_away_arrives_afterwards(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    store.kill()
    fails(one, "cannot be reached")
    assert not one.store.state.connected
    for number in range(300):
        one.hear(event(session=f"s{number}", address=f"203.0.113.{number % 256}" if number < 256 else None))
    assert one.store.state.waiting == 300
    store.start_again()
    eventually(lambda: other.holds(TAG, "203.0.113.255"), 8)
    assert one.store.state.dropped == 0


def test_a_stopped_store_blocks_nobody_and_loses_nothing(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    one.hear(event(tag=OTHER_TAG))
    eventually(lambda: other.holds(OTHER_TAG))
    store.process.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for number in range(2000):
            one.hear(event(session=f"s{number}", address=f"203.0.113.{number % 256}"))
            assert one.holds(OTHER_TAG)
        assert time.monotonic() - began < 1.0
        fails(one, "no answer in time")
        last_known = other.store.state.current_at
        assert other.holds(OTHER_TAG)
    finally:
        store.process.signal(signal.SIGCONT)
    eventually(lambda: other.is_current(time.time() - 1) and other.table.counts.reports >= 2001, 8)
    assert last_known is not None
    assert one.store.state.sent == 2001


def test_knowledge_ages_to_unknown_while_the_store_is_away(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url, ttl=2.0), world.gateway(store.url, ttl=2.0)
    heard = time.time()
    one.hear(event(at=heard))
    eventually(lambda: other.holds(TAG))
    store.kill()
    while time.time() < heard + 1.9:
        assert other.holds(TAG)
        time.sleep(0.02)
    eventually(lambda: other.holder() == (HoldingState.STALE, None))


def test_who_was_away_for_longer_than_the_stream_reads_every_record(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    store.process.signal(signal.SIGSTOP)
    fails(other, "no answer in time")
    one.hear(event())
    store.process.signal(signal.SIGCONT)
    eventually(lambda: other.holds(TAG), 8)
    resyncs = other.store.state.resyncs
    stream = next(store.client().scan_iter("*:events"))
    for number in range(5):
        one.hear(event(session=f"s{number}", address=f"203.0.113.{number}"))
    store.client().xtrim(stream, maxlen=0)
    eventually(lambda: all(other.holds(TAG, f"203.0.113.{number}") for number in range(5)), 3)
    eventually(lambda: other.store.state.resyncs > resyncs)
    assert other.holds(TAG)


def test_a_full_store_is_still_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "BACKOFF", (0.1, 0.5))
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    one.hear(event())
    eventually(lambda: other.holds(TAG))
    store.client().config_set("maxmemory", 1)
    one.hear(event(session="b2", address="203.0.113.1"))
    fails(one, "memory is full")
    assert one.store.state.connected
    late = world.gateway(store.url, connect=False)
    eventually(lambda: late.holds(TAG), 3)
    store.client().config_set("maxmemory", 0)
    eventually(lambda: other.holds(TAG, "203.0.113.1"), 3)
    eventually(lambda: one.store.state.failure is None)


@pytest.fixture(scope="module")
def two_places() -> Iterator[Lab]:
    """A gateway's namespace and, across a link, the store's."""
    with Lab(lines=()) as made:
        yield made


def test_a_partition_leaves_last_knowledge_and_ends_without_a_flap(world: World, two_places: Lab) -> None:
    lab = two_places
    port = lab.next_port()
    place = lab.internet
    world.store(
        *("--port", str(port), "--bind", place.ip4, "--protected-mode", "no"),
        prefix=tuple(place.command(())),
    )
    near = world.gateway(f"unix://{world.folder}/s")
    far = Gateway(StoreSettings(parse_address(f"redis://{place.ip4}:{port}"), 600.0, KEY))
    # A thread begins where the one that starts it is.
    lab.gateway.within(far.store.start)
    try:
        eventually(lambda: far.is_current(0), 3)
        near.hear(event())
        eventually(lambda: far.holds(TAG))
        drop = f"tcp dport {port} drop"
        chain = f"chain out {{ type filter hook output priority 0; {drop}; }}"
        lab.gateway.run(["nft", "-f", "-"], text=f"table inet cut {{ {chain}; }}")
        cut = time.time()
        fails(far, "no answer in time")
        near.hear(event(session="near", address="203.0.113.1"))
        far.hear(event(session="far", address="203.0.113.2"))
        stays([near, far], TAG, 0.5)
        current = far.store.state.current_at
        assert current is not None
        assert current < cut + 0.5
        assert far.holder("203.0.113.1")[0] is near.holder("203.0.113.2")[0] is HoldingState.MISSING
        lab.gateway.run(["nft", "delete", "table", "inet", "cut"])
        end = time.monotonic() + 10
        while not (far.holds(TAG, "203.0.113.1") and near.holds(TAG, "203.0.113.2")):
            assert time.monotonic() < end
            assert far.holds(TAG)
            assert near.holds(TAG)
        assert far.store.state.resyncs == 1
    finally:
        far.store.close()


def test_stopping_hands_over_what_was_just_heard(world: World) -> None:
    url = world.store().url
    one, other = world.gateway(url), world.gateway(url)
    for number in range(2000):
        one.hear(event(session=f"s{number}", address=f"203.0.113.{number % 256}"))
    one.store.close()
    eventually(lambda: other.is_current(0) and other.store.state.received == 2000, 3)


def test_a_slow_daemon_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "INBOX", 100)
    monkeypatch.setattr(shared, "READ", 50)
    url = world.store().url
    one, other = world.gateway(url), world.gateway(url)
    for number in range(2000):
        one.store.put(event(session=f"s{number}"), time.time())
    eventually(lambda: one.store.state.sent == 2000, 3)
    time.sleep(0.3)
    assert len(other.store._inbox) < 200
    seen: list[str] = []

    def all_there() -> bool:
        seen.extend(heard.event.session for heard in other.store.receive())
        return len(seen) == 2000

    eventually(all_there, 5)
    assert seen == [f"s{number}" for number in range(2000)]


def test_the_daemon_is_woken_for_each_and_not_for_nothing(world: World) -> None:
    url = world.store().url
    one, other = world.gateway(url), world.gateway(url)
    other.follow()
    time.sleep(0.3)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(other.store.fileno())
    one.hear(event())
    with selectors.DefaultSelector() as selector:
        selector.register(other.store, selectors.EVENT_READ)
        assert selector.select(SOON)
    assert other.holds(TAG)


def test_a_gateway_is_current_under_load_too(world: World) -> None:
    url = world.store().url
    one, other = world.gateway(url), world.gateway(url)
    began, worst = time.time(), 0.0
    while time.time() < began + 1.5:
        for number in range(10):
            one.store.put(event(session=f"s{number}"), time.time())
        other.follow()
        current = other.store.state.current_at
        assert current is not None
        worst = max(worst, time.time() - current)
        time.sleep(0.005)
    assert worst < SOON


def test_another_process_is_read_anew_for_it_may_have_lost_its_last_moments(world: World) -> None:
    store = world.store()
    one, other = world.gateway(store.url), world.gateway(store.url)
    one.hear(event())
    eventually(lambda: other.holds(TAG))
    store.client().save()
    store.kill()
    store.start_again()
    for gateway in (one, other):
        eventually(partial(lambda each: each.store.state.resyncs == 2, gateway), 8)
        stays([gateway], TAG, 0.2)


def test_who_comes_later_finds_no_quarrel_over_addresses_that_were_given_on(world: World) -> None:
    url = world.store().url
    one = world.gateway(url)
    now = time.time() - 30
    addresses = [f"203.0.113.{number}" for number in range(40)]
    for address in addresses:
        for each in (
            event(session=f"first {address}", address=address, tag=OTHER_TAG, at=now),
            event(EventKind.STOP, session=f"first {address}", address=address, tag=OTHER_TAG, at=now + 10),
            event(session=f"second {address}", address=address, at=now + 20),
        ):
            one.store.put(each, each.at)
    eventually(lambda: one.store.state.sent == 120)
    late = world.gateway(url)
    assert [address for address in addresses if not late.holds(TAG, address)] == []
