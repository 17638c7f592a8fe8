"""Network namespaces: subscribers, a gateway, the internet; IPv4 and IPv6.

All addresses are from ranges for documentation or private use (RFC 5737, RFC 3849, RFC 1918, RFC 6598) and
exist only inside the namespaces, which no interface connects to the machine's own network.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pyroute2 import netns

from tests.lab.processes import LabError, Process, run_to_end

PREFIX = "vpnlab-"

T = TypeVar("T")


def within(namespace: str, work: Callable[[], T]) -> T:
    """What ``work`` returns when it is run inside a network namespace; raises what it raises."""
    made: list[T] = []
    failed: list[BaseException] = []

    def inside() -> None:
        # setns(2) moves the calling thread only: one of our own ends with it.
        try:
            netns.setns(namespace)
            made.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


@dataclass(frozen=True)
class Line:
    """A subscriber's access line: its addresses, and the gateway's on the same link."""

    name: str
    ip4: IPv4Interface
    ip6: IPv6Interface
    gateway4: IPv4Interface
    gateway6: IPv6Interface

    @property
    def gateway_interface(self) -> str:
        """The name of the line's interface in the gateway."""
        return f"sub-{self.name}"


def _line(name: str, ip4: str, gateway4: str, ip6: str, gateway6: str) -> Line:
    return Line(name, IPv4Interface(ip4), IPv6Interface(ip6), IPv4Interface(gateway4), IPv6Interface(gateway6))


COMPANY = _line("company", "198.51.100.10/25", "198.51.100.1/25", "2001:db8:1::10/64", "2001:db8:1::1/64")
"""A company on a static address, registered."""
STRANGER = _line("stranger", "198.51.100.138/25", "198.51.100.129/25", "2001:db8:2::10/64", "2001:db8:2::1/64")
"""A static line like the company's, not registered."""
MOBILE = _line("mobile", "100.64.1.20/24", "100.64.1.1/24", "2001:db8:3::10/64", "2001:db8:3::1/64")
"""A mobile line whose number is registered; the address is held by a session."""
HOME = _line("home", "10.88.1.20/24", "10.88.1.1/24", "2001:db8:4::10/64", "2001:db8:4::1/64")
"""A fixed line with a dynamic address: no registration route exists for it."""
INTERNET = _line("internet", "203.0.113.10/24", "203.0.113.1/24", "2001:db8:f::10/64", "2001:db8:f::1/64")
"""The other side of the gateway."""

RESOLVER = IPv4Interface("203.0.113.53/24")
"""Another address of the internet's node: the gateway's DNS server."""
EPDG = IPv4Interface("203.0.113.60/24")
"""Another address of the internet's node: where phones' Wi-Fi calling goes."""

LINES = (COMPANY, STRANGER, MOBILE, HOME)

OPERATOR_TABLE = """
table inet operator {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related counter accept
  }
}
"""
"""Rules of the operator's own, which the daemon leaves alone; they load conntrack, as on any gateway."""

NAT_TABLE = """
table ip operator_nat {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade
  }
}
"""


class Node:
    """One namespace of the lab."""

    def __init__(self, lab: Lab, name: str, interface: str, line: Line | None) -> None:
        self.name = name
        self.namespace = f"{lab.prefix}{name}"
        self.interface = interface
        self._line = line
        self._lab = lab

    @property
    def lab(self) -> Lab:
        """The lab it belongs to."""
        return self._lab

    @property
    def line(self) -> Line:
        """Its addresses. Raises LabError for the gateway, which has one per link."""
        if self._line is None:
            raise LabError(f"{self.name} has no single address")
        return self._line

    @property
    def ip4(self) -> str:
        """Its IPv4 address."""
        return str(self.line.ip4.ip)

    @property
    def ip6(self) -> str:
        """Its IPv6 address."""
        return str(self.line.ip6.ip)

    def address(self, version: int) -> str:
        """Its address of the IP version 4 or 6."""
        return self.ip6 if version == 6 else self.ip4

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The arguments that run a program inside the namespace."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def run(
        self, arguments: Sequence[str], timeout: float = 30.0, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, ``text`` on its input; standard error is part of the output.

        Raises LabError when it takes longer than ``timeout`` seconds or, with ``check``, when it fails.
        """
        return run_to_end(self.name, self.command(arguments), arguments, timeout, check, text)

    def popen(
        self,
        arguments: Sequence[str],
        name: str,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Process:
        """Start a program in the namespace; its output goes to a new file in the lab's folder."""
        return self._lab.start(
            self.command(arguments), f"{self.name}-{name}", environment=environment, directory=directory
        )

    @contextmanager
    def readdressed(self, address: IPv4Interface) -> Iterator[None]:
        """Have another IPv4 address of the same link in place of the line's own, as after roaming."""
        self._replace_address(self.line.ip4, address)
        try:
            yield
        finally:
            self._replace_address(address, self.line.ip4)

    def _replace_address(self, old: IPv4Interface, new: IPv4Interface) -> None:
        _batch(self, f"addr add {new} dev {self.interface}", f"addr del {old} dev {self.interface}")
        _batch(self, f"route replace default via {self.line.gateway4.ip}")

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """A socket that lives in the namespace, usable from any thread of this process."""
        return self.within(lambda: socket.socket(family, kind, protocol))

    def within(self, work: Callable[[], T]) -> T:
        """What ``work`` returns when it is run inside the namespace; raises what it raises."""
        return within(self.namespace, work)


class Lab:
    """Subscribers, a gateway and the internet, made on entry and gone on exit, however that comes.

    Several labs live side by side: names carry the process id. Raises LabError without root or iproute2.
    """

    _numbers = itertools.count()

    def __init__(self, nat: bool = False, lines: Sequence[Line] = LINES, internet: Line = INTERNET) -> None:
        self.prefix = f"{PREFIX}{os.getpid()}-{next(self._numbers)}-"
        self.nat = nat
        self.gateway = Node(self, "gw", "wan", None)
        self.internet = Node(self, "internet", "up0", internet)
        self.subscribers = {line.name: Node(self, line.name, "up0", line) for line in lines}
        self.folder = Path()
        self._logs = itertools.count(1)
        self._inner = itertools.count(1)
        self._ports = itertools.count(20000)
        self._stack = ExitStack()

    def subscriber(self, name: str) -> Node:
        """The subscriber of that name: ``company``, ``mobile``, ``stranger`` or ``home``."""
        return self.subscribers[name]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All namespaces, the gateway first."""
        return (self.gateway, self.internet, *self.subscribers.values())

    def next_inner(self) -> int:
        """A number from 1 to 250, new each time: the third octet of a tunnel's inner network."""
        number = next(self._inner)
        if number > 250:
            raise LabError("more than 250 tunnels in one lab")
        return number

    def next_port(self) -> int:
        """A port that no other server of this lab uses."""
        return next(self._ports)

    def new_folder(self, name: str) -> Path:
        """A new folder inside the lab's own."""
        folder = self.folder / f"{next(self._logs):03d}-{name}"
        folder.mkdir(mode=0o700)
        return folder

    def start(
        self,
        arguments: Sequence[str],
        name: str,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Process:
        """Start a program that ends with the lab at the latest."""
        log = self.folder / f"{next(self._logs):03d}-{name}.log"
        process = Process(arguments, log, environment, directory)
        self._stack.callback(process.stop)
        return process

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces: run it as root")
        for program in ("ip", "nft", "ping"):
            if shutil.which(program) is None:
                raise LabError(f"{program} not found: run `make setup`")
        sweep()
        with ExitStack() as stack:
            self._stack = stack
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=self.prefix)))
            for node in self.nodes:
                _command("ip", "netns", "add", node.namespace)
                stack.callback(_remove_namespace, node.namespace)
                _prepare(node)
            self._connect(self.internet, "wan")
            for address in (RESOLVER, EPDG):
                _batch(self.internet, f"addr add {address} dev {self.internet.interface}")
            for node in self.subscribers.values():
                self._connect(node, node.line.gateway_interface)
            self.gateway.run(["sysctl", "-q", "-w", *_FORWARDING])
            self.gateway.run(["nft", "-f", "-"], text=OPERATOR_TABLE + (NAT_TABLE if self.nat else ""))
            for node in self.subscribers.values():
                for version in (4, 6):
                    # The link's carrier and neighbour discovery take a moment: wait for the first answer.
                    node.run(["ping", "-c1", "-w5", "-i0.1", self.internet.address(version)])
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def reconnect(self, node: Node) -> None:
        """Make a subscriber's link anew, after its interface was removed."""
        self._connect(node, node.line.gateway_interface)

    def _connect(self, node: Node, interface: str) -> None:
        line = node.line
        _command(
            *("ip", "-n", self.gateway.namespace, "link", "add", interface, "type", "veth"),
            *("peer", "name", node.interface, "netns", node.namespace),
        )
        _batch(
            self.gateway,
            f"addr add {line.gateway4} dev {interface}",
            f"addr add {line.gateway6} dev {interface} nodad",
            f"link set {interface} up",
        )
        _batch(
            node,
            f"addr add {line.ip4} dev {node.interface}",
            f"addr add {line.ip6} dev {node.interface} nodad",
            f"link set {node.interface} up",
            f"route add default via {line.gateway4.ip}",
            f"route add default via {line.gateway6.ip}",
        )


_PREPARED = (
    # Duplicate address detection would keep IPv6 from working for the first second or two.
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.all.accept_dad=0",
    # Removing the first address of a link would take the second one along.
    "net.ipv4.conf.all.promote_secondaries=1",
)

_FORWARDING = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    # The kernel sends one ICMP error a second to a host by default: every refusal is to be seen here.
    "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0",
)


def sweep() -> None:
    """Remove namespaces of labs whose process no longer exists, with what still runs in them."""
    for name in netns.listnetns():
        if not name.startswith(PREFIX):
            continue
        owner = name.removeprefix(PREFIX).split("-", 1)[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            _remove_namespace(name)


def _prepare(node: Node) -> None:
    node.run(["sysctl", "-q", "-w", *_PREPARED])
    _batch(node, "link set lo up")


def _remove_namespace(namespace: str) -> None:
    listed = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False, timeout=10
    )
    for pid in listed.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False, timeout=10)


def _batch(node: Node, *commands: str) -> None:
    _command("ip", "-n", node.namespace, "-batch", "-", text="\n".join(commands) + "\n")


def _command(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise LabError(f"{' '.join(arguments)}: {done.stderr.strip()}")
