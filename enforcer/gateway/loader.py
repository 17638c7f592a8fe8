"""Loads configuration and lists beside the running daemon, in a thread: a long list delays no verdict.

What is loaded replaces what is in force as a whole, or not at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from enforcer.config import Config
from enforcer.config_file import ConfigError, load
from enforcer.gateway.watch import Watch, watch_lists
from enforcer.lists import ListError, Lists, keep_memory, load_lists
from enforcer.log_events import named
from enforcer.registry.lookup import Registry
from enforcer.registry.standing import Difference, Listed, listed

log = logging.getLogger(__name__)

RESTART_ONLY = (
    *(f"gateway.{name}" for name in ("queue", "queues", "queue_length", "mark_mask")),
    "metrics.listen",
    *(f"control.{name}" for name in ("socket", "group")),
    *(
        f"sessions.{name}"
        for name in ("ttl", "capacity", "snapshot", "store", "store_password_file", "store_ca_file")
    ),
    "shadow.file",
)
"""Settings that a reload refuses to change: what they made is in use until the end."""

SMALL = 10
"""Entries that may vanish at once whatever their share: a short list changes by large shares."""


class ReloadError(Exception):
    """What was found cannot replace what is in force; the message says every reason."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and its lists, ready to be put in force. ``changes`` are ids for the audit log.

    ``watch`` notices what was written to the lists since their loading began.
    """

    config: Config
    lists: Lists
    listed: Listed
    changes: dict[str, list[str]]
    by: str
    watch: Watch


@dataclass(frozen=True, slots=True)
class Refused:
    """A reload that must not happen: why, for who asked and, without what the log does not name, for the log."""

    error: str
    by: str
    logged: str


Result = Loaded | Refused | Listed


class Loader:
    """Runs one load at a time; ``deliver`` gets each result, in the loader's thread."""

    def __init__(self, path: Path, lenient: bool, deliver: Callable[[Result], None]) -> None:
        self._path = path
        self._lenient = lenient
        self._deliver = deliver
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a load is under way."""
        return self._thread is not None and self._thread.is_alive()

    def reload(self, in_force: Config, lists: Lists, by: str) -> None:
        """Load anew what ``lists`` were loaded from, on behalf of ``by``."""
        self._start(lambda: self._load(in_force, lists, by))

    def reconsider(self, registry: Registry, grace: float) -> None:
        """Look again at the list in force: the clock has changed how an entry stands."""
        self._start(lambda: listed(registry, time.time(), grace))

    def keep(self, config: Config, registry: Registry) -> None:
        """Write the memory of vanished entries, in a thread of its own."""

        def write() -> None:
            with self._writing:
                problem = keep_memory(config, registry)
            if problem is not None:
                log.warning("%s", problem, extra=named("list_memory_unwritten"))

        threading.Thread(target=write, name="memory").start()

    def wait(self) -> None:
        """Wait for a load under way."""
        if self._thread is not None:
            self._thread.join()

    def _start(self, work: Callable[[], Result]) -> None:
        self._thread = threading.Thread(target=lambda: self._deliver(work()), name="loader", daemon=True)
        self._thread.start()

    def _load(self, in_force: Config, before: Lists, by: str) -> Result:
        now = time.time()
        registry, tagger = before.registry, before.tagger
        try:
            config = load(self._path)
            _refuse_restart_only(self._path, in_force, config)
            watch = watch_lists(config)
            lists = load_lists(config, self._lenient, now, self._path, before, aside=True)
            difference = Difference(registry, lists.registry)
            _refuse_shrinking(config, difference)
            if (
                lists.tagger is not None
                and not lists.tagger.same_key(tagger)
                and config.sessions.store is not None
            ):
                raise ReloadError(
                    f"{self._path}: numbers.key_file changes only with a restart beside a shared store"
                )
            grace = float(config.registry.grace)
            changes = difference.changes(now, grace)
            return Loaded(config, lists, listed(lists.registry, now, grace), changes, by, watch)
        except ListError as error:
            return Refused(str(error), by, error.logged)
        except (ConfigError, ReloadError) as error:
            return Refused(str(error), by, str(error))
        except Exception as error:
            # Whoever asked waits for an answer, and no other reload begins before it is given.
            log.exception("reload failed unexpectedly", extra=named("fault"))
            told = f"{self._path}: cannot be loaded: {error!r}"
            return Refused(told, by, f"{self._path}: cannot be loaded")


def _refuse_shrinking(config: Config, difference: Difference) -> None:
    on_list, lost = difference.lost()
    share = config.registry.max_shrink
    for count, what in ((lost, "gone"), (difference.revoked(), "revoked")):
        if count > SMALL and count * 100 > on_list * share:
            files = ", ".join(map(str, config.registry.files))
            raise ReloadError(
                f"{files}: {count} of {on_list} entries are {what}, more than registry.max_shrink "
                f"({share} percent) allows at once; if that is right, raise registry.max_shrink and reload"
            )


def _refuse_restart_only(path: Path, before: Config, after: Config) -> None:
    if bool(before.radius.clients) != bool(after.radius.clients):
        raise ReloadError(f"{path}: radius.clients: to begin or to end receiving accounting needs a restart")
    for setting in RESTART_ONLY:
        section, name = setting.split(".")
        if getattr(getattr(before, section), name) != getattr(getattr(after, section), name):
            raise ReloadError(f"{path}: {setting} changes only with a restart")
