"""What a stretch of traffic did: messages sent, messages answered, how long answers took."""

from __future__ import annotations

import re
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.lab.network import Node
from tests.lab.processes import LabError, wait_until

Address = tuple[str, int]


@dataclass(frozen=True)
class Exchange:
    """Messages sent and answered; ``round_trips`` are milliseconds, in order of sending.

    ``note`` says what the numbers count when that is not plain (transactions, datagrams, bytes).
    """

    name: str
    sent: int
    lost: int
    round_trips: tuple[float, ...] = ()
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether something was sent and nothing of it was lost."""
        return self.sent > 0 and self.lost == 0

    @property
    def median(self) -> float | None:
        """The median round trip in milliseconds, None when none was measured."""
        return statistics.median(self.round_trips) if self.round_trips else None

    @property
    def p99(self) -> float | None:
        """The 99th percentile of the round trips (nearest rank) in milliseconds."""
        if not self.round_trips:
            return None
        ordered = sorted(self.round_trips)
        return ordered[min(len(ordered) - 1, -(-len(ordered) * 99 // 100) - 1)]


def udp_pair(client: Node, server: Node, port: int, version: int = 4) -> tuple[socket.socket, socket.socket]:
    """A connected client socket and a bound server socket, in their namespaces."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    listening = server.socket(family, socket.SOCK_DGRAM)
    listening.bind((server.address(version), port))
    connected = client.socket(family, socket.SOCK_DGRAM)
    connected.connect((server.address(version), port))
    return connected, listening


def ask(
    name: str,
    client: socket.socket,
    requests: Sequence[bytes],
    answers: Callable[[bytes, bytes], bool],
    timeout: float = 1.0,
    interval: float = 0.0,
) -> Exchange:
    """Send each request on a connected socket; wait for a datagram that ``answers(request, datagram)``."""
    round_trips: list[float] = []
    for request in requests:
        began = time.perf_counter()
        deadline = began + timeout
        try:
            client.send(request)
            while True:
                client.settimeout(max(0.001, deadline - time.perf_counter()))
                if answers(request, client.recv(65535)):
                    round_trips.append((time.perf_counter() - began) * 1000)
                    break
        except OSError:
            # A time-out, or an ICMP error that the kernel reports on the socket: the request had no answer.
            continue
        if interval:
            time.sleep(interval)
    return Exchange(name, len(requests), len(requests) - len(round_trips), tuple(round_trips))


def ping(name: str, node: Node, address: str, count: int = 5) -> Exchange:
    """ICMP echo, five a second."""
    done = node.run(["ping", "-n", "-i0.2", "-W1", f"-c{count}", address], check=False)
    round_trips = tuple(float(time) for time in re.findall(r"time=([\d.]+) ms", done.stdout))
    summary = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout)
    if summary is None:
        raise LabError(f"{node.name}: ping {address}: {done.stdout.strip()}")
    sent, received = int(summary[1]), int(summary[2])
    return Exchange(name, sent, sent - received, round_trips)


class Responder:
    """Answers datagrams on a bound socket in a thread of its own, with what ``answer`` makes of them."""

    def __init__(self, listening: socket.socket, answer: Callable[[bytes, Address], bytes | None]) -> None:
        self._listening = listening
        self._answer = answer
        self._closing, self._closed = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and close the socket."""
        self._closing.close()
        self._thread.join()
        self._closed.close()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._listening, self._closed], [], [])
            if self._closed in ready:
                return
            data, sender = self._listening.recvfrom(65535)
            answer = self._answer(data, (sender[0], sender[1]))
            if answer is not None:
                self._listening.sendto(answer, sender)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stream:
    """Numbered datagrams at a steady pace to an echoing server, in the background, until ``stop``.

    For watching what an event does to traffic that runs meanwhile. The payload is no protocol's: eight bytes of
    number, then zeros.
    """

    def __init__(self, name: str, client: Node, server: Node, rate: int = 200, version: int = 4) -> None:
        self.name = name
        self._rate = rate
        self._client, listening = udp_pair(client, server, client.lab.next_port(), version)
        self._echo = Responder(listening, lambda data, _: data)
        self._sent: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Exchange:
        """End the stream, wait a second for the last answers, and say what came of it."""
        self._ending.set()
        self._threads[0].join()
        wait_until(lambda: len(self._answered) == len(self._sent), 1.0)
        self._threads[1].join()
        self._client.close()
        self._echo.close()
        round_trips = tuple(
            (self._answered[number] - sent) * 1000
            for number, sent in self._sent.items()
            if number in self._answered
        )
        return Exchange(self.name, len(self._sent), len(self._sent) - len(round_trips), round_trips)

    def _send(self) -> None:
        begin = time.perf_counter()
        number = 0
        while not self._ending.is_set():
            self._sent[number] = time.perf_counter()
            with suppress(OSError):
                # An ICMP error about an earlier datagram shows here; the datagram counts as lost.
                self._client.send(number.to_bytes(8, "big") + bytes(92))
            number += 1
            time.sleep(max(0.0, begin + number / self._rate - time.perf_counter()))

    def _receive(self) -> None:
        self._client.settimeout(0.2)
        quiet_after_end = 0
        while quiet_after_end < 5 and not (self._ending.is_set() and len(self._answered) == len(self._sent)):
            try:
                data = self._client.recv(2048)
            except OSError:
                quiet_after_end += self._ending.is_set()
                continue
            self._answered.setdefault(int.from_bytes(data[:8], "big"), time.perf_counter())
