"""The loop of the listener's process: datagrams in, events to the daemon, answers out.

An event is answered only after the daemon's socket has taken it: what is lost before that, the access server
sends again. Nothing waits in here: what cannot be handed on at once is dropped without an answer.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence

from enforcer.log_events import named
from enforcer.subscribers.events import AccountingEvent
from enforcer.subscribers.radius.channel import counts_messages, events_message
from enforcer.subscribers.radius.clients import UNKNOWN, ClientTable
from enforcer.subscribers.radius.codec import MOST_BYTES, Codec, Outcome, Reading
from enforcer.subscribers.radius.duplicates import Duplicates, RequestKey
from enforcer.subscribers.radius.sockets import Datagram, answer, receive

log = logging.getLogger(__name__)

BATCH = 32
"""Datagrams read from one socket before their events are handed on and their answers sent."""

REPORT = 1.0
"""Seconds between two reports of the counts."""


class Listener:
    """Serves ``sockets``; ``channel`` leads to the daemon, both non-blocking."""

    def __init__(
        self, sockets: Sequence[socket.socket], clients: ClientTable, codec: Codec, channel: socket.socket
    ) -> None:
        self._sockets = sockets
        self._clients = clients
        self._codec = codec
        self._channel = channel
        self._duplicates = Duplicates()
        self._failures: set[str] = set()
        self.counts: Counter[tuple[str, str]] = Counter()

    def run(self) -> None:
        """Serve until the daemon is gone: until its end of the channel is closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            for listening in self._sockets:
                selector.register(listening, selectors.EVENT_READ)
            report_at = time.monotonic() + REPORT
            while True:
                for key, _ in selector.select(max(0.0, report_at - time.monotonic())):
                    if key.fileobj is self._channel:
                        return
                    assert isinstance(key.fileobj, socket.socket)
                    self.serve(key.fileobj)
                if time.monotonic() >= report_at:
                    self.report()
                    report_at = time.monotonic() + REPORT

    def serve(self, listening: socket.socket) -> None:
        """Take a batch of what waits in one socket."""
        answers: list[tuple[Datagram, bytes]] = []
        events: list[AccountingEvent] = []
        sources: list[tuple[str, RequestKey]] = []
        for _ in range(BATCH):
            try:
                datagram = receive(listening, MOST_BYTES)
            except BlockingIOError:
                break
            client = self._clients.find(datagram.source)
            if client is None:
                self.counts[UNKNOWN, Outcome.UNKNOWN_CLIENT] += 1
                continue
            name, data = client.name, datagram.data
            key = RequestKey(datagram.sender[0], datagram.sender[1], data[1] if len(data) > 1 else 0)
            now = time.monotonic()
            known = self._duplicates.answer(key, data[4:20], now)
            if known is not None:
                self.counts[name, Outcome.DUPLICATE] += 1
                answers.append((datagram, known))
                continue
            try:
                reading = self._codec.read(data, client, datagram.sender[0], time.time())
            except Exception as error:
                self._failed(error)
                reading = Reading(Outcome.FAILED)
            for flaw in reading.flaws:
                self.counts[name, flaw] += 1
            if reading.answer is not None:
                answers.append((datagram, reading.answer))
            if reading.event is None:
                self.counts[name, reading.outcome] += 1
            elif reading.answer is not None:
                events.append(reading.event)
                sources.append((name, key))
                self._duplicates.remember(key, data[4:20], reading.answer, now)
        if not events or self._hand_over(events):
            for datagram, data in answers:
                answer(listening, datagram, data)
            outcome = Outcome.ACCEPTED
        else:
            for _, key in sources:
                self._duplicates.forget(key)
            outcome = Outcome.OVERLOADED
        for name, _ in sources:
            self.counts[name, outcome] += 1

    def report(self) -> None:
        """Send what was counted since the last report, as far as the channel takes it."""
        for keys, message in counts_messages(self.counts):
            if not self._send(message):
                return
            for key in keys:
                del self.counts[key]

    def _hand_over(self, events: list[AccountingEvent]) -> bool:
        return self._send(events_message(events))

    def _send(self, message: bytes) -> bool:
        try:
            self._channel.send(message)
        except OSError:
            return False
        return True

    def _failed(self, error: Exception) -> None:
        """Say once where it was, and nothing of the datagram, which the error's text may hold."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown place"
        where = f"{type(error).__name__} at {place}"
        if where not in self._failures:
            self._failures.add(where)
            log.error(
                "radius: a datagram could not be read (%s); please report this; it is counted as failed",
                where,
                extra=named("accounting_failed"),
            )
