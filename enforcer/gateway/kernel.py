"""The one writer of the kernel's rules and sets, in a thread of its own: nft(8) takes its time, verdicts do not.

What is asked for in quick succession is written as one transaction. A transaction that the kernel refuses is
followed by a full one, later, from what the sets should hold. What another program took out (a firewall's restart
flushes every table) is put back, and so is what it added to our sets or removed from them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Set
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from enforcer.config import Config
from enforcer.gateway import nf_tables, nft
from enforcer.gateway.backend import Installation
from enforcer.gateway.invariant import Compared, Comparison, confirmed
from enforcer.gateway.ruleset import COUNTED, forget_rejected
from enforcer.gateway.sets import KernelSets
from enforcer.log_events import named
from enforcer.registry.model import Network

log = logging.getLogger(__name__)

GATHER = 0.05
"""Seconds in which further changes are gathered into the same transaction."""

RETRY = 5.0
"""Seconds until everything is written anew after the kernel refused a change."""

LOOK = 5.0
"""Seconds between two looks whether another program has written, and whether all of ours is still there then."""


@dataclass(frozen=True, slots=True)
class Change:
    """Networks to add to what is registered, and to remove; ``forget`` empties the memory of rejected 5-tuples."""

    add: frozenset[Network] = frozenset()
    remove: frozenset[Network] = frozenset()
    forget: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """All that is registered without conditions now; the memory of rejected 5-tuples is emptied."""

    networks: Set[Network]


@dataclass(frozen=True, slots=True)
class Exempt:
    """All that is exempt now."""

    networks: frozenset[Network]


@dataclass(frozen=True, slots=True)
class Everything:
    """All that is registered and exempt under a configuration; ``table`` says to load the table anew."""

    config: Config
    registered: Set[Network]
    exempt: frozenset[Network]
    table: bool
    done: Future[None] = field(default_factory=Future)


class KernelWriter:
    """Installs on ``start``, removes on ``stop``, and writes what is posted in between, in order."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._sets = KernelSets()
        self._queue: SimpleQueue[Change | Registered | Exempt | Everything | Compared | None] = SimpleQueue()
        self._comparison = Comparison(self._queue.put)
        self._written = 0
        self._others: int | None = None
        self._thread = threading.Thread(target=self._run, name="kernel", daemon=True)
        self._config = Config()
        self._behind = False
        self._next_look = 0.0
        self._unread = False
        self.failures = 0
        self.repairs = {"rules": 0, "elements": 0}

    def start(self, config: Config, registered: Iterable[Network], exempt: Iterable[Network]) -> None:
        """Install the table with its contents. Raises CommandError; then nothing of ours is left."""
        self._config = config
        self._sets = KernelSets.of(registered, exempt)
        self._installation.install(config, self._sets.fill())
        self._next_look = time.monotonic() + LOOK
        self._thread.start()

    def post(self, what: Change | Registered | Exempt | Everything) -> None:
        """Have something written soon. The future of an Everything tells when, or raises CommandError."""
        self._queue.put(what)

    def quiet(self) -> None:
        """Write nothing more after what is being written, and have nothing queued any more."""
        self._queue.put(None)
        self._thread.join()
        # Not there: then nothing is queued either.
        with suppress(nft.CommandError):
            self._installation.quiet()

    def remove(self) -> None:
        """Take out everything of ours."""
        self._installation.remove()

    def _run(self) -> None:
        # What was written is forgotten with each turn, not held on to until something else comes.
        while self._turn():
            if time.monotonic() >= self._next_look:
                self._look_after()

    def _turn(self) -> bool:
        """Write what is posted by the next look; False when told to stop."""
        try:
            posted = [self._queue.get(timeout=max(0.0, self._next_look - time.monotonic()))]
        except Empty:
            return True
        time.sleep(GATHER)
        while not self._queue.empty():
            posted.append(self._queue.get())
        text = ""
        for what in posted:
            if what is None:
                return False
            if isinstance(what, Everything):
                self._write(text)
                text = ""
                self._write_everything(what)
            elif isinstance(what, Compared):
                self._write(text)
                text = ""
                self._repair(what)
            elif isinstance(what, Exempt):
                text += self._sets.replace("exempt", what.networks)
            elif isinstance(what, Registered):
                text += self._sets.replace("registered", what.networks) + forget_rejected(self._config)
            else:
                text += self._sets.change("registered", what.add, what.remove)
                text += forget_rejected(self._config) if what.forget else ""
        self._write(text)
        return True

    def _look_after(self) -> None:
        try:
            others = self._written_by_others()
            if self._behind or others != self._others:
                self._look_closely(others)
        except Exception as error:
            self._failed(error)
        else:
            self._behind = False
            self._next_look = time.monotonic() + LOOK

    def _written_by_others(self) -> int:
        """The transactions of this network namespace that are not ours."""
        return nf_tables.generation() - self._written & 0xFFFF_FFFF

    def _look_closely(self, others: int) -> None:
        if not self._installation.complete():
            log.error(
                "another program took rules of ours out of the kernel: putting them back",
                extra=named("rules_taken"),
            )
            self.repairs["rules"] += 1
            self._installation.restore(self._config, self._sets.fill())
            self._others = None
        elif self._behind:
            self._load(self._refill(self._sets, self._config))
        else:
            self._comparison.begin(self._sets.members, others)

    def _repair(self, found: Compared) -> None:
        if found.error is not None:
            if not self._unread:
                log.error("the kernel's sets cannot be read: %s", found.error, extra=named("sets_unread"))
            self._unread = True
            return
        self._unread = False
        if self._behind:
            return
        try:
            repair = confirmed(found.suspects, self._sets)
            self._load(repair.text)
        except Exception as error:
            self._failed(error)
            return
        if repair.text:
            self.repairs["elements"] += repair.missing + repair.extra
            log.error(
                "another program changed our sets: %d elements were missing, %d too many; put right",
                repair.missing, repair.extra,
                extra=named("sets_repaired", missing=repair.missing, extra=repair.extra),
            )  # fmt: skip
        elif repair.complete:
            self._others = found.basis

    def _load(self, text: str) -> None:
        if text:
            nft.load(text + COUNTED)
            self._written += 1

    def _write(self, text: str) -> None:
        if not text or self._behind:
            return
        try:
            self._load(text)
        except Exception as error:
            self._failed(error)

    def _write_everything(self, what: Everything) -> None:
        try:
            sets = KernelSets.of(what.registered, what.exempt)
            if what.table:
                self._installation.replace(what.config, self._refill(sets, what.config))
                self._others = None
            elif self._behind:
                # The kernel does not hold what it should: what differs from that says too little.
                self._load(self._refill(sets, what.config))
            else:
                self._become(sets, what.config)
        except Exception as error:
            self.failures += 1
            what.done.set_exception(nft.foreseen(error))
            return
        self._sets, self._config, self._behind = sets, what.config, False
        what.done.set_result(None)

    def _become(self, sets: KernelSets, config: Config) -> None:
        try:
            self._load(self._sets.copy().become(sets) + forget_rejected(config))
        except nft.CommandError:
            # What differs builds on what another program may have taken away: that refuses no list.
            self._load(self._refill(sets, config))

    def _failed(self, error: Exception) -> None:
        # What no code foresaw must not end the thread: nothing would be written any more, and no reload end.
        self.failures += 1
        self._behind = True
        self._next_look = time.monotonic() + RETRY
        log.error(
            "the kernel's sets could not be brought up to date, trying again: %s",
            nft.foreseen(error),
            extra=named("sets_behind"),
        )

    @staticmethod
    def _refill(sets: KernelSets, config: Config) -> str:
        return sets.refill() + forget_rejected(config)
