"""What every VPN client of the lab can do, whichever software it is."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tests.lab.icmp import IcmpWatch
from tests.lab.network import Node
from tests.lab.processes import LabError
from tests.lab.traffic import Exchange, ping


class VpnClient(ABC):
    """A real VPN client at ``node``. ``inner`` is the server's address inside the tunnel.

    ``family`` and ``variant`` are the names of pcaps/manifest.yaml; ``transport`` is ``udp`` or ``tcp`` and
    ``version`` the outer IP version.
    """

    def __init__(
        self,
        node: Node,
        server: Node,
        port: int,
        inner: str,
        *,
        family: str,
        variant: str,
        transport: str = "udp",
        version: int = 4,
    ) -> None:
        self.node = node
        self.server = server
        self.port = port
        self.inner = inner
        self.family = family
        self.variant = variant
        self.transport = transport
        self.version = version
        self._watch: IcmpWatch | None = None

    @property
    def name(self) -> str:
        """The variant, its transport and IP version, for a table's row."""
        return f"{self.variant} {self.transport}{self.version}"

    def start(self) -> None:
        """Start the client; it tries to connect at once."""
        self._watch = IcmpWatch(self.node)
        self._start()

    def stop(self) -> None:
        """Stop the client."""
        self._stop()
        if self._watch is not None:
            self._watch.close()

    @abstractmethod
    def is_up(self, timeout: float) -> bool:
        """Whether the tunnel came up within ``timeout`` seconds, by the client's own word."""

    @abstractmethod
    def client_log(self) -> str:
        """What the client printed."""

    def refusal(self) -> str | None:
        """What told the client of its refusal: its own log, else an ICMP error that reached it."""
        told = self._logged_refusal()
        if told is not None or self._watch is None:
            return told
        errors = self._watch.unreachable(self.server.address(self.version), self.port)
        return str(errors[0]) if errors else None

    def icmp_prohibited(self) -> bool:
        """Whether an "administratively prohibited" about the tunnel's server reached the client's host."""
        if self._watch is None:
            return False
        address = self.server.address(self.version)
        return any(error.prohibited for error in self._watch.unreachable(address, self.port))

    def ping(self, count: int = 5) -> Exchange:
        """ICMP echo through the tunnel."""
        return ping(self.name, self.node, self.inner, count)

    def throughput(self, seconds: int = 2) -> float:
        """TCP through the tunnel with iperf3, in Mbit/s at the receiver."""
        port = str(self.node.lab.next_port())
        with self.server.popen(
            ["iperf3", "--server", "--one-off", "--forceflush", "--port", port], "iperf3"
        ) as listening:
            listening.require("Server listening", 3)
            done = self.node.run(
                ["iperf3", "--client", self.inner, "--port", port, "--time", str(seconds), "--json"],
                timeout=seconds + 20,
                check=False,
            )
        result = json.loads(done.stdout)
        if "error" in result:
            raise LabError(f"{self.name}: iperf3: {result['error']}")
        return float(result["end"]["sum_received"]["bits_per_second"]) / 1e6

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _stop(self) -> None: ...

    def _logged_refusal(self) -> str | None:
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
