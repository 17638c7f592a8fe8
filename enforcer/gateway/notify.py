"""What the service manager is told: ready, reloading, stopping, alive, and one line of how things stand.

The protocol is a few words in a datagram, promised to stay (sd_notify(3), with an implementation to copy), and
the library for Python needs libsystemd's headers to be built: so it is spoken here.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import MutableMapping

_MOST_WAITING = 16
"""Messages kept for a service manager that is busy, the oldest given up first."""


class ServiceManager:
    """The service manager that started this process; without one, nothing is told to nobody."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Take the socket's address and the watchdog's time out of the environment: no child is to have them."""
        address = environment.pop("NOTIFY_SOCKET", "")
        watchdog = environment.pop("WATCHDOG_USEC", "")
        whose = environment.pop("WATCHDOG_PID", str(os.getpid()))
        # Half the time it waits (sd_watchdog_enabled(3)). The process id stays the same over execve(2).
        alive = watchdog.isdecimal() and whose == str(os.getpid())
        self._every = int(watchdog) / 2_000_000 if alive else None
        self._next = 0.0
        self._status: str | None = None
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._socket: socket.socket | None = None
        # "@" stands for the zero byte of an abstract socket's name (unix(7)).
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """It decides now; also, the reload is over."""
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; ``ready`` says that it is over."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It was told to stop."""
        self._tell("STOPPING=1", "STATUS=Taking everything out of the kernel")

    def turn(self, status: str) -> None:
        """The loop has turned: tell so when it is due, and the status when it is another."""
        words = []
        if self._every is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            words.append("WATCHDOG=1")
        if status != self._status:
            self._status = status
            words.append(f"STATUS={status}")
        if words or self._waiting:
            self._tell(*words)

    def close(self) -> None:
        """Nothing more is told."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *words: str) -> None:
        if self._socket is None:
            return
        if words:
            self._waiting.append("\n".join(words).encode())
        # A service manager that does not listen is no reason to delay a verdict. One that is busy is told with the
        # next turn: a start or a reload that it does not hear of is one that failed.
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], self._address)
            except BlockingIOError:
                return
            except OSError:
                pass
            self._waiting.popleft()
