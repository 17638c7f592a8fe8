"""Is the gateway alive, and is it deciding? For /healthz, /readyz and the metric of the same meaning."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from enforcer.gateway.nfqueue import statistics
from enforcer.gateway.nft import CommandError

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon

STUCK = 10.0
"""Seconds without a turn after which the loop counts as stuck: hundreds of times its longest pause."""

FRESH = 1.0
"""Seconds an answer of the kernel is good for: asking it starts processes."""


class Readiness:
    """What is wrong with a daemon, asked from any thread; None when nothing is."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._missing: str | None = None

    def lag(self) -> float | None:
        """Seconds since the verdict loop last turned; None before it has begun."""
        turned = self._daemon.turned
        return None if turned is None else max(0.0, time.monotonic() - turned)

    def unhealthy(self) -> str | None:
        """Why the process should be restarted."""
        lag = self.lag()
        if lag is not None and lag > STUCK:
            return f"stuck: the loop that gives the verdicts has not turned for {lag:.0f} s; packets pass unjudged"
        return None

    def unready(self) -> str | None:
        """Why nothing is decided at the moment."""
        if self._daemon.stopping:
            return "stopping"
        if self.lag() is None:
            return "starting: rules and lists are on their way into the kernel"
        return self.unhealthy() or self._unbound() or self._not_in_kernel()

    def _unbound(self) -> str | None:
        gateway = self._daemon.config.gateway
        bound = statistics()
        missing = [
            number for number in range(gateway.queue, gateway.queue + gateway.queues) if number not in bound
        ]
        return f"queue {missing[0]} is not bound; restart the daemon" if missing else None

    def _not_in_kernel(self) -> str | None:
        with self._lock:
            if time.monotonic() - self._asked > FRESH:
                try:
                    complete = self._daemon.installation.complete()
                    self._missing = (
                        None if complete else "rules are missing from the kernel; they are put back soon"
                    )
                except CommandError as error:
                    self._missing = f"the kernel cannot be asked: {error}"
                self._asked = time.monotonic()
            return self._missing
