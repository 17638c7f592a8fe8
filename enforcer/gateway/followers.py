"""Sessions as they come: from the access servers, from the store many gateways share, and back from the snapshot.

The daemon's loop calls in; what each change means for the kernel's sets is asked of ``take_changed``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING

from enforcer.config import Config
from enforcer.log_events import named
from enforcer.registry.model import Network
from enforcer.subscribers.model import Holding, HoldingState
from enforcer.subscribers.radius.process import RadiusProcess
from enforcer.subscribers.radius.settings import Settings
from enforcer.subscribers.snapshot import restore, save
from enforcer.subscribers.store.offers import offers
from enforcer.subscribers.store.settings import StoreSettings
from enforcer.subscribers.table import Session, SessionTable

if TYPE_CHECKING:
    from enforcer.subscribers.store.shared import SharedStore

log = logging.getLogger(__name__)

CUT_OFF = 60.0
"""Seconds without the shared store's news after which nothing is held against anybody by a session."""

EXPIRE_AT_ONCE = 2000
"""Sessions looked at for expiry in one tick: some milliseconds of the loop's time."""


SAVE = 300.0
"""Seconds between two snapshots."""


BREATH = 256
"""Sessions looked at between two looks at what waits for a verdict: some milliseconds at the most."""


class SessionFollower:
    """Keeps one session table up to date, and answers from it."""

    def __init__(self, config: Config) -> None:
        self.table = SessionTable(float(config.sessions.ttl), config.sessions.capacity)
        self.radius: RadiusProcess | None = None
        self.store: SharedStore | None = None
        self._snapshot = config.sessions.snapshot
        self._save_at = time.monotonic() + SAVE
        self._saving = threading.Lock()
        self.breathe: Callable[[], None] = lambda: None
        """Called again and again while many sessions are read: for verdicts, which must not wait."""
        self._changed: set[Network] = set()

    def start(self, radius: Settings | None, store: StoreSettings | None) -> None:
        """Start what the configuration names. Raises RadiusError when a port cannot be had."""
        if radius is not None:
            self.radius = RadiusProcess(radius)
        if store is not None:
            # The client of the store takes long to import, and most gateways have no store.
            from enforcer.subscribers.store.shared import SharedStore

            self.store = SharedStore(store, lambda: offers(self.table.live(time.time())))
            self.store.start()

    def reconfigure(self, radius: Settings | None) -> None:
        """Go on with other settings. Raises RadiusError, and goes on with the old, when a port cannot be had.

        Listening begins and ends only with the daemon: a reload changes clients, secrets, keys and ports.
        """
        if self.radius is not None and radius is not None:
            self.radius.reconfigure(radius)

    def restore(self, tags: Container[bytes], now: float) -> None:
        """Take back the sessions of the last run whose numbers have one of these tags; the others stay unknown.

        A number of a tag that is not on the list might have been registered under a key that is gone.
        """
        if self._snapshot is None:
            return
        restored = restore(self._snapshot, now)
        for notice in restored.notices:
            log.warning("%s", notice, extra=named("sessions_notice"))
        known = [session for session in restored.sessions if session.tag in tags]
        for session in known:
            self.table.restore(session)
        log.info(
            "%d sessions of registered holders restored",
            len(known),
            extra=named("sessions_restored", sessions=len(known)),
        )

    def save(self, tags: Container[bytes], now: float, wait: bool) -> None:
        """Write the sessions of registered holders, if due or if ``wait``; in a thread unless ``wait``."""
        if self._snapshot is None or not (wait or time.monotonic() >= self._save_at):
            return
        self._save_at = time.monotonic() + SAVE
        path, sessions = self._snapshot, list(self._live(now, tags))

        def work() -> None:
            with self._saving:
                notice = save(path, sessions)
            if notice is not None:
                log.warning("%s", notice, extra=named("sessions_notice"))

        thread = threading.Thread(target=work, name="snapshot")
        thread.start()
        if wait:
            thread.join()

    def close(self) -> None:
        """End what was started."""
        if self.radius is not None:
            self.radius.close()
            self.radius = None
        if self.store is not None:
            self.store.close()
            self.store = None

    def holder(self, address: bytes, now: float) -> Holding:
        """Who holds an address (4 or 16 bytes) at ``now``, epoch seconds.

        Cut off from the other gateways, what this one knows stands for the registered and proves nothing against
        anybody: the address may have passed to somebody else by what another gateway heard.
        """
        holding = self.table.holder(address, now)
        if self.store is not None and holding.state is HoldingState.FRESH:
            current_at = self.store.current_at
            if current_at is None or now - current_at > CUT_OFF:
                return holding._replace(state=HoldingState.CUT_OFF)
        return holding

    def take_accounting(self) -> None:
        """Take in some of the accounting that waits."""
        if self.radius is None:
            return
        now = time.time()
        for event in self.radius.receive():
            self._changed |= self.table.apply(event, now)
            if self.store is not None:
                self.store.put(event, now)

    def take_shared(self) -> None:
        """Take in some of what the other gateways heard."""
        if self.store is not None:
            for heard in self.store.receive():
                self._changed |= self.table.apply(heard.event, heard.arrived)

    def tick(self, now: float) -> None:
        """What is due by the clock, every second or so."""
        if self.radius is not None:
            self.radius.supervise()
        self._changed |= self.table.expire(now, EXPIRE_AT_ONCE)

    def replace_all(self, sessions: SessionTable, now: float) -> None:
        """Take the sessions of a file in place of all there are."""
        self.table.replace_all(sessions.live(now))

    def take_changed(self) -> set[Network]:
        """The networks whose holder may have changed since last asked."""
        changed, self._changed = self._changed, set()
        return changed

    def networks_of(self, tags: Container[bytes], now: float) -> set[Network]:
        """Every network that live sessions of numbers with these tags hold."""
        return {network for session in self._live(now, tags) for network in session.addresses}

    def _live(self, now: float, tags: Container[bytes]) -> Iterator[Session]:
        return self.table.live(now, _Breathing(tags, self.breathe))


class _Breathing(Container[bytes]):
    """Tags that every session's is compared with, most of them in vain: verdicts are given in between."""

    def __init__(self, tags: Container[bytes], breathe: Callable[[], None]) -> None:
        self._tags = tags
        self._breathe = breathe
        self._asked = 0

    def __contains__(self, tag: object) -> bool:
        self._asked += 1
        if self._asked % BREATH == 0:
            self._breathe()
        return tag in self._tags


def forget_all(follower: SessionFollower) -> None:
    """Forget every session: the key of the tags was changed, and the old one is gone.

    Their tags match nothing on the list any more, and what matches nothing would look unregistered. So do the
    tags of events that were on their way.
    """
    log.warning(
        "numbers.key_file changed and the key before is not among former_key_files: all sessions forgotten",
        extra=named("sessions_forgotten"),
    )
    if follower.radius is not None:
        follower.radius.discard()
    follower.table.replace_all(())
