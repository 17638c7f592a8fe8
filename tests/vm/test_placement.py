"""What docs/placement.md says of flowtables and VRFs, on a kernel that has them: inside the virtual machine."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.lab.gateway import Gateway, Setup
from tests.lab.network import HOME, STRANGER, Lab

INITIATION = b"\x01\x00\x00\x00" + os.urandom(4) + bytes(range(1, 125)) + bytes(16)
RESET = b"\x00\x0e\x38" + b"\x9d\x41\xe7\x5c\x22\xb8\x73\xfa" + bytes(5)
"""OpenVPN's plain client reset, framed for TCP."""

NOBODY = ("C-1,company,192.0.2.1,,,,,,,,,,",)
FASTPATH = """
table inet fast {{
  flowtable fastpath {{ hook ingress priority 0; devices = {{ wan, {port} }}; }}
  chain forward {{
    type filter hook forward priority 0; policy accept;
    {rule} flow add @fastpath
  }}
}}
"""


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    for module in ("nf_flow_table", "nf_flow_table_inet", "nft_flow_offload", "vrf"):
        subprocess.run(["modprobe", module], check=True)


@contextmanager
def _offloading(rule: str) -> Iterator[Gateway]:
    with Lab(lines=(STRANGER,)) as lab:
        lab.gateway.run(["sysctl", "-q", "-w", "net.netfilter.nf_conntrack_acct=1"])
        lab.gateway.run(["nft", "-f", "-"], text=FASTPATH.format(port=STRANGER.gateway_interface, rule=rule))
        setup = Setup(enforce=("wireguard", "openvpn"), rows=NOBODY, sessions={}, wifi_calling=False)
        with Gateway(lab, setup) as gateway:
            yield gateway


def _over_tcp(lab: Lab, before: int) -> bool:
    """Whether a reset arrives over TCP, after so many other messages and their echoes."""
    with (
        lab.internet.socket(socket.AF_INET, socket.SOCK_STREAM) as listening,
        lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listening.bind((lab.internet.ip4, 0))
        listening.listen()
        client.settimeout(3)
        client.connect(listening.getsockname())
        server, _ = listening.accept()
        with server:
            server.settimeout(3)
            for _ in range(before):
                client.send(b"innocent")
                server.send(server.recv(64))
                assert client.recv(64) == b"innocent"
            client.send(RESET)
            with suppress(TimeoutError, ConnectionError):
                return server.recv(64) == RESET
    return False


def _over_udp(lab: Lab, before: int) -> bool:
    """Whether an initiation arrives, after so many other messages and their echoes on its flow."""
    with (
        lab.internet.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind((lab.internet.ip4, 0))
        server.settimeout(3)
        client.settimeout(3)
        client.connect(server.getsockname())
        for _ in range(before):
            client.send(b"innocent")
            data, sender = server.recvfrom(64)
            server.sendto(data, sender)
            assert client.recv(64) == b"innocent"
        client.send(INITIATION)
        with suppress(TimeoutError):
            return server.recv(2048) == INITIATION
    return False


def test_what_is_offloaded_at_once_is_not_seen() -> None:
    with _offloading("meta l4proto { tcp, udp }") as gateway:
        assert _over_tcp(gateway.lab, before=0), "the first data segment is in the fast path"
        assert not _over_udp(gateway.lab, before=0), "the first packet of a flow is judged"
        assert _over_udp(gateway.lab, before=2), "a later handshake of the same flow is not seen"
        assert gateway.handshakes()["openvpn", "queued"] == 0


def test_what_is_offloaded_late_is_judged_first() -> None:
    with _offloading("meta l4proto tcp ct original packets gt 16") as gateway:
        assert not _over_tcp(gateway.lab, before=0)
        assert _over_tcp(gateway.lab, before=30), "by then it is offloaded"
        assert not _over_udp(gateway.lab, before=2), "udp is not offloaded"


@pytest.mark.parametrize(
    ("interface", "reason"), [("vrf1", "no_route"), (HOME.gateway_interface, "no_subscriber")]
)
def test_the_interface_is_the_vrf(interface: str, reason: str) -> None:
    port = HOME.gateway_interface
    with Lab(lines=(HOME,)) as lab:
        for command in (
            "link add vrf1 type vrf table 10",
            "link set vrf1 up",
            f"link set {port} master vrf1",
            "link set wan master vrf1",
        ):
            lab.gateway.run(["ip", *command.split()])
        lab.subscriber("home").run(["ping", "-c1", "-w5", "-i0.2", lab.internet.ip4])
        setup = Setup(mode="monitor", rows=NOBODY, sessions={}, wifi_calling=False)
        setup.extra = {"subscribers": {"interfaces": [interface]}}
        with (
            Gateway(lab, setup) as gateway,
            lab.subscriber("home").socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.connect((lab.internet.ip4, 51820))
            client.send(INITIATION)
            gateway.process.require("ready: mode", 5)
            assert gateway.decisions() == {("wireguard", "accept", reason): 1}
