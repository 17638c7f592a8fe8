"""One log line per refusal: what and why, never who or where to."""

from __future__ import annotations

import logging
import time

from enforcer.log_events import named
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
        line = who.line.name if who is not None and who.line is not None else None
        suppressed, self._suppressed = self._suppressed, 0
        log.info(
            "refused %s %s: %s, line %s%s",
            detection.family,
            detection.variant,
            decision.reason,
            "-" if line is None else line,
            f", and {suppressed} before it" if suppressed else "",
            extra=named(
                "refused",
                family=str(detection.family),
                variant=detection.variant,
                reason=str(decision.reason),
                line=line,
                suppressed=suppressed,
            ),
        )

    def flush(self) -> None:
        """Say how many have no line, once their second is over: no refusal may follow whose line counts them."""
        if self._suppressed and int(time.monotonic()) != self._second:
            self.close()

    def close(self) -> None:
        """Say how many have no line."""
        if self._suppressed:
            suppressed, self._suppressed = self._suppressed, 0
            log.info(
                "%d more refusals have no line of their own",
                suppressed,
                extra=named("refusals_suppressed", suppressed=suppressed),
            )
