"""A real Redis, and gateways as their daemon would use it: a session table, fed by what is heard and told."""

from __future__ import annotations

import itertools
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path

import redis

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.number import Tagger
from enforcer.subscribers.store.encoding import Heard
from enforcer.subscribers.store.offers import offers
from enforcer.subscribers.store.settings import StoreSettings, parse_address
from enforcer.subscribers.store.shared import SharedStore
from enforcer.subscribers.table import SessionTable
from tests.lab.processes import LabError, Process, wait_until

KEY = bytes(range(32))
NUMBER = "+923001234567"
TAG = Tagger(KEY).tag(NUMBER)
OTHER_TAG = Tagger(KEY).tag("+923217654321")
ADDRESS = "198.51.100.7"
SOON = 1.0
"""Seconds within which the other gateway has to know."""


class Store:
    """A redis-server in the foreground, on a local socket; ``options`` are its configuration's."""

    def __init__(self, folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> None:
        if shutil.which("redis-server") is None:
            raise LabError("redis-server not found: run `make setup`")
        self._folder = folder
        self._starts = itertools.count()
        self._arguments = [
            *(*prefix, "redis-server", "--port", "0", "--unixsocket", str(folder / "s"), "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", *options),
        ]  # fmt: skip
        self.url = f"unix://{folder}/s"
        self.process = self._start()

    def _start(self) -> Process:
        (self._folder / "s").unlink(missing_ok=True)
        process = Process(self._arguments, self._folder / f"log{next(self._starts)}")
        process.require("eady to accept connections", 5)
        return process

    def client(self) -> redis.Redis:
        """An operator's connection."""
        return redis.Redis(unix_socket_path=str(self._folder / "s"))

    def kill(self) -> None:
        """SIGKILL, and wait for the end of it."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)
        self.process.stop()

    def start_again(self) -> None:
        """With the same configuration, and its dump if it has one."""
        self.process = self._start()


class Gateway:
    """What the daemon does with a store: one table, fed by what it hears and what others tell."""

    def __init__(self, settings: StoreSettings) -> None:
        self.table = SessionTable(settings.ttl)
        self.store = SharedStore(settings, self._live)

    def _live(self) -> Iterator[Heard]:
        return offers(list(self.table.live(time.time())))

    def hear(self, event: AccountingEvent) -> None:
        now = time.time()
        self.table.apply(event, now)
        self.store.put(event, now)

    def follow(self) -> None:
        for heard in self.store.receive():
            self.table.apply(heard.event, heard.arrived)

    def holder(self, address: str = ADDRESS) -> tuple[HoldingState, bytes | None]:
        self.follow()
        holding = self.table.holder(ip_address(address).packed, time.time())
        return holding.state, holding.tag

    def holds(self, tag: bytes | None, address: str = ADDRESS) -> bool:
        return self.holder(address) == (HoldingState.FRESH, tag)

    def is_current(self, since: float) -> bool:
        self.follow()
        current = self.store.state.current_at
        return current is not None and current > since


class World:
    """Gateways of one test, closed with it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def store(self, *options: str, prefix: tuple[str, ...] = ()) -> Store:
        made = Store(self.folder, *options, prefix=prefix)
        self._stack.callback(lambda: made.process.stop())
        return made

    def gateway(
        self,
        url: str,
        ttl: float = 600.0,
        key: bytes = KEY,
        password: str | None = None,
        ca_file: Path | None = None,
        connect: bool = True,
    ) -> Gateway:
        made = Gateway(StoreSettings(parse_address(url), ttl, key, password, ca_file))
        made.store.start()
        self._stack.callback(made.store.close)
        if connect:
            eventually(lambda: made.is_current(0.0), 3)
        return made


def eventually(condition: Callable[[], bool], timeout: float = SOON) -> None:
    """Fail unless ``condition`` comes true within ``timeout`` seconds."""
    assert wait_until(condition, timeout, interval=0.01)


def event(
    kind: EventKind = EventKind.START,
    session: str = "a1",
    tag: bytes | None = TAG,
    address: str | None = ADDRESS,
    at: float | None = None,
    nas: str = "bras-1",
) -> AccountingEvent:
    addresses = () if address is None else (ip_network(address),)
    return AccountingEvent(kind, nas, session, time.time() if at is None else at, addresses, tag)


def stays(gateways: list[Gateway], tag: bytes, seconds: float) -> None:
    """Nobody's answer changes, not for a moment."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for gateway in gateways:
            assert gateway.holds(tag)
        time.sleep(0.01)


def fails(gateway: Gateway, told: str) -> None:
    eventually(lambda: told in (gateway.store.state.failure or ""), 5)
