"""What a stretch of traffic did: messages sent, messages answered, how long answers took."""

from __future__ import annotations

import re
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.lab.network import Node
from tests.lab.processes import LabError

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
