"""The audit log: who asked what of this gateway, and what every reload changed. One JSON object a line.

A question about an address stands here with the address, because whoever audits must see who was asked about. The
daemon's log says that somebody asked, and never about whom.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from enforcer.log_events import named

log = logging.getLogger(__name__)

NAMED = 1000
"""Entries of the list named in one record at most; the counts are always whole."""


class AuditLog:
    """Appends to a file that only its owner reads; reopened for each record, so that rotation needs no signal."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, event: str, now: float, facts: Mapping[str, object]) -> None:
        """Append a record made at ``now``, epoch seconds. A file that cannot be written is told in the log."""
        if self._path is None:
            return
        record = {
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **facts,
        }
        line = json.dumps(record, separators=(",", ":")) + "\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error(
                "audit.file %s cannot be written: %s", self._path, error.strerror, extra=named("audit_unwritten")
            )

    def asked(self, now: float, user: str, uid: int, about: Mapping[str, object]) -> None:
        """Record a question of `enforcer explain`. ``about`` is what it was about: it stays out of the log."""
        self.write("explain", now, {**about, "uid": uid, "user": user})
        kind = "an address" if "address" in about else "a number"
        log.info(
            "%s (uid %d) asked about %s",
            user,
            uid,
            kind,
            extra=named("asked", question="explain", about=kind.split()[-1], user=user, uid=uid),
        )

    def reloaded(self, now: float, by: str, changes: Mapping[str, Sequence[str]]) -> None:
        """Record a reload: the ids added, ended and put in grace."""
        facts: dict[str, object] = {"by": by}
        for what, ids in changes.items():
            facts[what] = len(ids)
            facts[f"{what}_ids"] = list(ids[:NAMED])
        self.write("reload", now, facts)
