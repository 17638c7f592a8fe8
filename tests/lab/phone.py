"""A phone that calls over Wi-Fi: it looks its ePDG up and comes with IKEv2; and the DNS server it asks."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

import dns.message
import dns.rdatatype

from tests.lab.network import RESOLVER, Lab, Node
from tests.lab.processes import LabError, Process
from tests.lab.strongswan import IKEV2, IkeServer
from tests.lab.vpn import VpnClient


class MobileDns:
    """dnsmasq at the lab's resolver address: a zone under pub.3gppnetwork.org of our making."""

    def __init__(self, lab: Lab, ttl: int) -> None:
        self._lab = lab
        self._ttl = ttl
        self._process: Process | None = None

    def start(self, hosts: Mapping[str, IPv4Address], replacements: Mapping[str, Sequence[str]]) -> None:
        """Serve ``hosts``, and for countries' names NAPTR records with ``replacements``."""
        records = [f"--host-record={name},{address},{self._ttl}" for name, address in hosts.items()]
        records += [
            f"--naptr-record={country},100,999,,,,{name}"
            for country, names in replacements.items()
            for name in names
        ]
        self._process = self._lab.internet.popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
                *("--pid-file=", "--user=root", "--bind-interfaces", f"--listen-address={RESOLVER.ip}"),
                *("--local=/pub.3gppnetwork.org/", f"--local-ttl={self._ttl}", "--log-facility=-", *records),
            ],
            "mobile-dns",
        )
        self._process.require("started, version", 5)

    def kill(self) -> None:
        """It is gone at once: questions are answered with ICMP port unreachable."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            self._process.wait(5)


class Phone:
    """A subscriber's phone at ``node``, calling over Wi-Fi."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def look_up(self, name: str) -> str:
        """The first IPv4 address of a name. Raises LabError without an answer."""
        with self.node.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(3)
            asking.connect((str(RESOLVER.ip), 53))
            try:
                asking.send(dns.message.make_query(name, dns.rdatatype.A).to_wire())
                answer = dns.message.from_wire(asking.recv(4096))
            except OSError as error:
                raise LabError(f"{self.node.name}: {name}: {error}") from None
        addresses = [
            record.address for records in answer.answer for record in records if hasattr(record, "address")
        ]
        if not addresses:
            raise LabError(f"{self.node.name}: {name} has no address")
        return str(addresses[0])

    def call(self, epdg: IkeServer, address: str) -> VpnClient:
        """IKEv2 to an ePDG at an address it looked up."""
        return epdg.client(self.node, IKEV2, remote=address)
