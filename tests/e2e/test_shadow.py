"""A gateway that watches first: its totals on disk, what they do not hold, and refusal once the period is over."""

from __future__ import annotations

import errno
import json
import socket
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.lab.gateway import NUMBER, Gateway, Setup
from tests.lab.network import MOBILE, STRANGER, Lab, Node
from tests.lab.processes import wait_until
from tests.unit.fingerprints.builders import ike_sa_init, wg_initiation

MANY, FEW = 30, 6
"""Unregistered subscribers with WireGuard, and with IPsec."""

FIRST = STRANGER.ip4.ip + 10


@contextmanager
def subscribers(node: Node, count: int) -> Iterator[list[IPv4Address]]:
    """More subscribers on the stranger's link: addresses of their own."""
    addresses = [FIRST + number for number in range(count)]
    for verb in ("add", "del"):
        commands = "\n".join(f"address {verb} {address}/25 dev {node.interface}" for address in addresses)
        if verb == "del":
            node.run(["ip", "-batch", "-"], text=commands)
            return
        node.run(["ip", "-batch", "-"], text=commands)
        yield addresses


class Caller:
    """One subscriber's socket, connected to the internet's node."""

    def __init__(self, lab: Lab, address: IPv4Address, port: int) -> None:
        self._socket = lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((str(address), 0))
        self._socket.connect((lab.internet.ip4, port))
        self._socket.settimeout(0.5)

    def send(self, payload: bytes) -> None:
        self._socket.send(payload)

    def refused(self) -> bool:
        """Whether a handshake is answered with ICMP administratively prohibited."""
        try:
            self._socket.send(wg_initiation())
            self._socket.recv(64)
        except TimeoutError:
            return False
        except OSError as error:
            return error.errno == errno.EHOSTUNREACH
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    folder = lab.new_folder("shadow")
    shadow = {"file": str(folder / "shadow.sqlite"), "period": "7d"}
    extra = {"shadow": shadow, "control": {"socket": str(folder / "control.sock")}}
    return Gateway(lab, Setup(enforce=("wireguard",), wifi_calling=False, extra=extra))


def ask_for(gateway: Gateway, period: str) -> None:
    """Set the shadow period and reload."""
    shadow = {**gateway.setup.extra["shadow"], "period": period}
    gateway.setup.extra = {**gateway.setup.extra, "shadow": shadow}
    gateway.reload()


def test_totals_of_a_gateway_that_watches(lab: Lab, gateway: Gateway) -> None:
    gateway.setup.mode = "monitor"
    internet = lab.internet.socket(socket.AF_INET, socket.SOCK_DGRAM)
    internet.bind((lab.internet.ip4, 51820))
    gateway.write()
    with gateway, subscribers(lab.subscriber("stranger"), MANY) as addresses, closing(internet):
        internet.settimeout(2)
        for number, address in enumerate(addresses):
            caller = Caller(lab, address, 51820)
            caller.send(wg_initiation(number + 1))
            assert len(internet.recv(256)) == 148
            caller.close()
            if number < FEW:
                caller = Caller(lab, address, 500)
                caller.send(ike_sa_init())
                caller.close()
        key = ("ipsec", "would_reject", "not_registered")
        assert wait_until(lambda: gateway.decisions().get(key) == FEW, 3), gateway.decisions()
    assert [(family, outcome) for family, outcome, _, _ in totals(gateway)] == [("wireguard", "would_refuse")]
    ((_, _, handshakes, about),) = totals(gateway)
    assert handshakes == MANY
    assert about == MANY

    found = json.loads(gateway.command("report", "--json"))
    by_family = {each["family"]: each["refused"]["typical"] for each in found["families"]}
    assert by_family == {"wireguard": MANY, "openvpn": None, "ipsec": None}
    said = report(gateway)
    assert f"Would be refused: about {MANY} subscribers a day." in said
    assert "Give public notice" in said
    page = gateway.folder / "report.html"
    gateway.command("report", "--html", str(page))
    assert "What enforcing would do" in page.read_text()

    written = [path for path in (*store(gateway).parent.iterdir(), page) if path.is_file()]
    assert store(gateway) in written
    for path in written:
        held = path.read_bytes()
        for needle in needles(lab, addresses):
            assert needle not in held, (path, needle)


def test_a_family_is_refused_when_it_was_watched_for_its_period(lab: Lab, gateway: Gateway) -> None:
    caller = Caller(lab, STRANGER.ip4.ip, 51821)
    internet = lab.internet.socket(socket.AF_INET, socket.SOCK_DGRAM)
    internet.bind((lab.internet.ip4, 51821))
    gateway.write()
    with closing(caller), closing(internet), gateway:
        gateway.process.require("WIREGUARD IS NOT ENFORCED: .* of 7 d are recorded", 3)
        assert not caller.refused()
        assert gateway.metrics()["enforcer_enforcing", (("protocol", "wireguard"),)] == 0
        assert ("wireguard", "would_reject", "not_registered") in gateway.decisions()
        assert "of 7 d are recorded" in gateway.command("status")
        assert "for the whole shadow period" in gateway.command("explain", str(STRANGER.ip4.ip))
        assert "wireguard is not refused yet" in gateway.command("check")

        assert not caller.refused()
        ask_for(gateway, "5s")
        gateway.process.require("enforcing wireguard", 15)
        assert caller.refused()
        assert gateway.metrics()["enforcer_enforcing", (("protocol", "wireguard"),)] == 1
        assert "complete for every family" in gateway.command("status")
        assert "enforcing wireguard" in gateway.command("check")
    with closing(Caller(lab, STRANGER.ip4.ip, 51822)) as another, gateway:
        assert another.refused()
        assert "NOT ENFORCED" not in gateway.log()


def store(gateway: Gateway) -> Path:
    return Path(str(gateway.setup.extra["shadow"]["file"]))


def report(gateway: Gateway) -> str:
    return gateway.command("report")


def totals(gateway: Gateway) -> list[tuple[str, str, int, int]]:
    if not store(gateway).exists():
        return []
    with closing(sqlite3.connect(store(gateway))) as database:
        return database.execute("SELECT family, outcome, decisions, subscribers FROM totals").fetchall()


def needles(lab: Lab, addresses: list[IPv4Address]) -> Iterator[bytes]:
    """Addresses and numbers in the forms they could have been written in."""
    for address in (*addresses, STRANGER.ip4.ip, MOBILE.ip4.ip, IPv4Address(lab.internet.ip4)):
        yield str(address).encode()
        yield address.packed
        yield struct.pack("<I", int(address))
    yield STRANGER.ip6.ip.packed[:8]
    yield b"2001:db8"
    yield NUMBER.removeprefix("+92").encode()
    yield b"51820"
