"""The gateway's side of the store: a thread that writes what this gateway hears and reads what others heard.

Nothing here makes a session known to be gone: an empty store, a lost one or one that comes back says nothing, and
sessions age to unknown in the gateway's own table. Events are what is passed on; the table orders them by their
time and takes the same one twice, so they may come in any order and again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from enforcer.log_events import named
from enforcer.subscribers.claims import CLOCK_SKEW
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.store.client import TIMEOUT, Client
from enforcer.subscribers.store.encoding import Heard, Seal
from enforcer.subscribers.store.failure import explain
from enforcer.subscribers.store.schema import KEEP, NEWS, OFFER, PASSING
from enforcer.subscribers.store.settings import StoreSettings

log = logging.getLogger(__name__)

QUEUE = 100_000
"""Events that wait to be written; beyond, the oldest is dropped and counted. Others know less then: unknown."""

INBOX = 20_000
"""Events that wait for the daemon; beyond, the rest waits in the store."""

BATCH = 256
"""Events in one write: about a millisecond of the store's time."""

READ = 1000
"""Entries of the stream in one read."""

RECEIVE = 128
"""Events handed to the daemon at once: verdicts wait for no longer than these take."""

OFFERS = 2000
"""Events that wait to be offered."""

POLL = 0.1
"""Seconds between two looks at a quiet stream."""

PAUSE = 0.01
"""Seconds between two rounds when there is work: verdicts in the other thread come first."""

BACKOFF = (0.25, 5.0)
"""Seconds to the first new try and, doubling, the most."""

CLOSING = 1.0
"""Seconds a stop waits for what is still to be written."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """For metrics. Times in seconds since the epoch, None before the first; the numbers since start.

    ``current_at`` is when this gateway last knew all that the store did, and ``receive`` had handed it over: while
    it is long ago, an address may have passed to somebody of whom we have not heard.

    ``sent`` and ``received`` are events; ``dropped`` those given up at a full queue; ``unreadable`` what others
    wrote that is not sealed with our key; ``resyncs`` how often every record was read, ``offered`` how many of
    our own sessions' events went to a store that may have lost them. ``failure`` says why it is not connected, or
    why it takes no writes.
    """

    connected: bool
    last_contact: float | None
    current_at: float | None
    sent: int
    received: int
    dropped: int
    unreadable: int
    resyncs: int
    offered: int
    waiting: int
    failure: str | None


class SharedStore:
    """Accounting of many gateways for the daemon's loop: ``fileno`` is readable when ``receive`` has something
    to do.

    ``live`` makes an iterator over events that repeat what this gateway knows of live sessions. It is called, and
    its iterator advanced, inside ``receive`` only; the table may change between two calls of that.
    """

    def __init__(self, settings: StoreSettings, live: Callable[[], Iterator[Heard]]) -> None:
        self._settings = settings
        self._live = live
        self._seal = Seal(settings.key)
        self._origin = secrets.token_bytes(8)
        self._outbox: deque[Heard] = deque()
        self._offers: deque[Heard] = deque()
        self._inbox: deque[Heard] = deque()
        self._offering: Iterator[Heard] | None = None
        self._offer_due = False
        self._work = threading.Event()
        self._closing = threading.Event()
        self._readable = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="shared-store", daemon=True)
        # Of the thread alone: what is being written, and how far it has read.
        self._batch: list[tuple[str, bytes, bytes]] = []
        self._batch_offers = 0
        self._run_id: str | None = None
        self._position: bytes | None = None
        self._cursor: int | None = None
        self._write_after = 0.0
        # The daemon writes ``_dropped``, ``_handed_over`` and, when a mark is reached, ``_current_at``; the thread
        # the others. All may read.
        self._connected = False
        self._last_contact: float | None = None
        self._current_at: float | None = None
        # With as many events handed over, all is known that the store had at that time.
        self._mark: tuple[int, float] | None = None
        self._handed_over = 0
        self._sent = self._received = self._dropped = self._unreadable = self._resyncs = self._offered = 0
        self._failure: str | None = None

    def start(self) -> None:
        """Start following the store, which need not be there."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, for a second at the most, and stop. A second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._work.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSING + 2 * TIMEOUT)
        # Looking up a name can take longer than that: the thread then ends with the process.
        if not self._thread.is_alive():
            os.close(self._readable)

    def fileno(self) -> int:
        """The descriptor to wait on, the same for the whole life."""
        return self._readable

    def put(self, event: AccountingEvent, arrived: float) -> None:
        """Have the others told what this gateway heard at ``arrived``, epoch seconds. Never blocks or raises."""
        if len(self._outbox) >= QUEUE:
            self._outbox.popleft()
            self._dropped += 1
        self._outbox.append(Heard(event, arrived))
        self._work.set()

    def receive(self) -> list[Heard]:
        """Some of the events that others told, to be applied to the table as of when they arrived; never blocks.

        Events of this gateway may be among them, and the same ones again.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._readable)
        events = [self._inbox.popleft() for _ in range(min(len(self._inbox), RECEIVE))]
        self._handed_over += len(events)
        mark = self._mark
        if mark is not None and self._handed_over >= mark[0]:
            self._current_at, self._mark = mark[1], None
        if self._offer_due:
            self._offer_due = False
            self._offering = self._live()
        if self._offering is not None and len(self._offers) < OFFERS:
            some = list(islice(self._offering, RECEIVE))
            self._offers.extend(some)
            if len(some) < RECEIVE:
                self._offering = None
            self._work.set()
        if self._inbox or (self._offering is not None and len(self._offers) < OFFERS):
            self._wake_daemon()
        return events

    @property
    def current_at(self) -> float | None:
        """When this gateway last knew all that the store did, epoch seconds; None before the first time."""
        return self._current_at

    @property
    def state(self) -> StoreState:
        """How it stands now."""
        return StoreState(
            self._connected,
            self._last_contact,
            self._current_at,
            self._sent,
            self._received,
            self._dropped,
            self._unreadable,
            self._resyncs,
            self._offered,
            len(self._outbox) + len(self._batch) - self._batch_offers,
            self._failure,
        )

    def _wake_daemon(self) -> None:
        os.eventfd_write(self._readable, 1)

    def _run(self) -> None:
        tries = 0
        while not self._closing.is_set():
            client = None
            try:
                client = Client(self._settings, self._seal.namespace, self._origin, KEEP * self._settings.ttl)
                self._arrive(client)
                tries = 0
                self._serve(client)
            except (RedisError, OSError, ValueError) as error:
                self._lose(error)
            finally:
                if client is not None:
                    client.close()
            first, most = BACKOFF
            # Gateways that lost the store together do not come back together.
            self._closing.wait(min(most, first * 2**tries) * random.uniform(0.5, 1.0))
            tries = min(tries + 1, 10)

    def _arrive(self, client: Client) -> None:
        if client.run_id != self._run_id:
            # Another process, with what an older one had written down, or nothing.
            self._run_id, self._position = client.run_id, None
        self._write_after = 0.0

    def _serve(self, client: Client) -> None:
        """Rounds of writing and reading until told to stop; leaves by an exception when the store is lost."""
        deadline: float | None = None
        while True:
            busy = self._write(client) | self._follow(client) | self._read_records(client)
            self._contact()
            if self._closing.is_set():
                deadline = deadline or time.monotonic() + CLOSING
                if not (self._outbox or self._batch) or self._failure or time.monotonic() > deadline:
                    return
            elif not busy:
                self._work.wait(POLL)
                self._work.clear()
            self._closing.wait(PAUSE)

    def _write(self, client: Client) -> bool:
        """One batch of news, or of offers when there is no news; whether there is more."""
        if time.monotonic() < self._write_after:
            return False
        if not self._batch:
            self._fill_batch()
        if not self._batch:
            return False
        try:
            client.put(self._batch)
        except (ConnectionError, TimeoutError):
            raise
        except ResponseError as error:
            # It may still be read: a store whose memory is full goes on telling what others wrote before.
            self._write_after = time.monotonic() + BACKOFF[1]
            self._tell(f"takes no writes: {explain(error)}")
            return False
        self._sent += len(self._batch) - self._batch_offers
        self._offered += self._batch_offers
        self._batch = []
        self._tell(None)
        if self._offering is not None and len(self._offers) < OFFERS:
            self._wake_daemon()
        return bool(self._outbox or self._offers)

    def _fill_batch(self) -> None:
        horizon = time.time() + CLOCK_SKEW
        source, offered = (self._outbox, False) if self._outbox else (self._offers, True)
        for _ in range(min(len(source), BATCH)):
            heard = source.popleft()
            # Kept, a time to come would outweigh all real news until it has come.
            how = PASSING if heard.event.at > horizon else OFFER if offered else NEWS
            try:
                self._batch.append((self._seal.record(heard.event), self._seal.seal(heard), how))
            except ValueError:
                self._dropped += 1
        self._batch_offers = len(self._batch) if offered else 0

    def _follow(self, client: Client) -> bool:
        """What happened since the last look; whether there is more."""
        if self._position is None:
            self._position = client.latest()
            self._cursor = 0
            self._resyncs += 1
            return True
        if len(self._inbox) >= INBOX:
            return False
        entries = client.since(self._position, READ)
        if entries is None:
            log.info(
                "shared store: it was emptied, or we were away for too long: reading every session in it",
                extra=named("store_reread"),
            )
            self._position = None
            return True
        for entry in entries:
            self._position = entry.id
            if entry.event and entry.origin != self._origin:
                for heard in self._opened([entry.event]):
                    self._deliver(heard)
        if self._inbox:
            self._wake_daemon()
        if len(entries) == READ:
            return True
        if self._cursor is None:
            if not self._inbox:
                self._current_at, self._mark = time.time(), None
            elif self._mark is None:
                self._mark = (self._received, time.time())
        return False

    def _read_records(self, client: Client) -> bool:
        """One step through all records, if that is under way; whether it still is."""
        if self._cursor is None or len(self._inbox) >= INBOX:
            return False
        following, records = client.scan(self._cursor)
        for record in records:
            # An end first: a session known to be over contests nobody's address.
            for heard in sorted(self._opened(record), key=_end_first):
                self._deliver(heard)
        self._cursor = following or None
        if self._cursor is None:
            # Only now: what the store has already is not written to it again.
            self._offer_due = True
        self._wake_daemon()
        return self._cursor is not None

    def _opened(self, sealed: Iterable[bytes]) -> Iterator[Heard]:
        for each in sealed:
            heard = self._seal.open(each)
            if heard is None:
                self._unreadable += 1
            else:
                yield heard

    def _deliver(self, heard: Heard) -> None:
        self._inbox.append(heard)
        self._received += 1

    def _contact(self) -> None:
        self._last_contact = time.time()
        if not self._connected:
            self._connected = True
            log.info("shared store %s: connected", self._settings.address, extra=named("store_connected"))
            if not self._write_after:
                self._failure = None

    def _lose(self, error: Exception) -> None:
        self._connected = False
        self._tell(f"is away: {explain(error)}")

    def _tell(self, failure: str | None) -> None:
        if failure is not None and failure != self._failure:
            told = "shared store %s %s. Until it is back, sessions heard of by other gateways age to unknown"
            log.warning(told, self._settings.address, failure, extra=named("store_away"))
        elif failure is None and self._failure is not None and self._connected:
            log.info("shared store %s: takes writes again", self._settings.address, extra=named("store_writable"))
        self._failure = failure


def _end_first(heard: Heard) -> tuple[bool, float]:
    return heard.event.kind is not EventKind.STOP, heard.event.at
