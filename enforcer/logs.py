"""The daemon's log on standard error: one JSON object a line, or a short line where a person watches.

Under systemd each line begins with its priority as ``<N>`` (sd-daemon(3), "Logging"), which journald takes off.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

from enforcer.log_events import named

log = logging.getLogger(__name__)

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Levels of logging as those of syslog(3)."""


class JsonLines(logging.Formatter):
    """One JSON object a line. ``prefixed``: with the priority before it, for journald."""

    def __init__(self, gateway: str, prefixed: bool) -> None:
        super().__init__()
        self._gateway = gateway
        self._prefixed = prefixed

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without its end."""
        line: dict[str, object] = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "other"),
            "message": record.getMessage(),
            "gateway": self._gateway,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = list(_traceback(record.exc_info[1]))
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>" if self._prefixed else ""
        return prefix + json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)


class ShortLines(logging.Formatter):
    """A line for a person who watches: the local time, the level, the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, or several where it has several, without the last one's end."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname:7} {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            line = "\n    ".join([line, *_traceback(record.exc_info[1])])
        return line


def to_standard_error() -> None:
    """Send this process's log to standard error, warnings and faults that nobody caught included."""
    formatter = ShortLines() if sys.stderr.isatty() else JsonLines(socket.gethostname(), _is_journal())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    # Where it was when a signal ended it, the watchdog's among them: files, lines and functions, in plain lines.
    faulthandler.enable()
    threading.excepthook = lambda hook: _uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


def rfc3339(when: float) -> str:
    """A time of the epoch, in UTC to the millisecond (RFC 3339)."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_journal() -> bool:
    # systemd.exec(5), $JOURNAL_STREAM: device and inode of the journal's end, decimal, with a colon between.
    try:
        status = os.fstat(sys.stderr.fileno())
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _traceback(error: BaseException) -> Iterator[str]:
    """Where an error came from. Not its text: that may quote an address or a number."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}"
        trace = trace.tb_next
    yield type(error).__qualname__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield "because of"
        yield from _traceback(cause)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    log.error("a fault of this program: %s", kind.__name__, exc_info=(kind, error, trace), extra=named("fault"))
