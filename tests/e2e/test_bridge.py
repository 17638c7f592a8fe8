"""A gateway that only bridges (docs/placement.md): judged where br_netfilter hands frames over, else not seen."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.lab.gateway import Gateway, Setup
from tests.lab.network import STRANGER, Lab

SERVER = "198.51.100.200"
"""The internet's node, on the stranger's own network: the gateway between them does not route."""
BRIDGE = "198.51.100.250"
"""The bridge's own address, without which it has no way to send an ICMP error."""
OFF_LINE, OFF_LINE_SERVER = "192.0.2.10", "192.0.2.20"
"""Further addresses of the two, on no declared line."""

NOBODY = ("C-1,company,203.0.113.1,,,,,,,,,,",)
INITIATION = b"\x01\x00\x00\x00" + os.urandom(4) + bytes(range(1, 125)) + bytes(16)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Lab(lines=(STRANGER,)) as lab:
        port, stranger = STRANGER.gateway_interface, lab.subscriber("stranger")
        for command in (
            "link add br0 type bridge forward_delay 0",
            f"addr flush dev {port}",
            "addr flush dev wan",
            f"link set {port} master br0",
            "link set wan master br0",
            f"addr add {BRIDGE}/25 dev br0",
            "link set br0 up",
        ):
            lab.gateway.run(["ip", *command.split()])
        for node, addresses in ((lab.internet, (SERVER, OFF_LINE_SERVER)), (stranger, (OFF_LINE,))):
            for address in addresses:
                node.run(["ip", "addr", "add", f"{address}/25", "dev", node.interface])
        stranger.run(["ping", "-c1", "-w5", "-i0.1", SERVER])
        setup = Setup(
            enforce=("wireguard",),
            rows=NOBODY,
            sessions={},
            wifi_calling=False,
            extra={"subscribers": {"interfaces": [port]}},
        )
        with Gateway(lab, setup) as running:
            yield running


def _hand_over(gateway: Gateway, on: bool) -> None:
    gateway.lab.gateway.run(["sysctl", "-q", "-w", f"net.bridge.bridge-nf-call-iptables={int(on)}"])


def _sent(lab: Lab, payload: bytes, source: str = "", destination: str = SERVER) -> tuple[bool, int]:
    """Whether a datagram of the stranger's reached the server, and which error the stranger was told (0: none)."""
    with (
        lab.internet.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind((destination, 0))
        server.settimeout(0.5)
        client.settimeout(0.5)
        client.bind((source, 0))
        client.connect(server.getsockname())
        client.send(payload)
        came, told = False, 0
        with suppress(TimeoutError):
            came = server.recv(2048) == payload
        try:
            client.recv(1)
        except TimeoutError:
            pass
        except OSError as error:
            told = error.errno or 0
        return came, told


def test_without_br_netfilter_nothing_is_seen(gateway: Gateway) -> None:
    _hand_over(gateway, False)
    assert _sent(gateway.lab, INITIATION) == (True, 0)
    assert gateway.handshakes()["wireguard", "queued"] == 0


def test_with_br_netfilter_an_unregistered_handshake_is_refused_and_told(gateway: Gateway) -> None:
    _hand_over(gateway, True)
    assert _sent(gateway.lab, b"innocent") == (True, 0)
    assert _sent(gateway.lab, INITIATION) == (False, errno.EHOSTUNREACH)


def test_the_interface_is_the_bridge_not_its_port(gateway: Gateway) -> None:
    _hand_over(gateway, True)
    counted = ("wireguard", "accept", "no_subscriber"), ("wireguard", "accept", "no_route")
    assert _sent(gateway.lab, INITIATION, OFF_LINE, OFF_LINE_SERVER) == (True, 0)
    assert [gateway.decisions().get(which, 0) for which in counted] == [1, 0]
    gateway.setup.extra = {"subscribers": {"interfaces": ["br0"]}}
    gateway.reload()
    assert _sent(gateway.lab, INITIATION, OFF_LINE, OFF_LINE_SERVER) == (True, 0)
    assert [gateway.decisions().get(which, 0) for which in counted] == [1, 1]
