"""Keeps what is exempt by name up to date while the daemon runs: answers in, memory out, anomalies told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from enforcer.config import ExemptConfig
from enforcer.exemptions import Exemptions
from enforcer.gateway.exempt_memory import Saver, restore
from enforcer.gateway.resolver import Found, Lookup, Refresher
from enforcer.log_events import named
from enforcer.mobile_networks import worlds_names

log = logging.getLogger(__name__)

SAVE_CHANGED, SAVE_UNCHANGED = 10.0, 3600.0
"""Seconds until what was learnt is written: new addresses soon, mere confirmations within the hour."""

TOLD = 50
"""Names with something odd about them that are told at a time: a resolver that lies about all of them is one
story, not 15,000 lines."""

CLOSING = 5.0
"""Seconds a stop waits for the disk."""


def remembered(config: ExemptConfig, memory: Path | None, now: float, aside: bool = True) -> Exemptions:
    """The exemptions of a configuration, with what the memory file knows of its names at ``now``, epoch seconds.

    A damaged file is set aside, unless ``aside`` is false. Raises TableError.
    """
    known = None
    if memory is not None:
        found = restore(memory, now, aside)
        for notice in found.notices:
            log.warning("%s", notice, extra=named("exempt_memory_damaged"))
        known = found.known
    return Exemptions(config, _others(config), known)


def reconfigured(config: ExemptConfig, before: Exemptions) -> Exemptions:
    """The exemptions of a new configuration: what was known of names that stay is still known.

    Raises TableError.
    """
    return Exemptions(config, _others(config), before.known())


class ExemptKeeper:
    """Resolves the names of ``exemptions`` in the background. ``wake`` is called, from other threads, whenever
    ``take`` has something to do."""

    def __init__(
        self, config: ExemptConfig, memory: Path | None, exemptions: Exemptions, wake: Callable[[], None]
    ) -> None:
        self._exemptions = exemptions
        self._wake = wake
        self._answers: SimpleQueue[tuple[str, Found]] = SimpleQueue()
        self.refresher = Refresher(exemptions.names, exemptions.others, Lookup(config.resolvers), self._deliver)
        self._saver = None if memory is None else Saver(memory)
        self._save_due: float | None = None
        self._own = frozenset(exemptions.names)
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Start resolving."""
        self.refresher.start()

    def stop(self, wait: bool) -> None:
        """Stop resolving and write down what is known; with ``wait``, not to return before it is on disk."""
        self.refresher.stop()
        if self._saver is not None:
            if self._save_due is not None:
                self._saver.put(self._exemptions.known())
            self._saver.close(CLOSING if wait else 0.0)

    def take(self, now: float) -> bool:
        """Take in the answers that came, at ``now`` in epoch seconds; whether the exempt addresses changed."""
        changed = False
        while not self._answers.empty():
            name, found = self._answers.get()
            if found.failure is None or found.addresses:
                news = self._exemptions.answer(name, found.addresses, now, complete=found.failure is None)
                changed |= news
                due = now + (SAVE_CHANGED if news else SAVE_UNCHANGED)
                self._save_due = due if self._save_due is None else min(self._save_due, due)
            else:
                self._exemptions.failed(name)
            self._tell(name, found)
        if self._saver is not None and self._save_due is not None and now >= self._save_due:
            self._save_due = None
            self._saver.put(self._exemptions.known())
        return changed

    def _deliver(self, name: str, found: Found) -> None:
        self._answers.put((name, found))
        self._wake()

    def _tell(self, name: str, found: Found) -> None:
        """Log what is odd about a name once, until it is in order again. Of single failures only own names' are
        told: abroad some server is always dead, and the metrics count them."""
        refused = self._exemptions.refused.get(name)
        if refused is not None:
            self._tell_once(name, refused, f"addresses not believed and not exempted: {refused}")
        elif found.failure is not None and name in self._own:
            self._tell_once(name, "failure", f"no answer, last addresses kept: {found.failure}")
        elif self._told.pop(name, None) is not None:
            log.info("exempt name %s is in order again", name, extra=named("exempt_in_order", name=name))

    def _tell_once(self, name: str, kind: str, text: str) -> None:
        before = self._told.get(name)
        if before != kind and (before is not None or len(self._told) < TOLD):
            self._told[name] = kind
            log.warning("exempt name %s: %s", name, text, extra=named("exempt_notice", name=name))


def _others(config: ExemptConfig) -> tuple[str, ...]:
    return worlds_names() if config.wifi_calling.networks else ()
