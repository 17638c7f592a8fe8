"""The gateway's side without a store: it waits, drops the oldest at its bound, and stops when told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.store import shared
from enforcer.subscribers.store.settings import StoreSettings, parse_address
from enforcer.subscribers.store.shared import SharedStore


def event(number: int) -> AccountingEvent:
    return AccountingEvent(EventKind.START, "bras-1", str(number), 1e9, (ip_network("198.51.100.7"),), bytes(16))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SharedStore]:
    settings = StoreSettings(parse_address(f"unix://{tmp_path}/nobody-listens"), 60.0, bytes(range(32)))
    made = SharedStore(settings, lambda: iter(()))
    yield made
    made.close()


def test_at_the_bound_the_oldest_is_dropped_and_counted(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "QUEUE", 3)
    for number in range(5):
        store.put(event(number), 1e9)
    assert (store.state.waiting, store.state.dropped) == (3, 2)
    assert [heard.event.session for heard in store._outbox] == ["2", "3", "4"]


def test_a_store_that_is_away_delays_nothing(store: SharedStore) -> None:
    store.start()
    began = time.monotonic()
    for number in range(1000):
        store.put(event(number), 1e9)
        assert store.receive() == []
    assert time.monotonic() - began < 1.0
    assert store.state.waiting == 1000
    assert not store.state.connected
    assert store.state.current_at is None


def test_closing_while_the_store_is_away_takes_no_time(store: SharedStore) -> None:
    store.start()
    store.put(event(1), 1e9)
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < 1.0
    assert not store._thread.is_alive()
