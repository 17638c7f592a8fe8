"""The shadow report of a running daemon: counts in the loop, writes in a thread of its own. No verdict waits."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from enforcer.config import ShadowConfig
from enforcer.fingerprints.detection import Family
from enforcer.log_events import named
from enforcer.policy import Decision, Policy
from enforcer.set_aside import set_aside
from enforcer.shadow.coverage import Coverage, Recorded, Unsaved
from enforcer.shadow.ledger import Figures, Ledger
from enforcer.shadow.store import Batch, DamagedError, Store, StoreError
from enforcer.shadow.totals import Hour, Totals

log = logging.getLogger(__name__)

SAVE = 300.0
"""Seconds between two writes: a daemon that is killed loses as much of its shadow period."""

UNWRITTEN = 10_000
"""Batches kept while the disk takes none, the oldest given up first: about a month."""


@dataclass(frozen=True, slots=True)
class _Job:
    at: float
    hour: Hour | None
    unsaved: Unsaved
    forget: float
    last: bool = False


class Shadow:
    """Totals and the time they were taken in, from ``start`` to ``stop``. Without a file it keeps nothing."""

    def __init__(self, config: ShadowConfig, now: float, post: Callable[[Callable[[], None]], None]) -> None:
        """``now`` in epoch seconds; ``post`` has something called in the loop's thread."""
        self._config = config
        self._totals = Totals(now)
        recorded = Recorded()
        self._recorder: Recorder | None = None
        if config.file is not None:
            self._recorder = Recorder(config.file, lambda unsaved: post(lambda: self._coverage.saved(unsaved)))
            recorded, notices = Store(config.file).restore(now)
            for notice in notices:
                log.warning("%s", notice, extra=named("shadow_notice"))
        self._coverage = Coverage(recorded)
        self._save_at = 0.0

    def suffices(self, family: Family, period: float) -> bool:
        """Whether a period, in seconds, is on disk for a family, or was once."""
        return self._coverage.recorded.suffices(family, period)

    def shadowed(self, family: Family) -> float:
        """Seconds of a family's shadow time on disk."""
        return self._coverage.recorded.shadowed(family)

    def start(self, clock: float) -> None:
        """Begin to write; ``clock`` in monotonic seconds."""
        self._save_at = clock + SAVE
        if self._recorder is not None:
            self._recorder.start()

    def reconfigure(self, config: ShadowConfig) -> None:
        """Go on with another period and retention; the file stays until a restart."""
        self._config = config

    def observe(self, decision: Decision) -> None:
        """Count a decision."""
        if self._recorder is not None:
            self._totals.observe(decision)

    def tick(self, now: float, clock: float, policy: Policy) -> None:
        """What is due by the clock; ``now`` in epoch seconds, ``clock`` in monotonic ones."""
        if self._recorder is None:
            return
        refused = [family for family in Family if policy.held_back(family, now) is None]
        self._coverage.tick(now, clock, policy.judging(now), refused)
        hour = self._totals.roll(now)
        if hour is None and clock < self._save_at and not self._coverage.completes(self._config.period):
            return
        self._save_at = clock + SAVE
        self._post(self._recorder, now, hour)

    def stop(self, now: float) -> None:
        """Write what there is, by the rule of a day's end, and forget the key. Returns when it is written."""
        if self._recorder is not None:
            self._post(self._recorder, now, self._totals.close(), last=True)
            self._recorder.join()

    def _post(self, recorder: Recorder, now: float, hour: Hour | None, last: bool = False) -> None:
        unsaved = self._coverage.take(self._config.period)
        recorder.post(_Job(now, hour, unsaved, now - self._config.retention, last))


class Recorder:
    """The thread that writes. What cannot be written now is written later."""

    def __init__(self, path: Path, saved: Callable[[Unsaved], None]) -> None:
        """``saved`` is called in this thread, for everything that is on disk."""
        self._store = Store(path)
        self._saved = saved
        self._ledger = Ledger()
        self._unwritten: deque[Batch] = deque(maxlen=UNWRITTEN)
        self._failing = False
        self._jobs: Queue[_Job] = Queue()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def post(self, job: _Job) -> None:
        """Have something written soon."""
        self._jobs.put(job)

    def join(self) -> None:
        """Wait until all that was posted was tried."""
        self._jobs.join()

    def _run(self) -> None:
        last = False
        while not last:
            job = self._jobs.get()
            last = job.last
            try:
                self._take(job)
            except Exception:
                log.exception("totals of the shadow report were lost", extra=named("shadow_fault"))
            finally:
                self._jobs.task_done()

    def _take(self, job: _Job) -> None:
        figures = Figures() if job.hour is None else self._ledger.take(job.hour)
        self._unwritten.append(Batch(job.at, figures, job.unsaved))
        try:
            try:
                self._store.write(self._unwritten, job.forget)
            except DamagedError as error:
                aside = set_aside(self._store.path, job.at)
                log.warning("%s: %s; %s", self._store.path, error, aside, extra=named("shadow_notice"))
                self._store.write(self._unwritten, job.forget)
        except StoreError as error:
            if not self._failing:
                self._failing = True
                log.warning(
                    "%s: %s. The totals of the shadow report wait in memory, and no time counts as recorded; "
                    "check the disk's space and the folder's owner",
                    self._store.path, error, extra=named("shadow_notice"),
                )  # fmt: skip
            return
        if self._failing:
            self._failing = False
            log.info("%s: written again, with all that waited", self._store.path, extra=named("shadow_written"))
        for batch in self._unwritten:
            self._saved(batch.unsaved)
        self._unwritten.clear()
