"""Traffic that must notice nothing: numbered datagrams that are echoed, a registered tunnel with pings in it."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from tests.lab.network import Lab, Node
from tests.lab.processes import wait_until
from tests.lab.traffic import Responder, udp_pair
from tests.lab.wireguard import WireGuardServer

PING = 0.05
"""Seconds between two pings through the tunnel."""


class Lost(NamedTuple):
    """``longest`` is the longest round trip in milliseconds, None when that is not known."""

    name: str
    sent: int
    lost: int
    longest: float | None = None

    def __str__(self) -> str:
        longest = "" if self.longest is None else f" (longest {self.longest:.0f} ms)"
        return f"{self.name}: {self.lost} of {self.sent} lost{longest}"


def innocent(number: int) -> bytes:
    """A datagram of no protocol."""
    return number.to_bytes(8, "big") + bytes(92)


def handshake(number: int) -> bytes:
    """A WireGuard initiation by all that can be seen of one (WireGuard paper §5.4.2), never the same twice."""
    return b"\x01\0\0\0" + number.to_bytes(8, "big") + bytes(range(9, 129)) + bytes(16)


class Echoed:
    """Datagrams at a steady pace to a server that echoes them, until ``stop``; memory does not grow with them.

    What is not answered within a second is lost.
    """

    def __init__(
        self, name: str, client: Node, server: Node, datagram: Callable[[int], bytes], version: int = 4
    ) -> None:
        self.name = name
        self._datagram = datagram
        self._socket, listening = udp_pair(client, server, client.lab.next_port(), version)
        self._socket.settimeout(0.05)
        self._echo = Responder(listening, lambda data, _: data)
        self._waiting: dict[bytes, float] = {}
        self._sent = self._lost = 0
        self._longest = 0.0
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def so_far(self) -> Lost:
        """What was sent and lost until now."""
        return Lost(self.name, self._sent, self._lost, self._longest * 1000)

    def stop(self) -> Lost:
        """End, after the last answers."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        self._echo.close()
        return self.so_far()

    def _send(self) -> None:
        while not self._ending.is_set():
            datagram = self._datagram(self._sent)
            self._waiting[datagram] = time.perf_counter()
            with suppress(OSError):
                # An ICMP error about an earlier datagram shows here; that one counts as lost.
                self._socket.send(datagram)
            self._sent += 1
            time.sleep(0.01)

    def _receive(self) -> None:
        while self._waiting or not self._ending.is_set():
            with suppress(OSError):
                sent = self._waiting.pop(self._socket.recv(2048), None)
                if sent is not None:
                    self._longest = max(self._longest, time.perf_counter() - sent)
            for datagram, sent in list(self._waiting.items())[:100]:
                if time.perf_counter() - sent < 1.0:
                    break
                del self._waiting[datagram]
                self._lost += 1


class Bystanders:
    """Innocent datagrams over IPv4 and IPv6, a registered company's handshakes, its tunnel with pings through it.

    ``queued`` are handshakes of a line that nobody has to register: the daemon decides on each of them.
    """

    def __init__(self, lab: Lab) -> None:
        home, company, internet = lab.subscriber("home"), lab.subscriber("company"), lab.internet
        self._server = WireGuardServer(internet, lab.next_port())
        self._tunnel = self._server.client(company)
        self._tunnel.start()
        assert self._tunnel.is_up(7)
        self._pings = company.popen(["ping", "-n", f"-i{PING}", "-W1", self._server.inner], "ping")
        self.streams = [
            Echoed("innocent IPv4", home, internet, innocent),
            Echoed("innocent IPv6", home, internet, innocent, 6),
            Echoed("registered handshakes IPv4", company, internet, handshake),
            Echoed("registered handshakes IPv6", company, internet, handshake, 6),
        ]
        self.queued = Echoed("handshakes through the queue", home, internet, handshake)
        self._ended: list[Lost] = []

    def stop(self) -> list[Lost]:
        """What of each was lost; of what may not be, first."""
        if not self._ended:
            self._pings.signal(signal.SIGINT)
            self._pings.wait(5)
            said = re.search(r"(\d+) packets transmitted, (\d+) received", self._pings.log())
            assert said is not None, self._pings.log()[-500:]
            sent, received = int(said[1]), int(said[2])
            # The last one may have been on its way.
            lost = max(0, sent - received - 1)
            self._ended = [
                *(stream.stop() for stream in self.streams),
                Lost("pings in a registered tunnel", sent, lost),
                self.queued.stop(),
            ]
            self._tunnel.stop()
            self._server.stop()
        return self._ended

    def unharmed(self) -> list[Lost]:
        """All that was lost, which is nothing but of what waited for a verdict. Raises AssertionError."""
        ended = self.stop()
        assert all(one.sent > 0 for one in ended), ended
        assert not any(one.lost for one in ended[:-1]), "; ".join(map(str, ended))
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def refused(lab: Lab) -> bool:
    """Whether an unregistered handshake is answered with ICMP "administratively prohibited" now."""
    with lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((lab.internet.ip4, 9))
        client.settimeout(0.3)

        def told() -> bool:
            try:
                client.send(handshake(time.monotonic_ns()))
                client.recv(2048)
            except TimeoutError:
                return False
            except OSError as error:
                # EHOSTUNREACH stands for admin-prohibited (icmp_err_convert in net/ipv4/icmp.c).
                return error.errno == 113
            return False

        return wait_until(told, 10)
