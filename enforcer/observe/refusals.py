"""One log line per refusal: what and why, never who or where to."""

from __future__ import annotations

import logging
import time

from enforcer.policy import Action, Decision

log = logging.getLogger(__name__)

PER_SECOND = 10
"""Lines in one second; the rest is counted in the next line."""


class RefusalLog:
    """Logs refusals at a bounded rate, with the number suppressed."""

    def __init__(self) -> None:
        self._second = 0
        self._lines = 0
        self._suppressed = 0

    def __call__(self, decision: Decision) -> None:
        """Log the decision if it is a refusal."""
        if decision.action is not Action.REJECT:
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= PER_SECOND:
            self._suppressed += 1
            return
        self._lines += 1
        detection, who = decision.detection, decision.who
        log.info(
            "refused family=%s variant=%s reason=%s line=%s suppressed=%d",
            detection.family,
            detection.variant,
            decision.reason,
            who.line.name if who is not None and who.line is not None else "-",
            self._suppressed,
        )
        self._suppressed = 0
