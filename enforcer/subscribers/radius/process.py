"""The daemon's side: a listener in a process of its own, kept running, its events and counts at hand.

The daemon holds the UDP sockets, so datagrams wait in the kernel while a listener that died is replaced, and a
port that cannot be had is an error at the daemon's start. The listener is ended by SIGKILL, and is made for it:
an event it has not handed over it has not answered either, so the access server sends it again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping

from enforcer.log_events import named
from enforcer.subscribers.events import AccountingEvent
from enforcer.subscribers.radius.channel import MOST_BYTES, read_message
from enforcer.subscribers.radius.settings import Settings, to_descriptor
from enforcer.subscribers.radius.sockets import bind, widen_sending

log = logging.getLogger(__name__)

MESSAGES = 4
"""Messages taken at once, 32 events in each at the most: verdicts wait for no longer than that takes."""

WAITING = 4 << 20
"""Bytes of messages that may wait for the daemon; beyond, the listener leaves accounting unanswered."""

RESTART = 5.0
"""Seconds between two starts of a listener that keeps dying."""


class RadiusError(Exception):
    """The listener cannot be had; the message says why and what to do."""


class RadiusProcess:
    """Accounting for the daemon's loop: ``fileno`` is readable when ``receive`` has something."""

    def __init__(self, settings: Settings) -> None:
        """Bind and start. Raises RadiusError, and leaves nothing behind."""
        self._settings = settings
        self._counts: Counter[tuple[str, str]] = Counter()
        self._buffer = bytearray(MOST_BYTES)
        self._sockets = _bind_all(settings, {})
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._channel, self._theirs):
            end.setblocking(False)
        widen_sending(self._theirs, WAITING)
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self.restarts = 0
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Datagrams by client's name and ``Outcome`` or ``Flaw``; one second old at the most."""
        return self._counts

    @property
    def running(self) -> bool:
        """Whether the listener lives."""
        return self._child is not None and self._child.poll() is None

    def fileno(self) -> int:
        """The same descriptor for the whole life, whatever becomes of the listener."""
        return self._channel.fileno()

    def receive(self) -> list[AccountingEvent]:
        """Some of the events that wait, in the order they came; never blocks."""
        events: list[AccountingEvent] = []
        for _ in range(MESSAGES):
            try:
                size = self._channel.recv_into(self._buffer)
            except BlockingIOError:
                break
            some, counts = read_message(memoryview(self._buffer)[:size])
            events += some
            self._counts.update(counts)
        return events

    def discard(self) -> None:
        """Drop the events that wait."""
        with contextlib.suppress(BlockingIOError):
            while True:
                _, counts = read_message(memoryview(self._buffer)[: self._channel.recv_into(self._buffer)])
                self._counts.update(counts)

    def supervise(self) -> None:
        """Start the listener again if it died; for the daemon to call every second or so."""
        if self.running or time.monotonic() - self._started < RESTART:
            return
        code = None if self._child is None else self._child.returncode
        log.error(
            "radius: the listener ended (exit code %s); starting it again",
            code,
            extra=named("accounting_ended", exit_code=code),
        )
        self.restarts += 1
        try:
            self._start()
        except RadiusError as error:
            log.error("%s", error, extra=named("accounting_failed"))

    def reconfigure(self, settings: Settings) -> None:
        """Go on with other settings. Raises RadiusError, and goes on with the old, when a port cannot be had."""
        if settings == self._settings:
            return
        before = self._sockets
        self._sockets = _bind_all(settings, before)
        for listen, made in before.items():
            if listen not in self._sockets:
                made.close()
        self._settings = settings
        self._kill()
        try:
            self._start()
        except RadiusError as error:
            # The settings are in force all the same; ``supervise`` goes on trying.
            log.error("%s", error, extra=named("accounting_failed"))

    def close(self) -> None:
        """End the listener and close everything."""
        self._kill()
        for made in (*self._sockets.values(), self._channel, self._theirs):
            made.close()

    def _start(self) -> None:
        self._started = time.monotonic()
        settings = to_descriptor(self._settings)
        descriptors = [settings, self._theirs.fileno(), *(made.fileno() for made in self._sockets.values())]
        command = [sys.executable, "-P", "-m", "enforcer.subscribers.radius", *map(str, descriptors)]
        try:
            # A session of its own: Ctrl-C and the terminal's end are the daemon's affair.
            self._child = subprocess.Popen(
                command,
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise RadiusError(f"radius: the listener's process cannot be started: {error.strerror}") from None
        finally:
            os.close(settings)

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()


def _bind_all(
    settings: Settings, have: Mapping[tuple[str, int], socket.socket]
) -> dict[tuple[str, int], socket.socket]:
    sockets: dict[tuple[str, int], socket.socket] = {}
    for address, port in settings.listen:
        try:
            sockets[address, port] = have.get((address, port)) or bind(address, port)
        except OSError as error:
            for listen, made in sockets.items():
                if listen not in have:
                    made.close()
            shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            raise RadiusError(
                f"radius.listen {shown}: {error.strerror}; is another RADIUS server running here? "
                "(name other addresses or ports, and have the access servers send there)"
            ) from None
    return sockets
