"""Work that other threads leave for the loop, and a descriptor that wakes it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from queue import SimpleQueue


class Mailbox:
    """What is posted from any thread is done in the loop's, in order."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._read, self.wakeup = socket.socketpair()
        self.wakeup.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._read.fileno()

    def post(self, work: Callable[[], None]) -> None:
        """Leave work, and wake the loop."""
        self._work.put(work)
        self.wake()

    def wake(self) -> None:
        """Wake the loop."""
        # Full means woken already; closed, that a thread outlived the daemon.
        with contextlib.suppress(OSError):
            self.wakeup.send(b"\0")

    def empty(self) -> None:
        """Do all that was posted. Called in the loop's thread once the descriptor is readable."""
        self._read.recv(4096)
        while not self._work.empty():
            self._work.get()()

    def close(self) -> None:
        """Nobody waits any more."""
        self._read.close()
        self.wakeup.close()
