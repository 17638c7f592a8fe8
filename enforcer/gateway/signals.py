"""Signals as entries in a loop's selector: handlers only note what was asked, the loop does it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def handled(wake: socket.socket, stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on SIGTERM and SIGINT and ``reload`` on SIGHUP, and write to ``wake`` for a loop to notice."""

    def stopping(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop()

    def reloading(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        reload()

    handlers = {signal.SIGTERM: stopping, signal.SIGINT: stopping, signal.SIGHUP: reloading}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    wakeup = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
