"""A gateway with something of everything that its metrics tell: lines, registrations, accounting, tunnels."""

from __future__ import annotations

import itertools
import math
import os
import random
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tests.lab import radius
from tests.lab.gateway import NUMBER, Gateway, Setup, registrations
from tests.lab.network import COMPANY, MOBILE, Lab
from tests.lab.openvpn import TLS_CRYPT, OpenVpnServer
from tests.lab.pki import Pki
from tests.lab.processes import LabError
from tests.lab.store import Store
from tests.lab.strongswan import IKEV2, IkeServer
from tests.lab.variants import MakeClient
from tests.lab.wireguard import WireGuardServer

METRICS = "127.0.0.1:9469"
QUEUE_LENGTH = 64
_FORMER = [str(COMPANY.ip4.network[host]) for host in (71, 72, 70)]
"""Addresses beside the company's own whose registration has ended, was revoked, has not begun."""
_SERVERS = {"bras-1": "127.0.0.11", "bras-2": "127.0.0.12"}
"""Access servers: their names, and the loopback addresses they send from."""


class Observed:
    """Refuses WireGuard, watches the others; two access servers report. ``run`` makes traffic of all kinds."""

    def __init__(self, lab: Lab, pki: Pki) -> None:
        self.lab = lab
        self.store = Store(lab.new_folder("store"))
        secret = lab.new_folder("radius") / "secret"
        secret.touch(mode=0o600)
        secret.write_bytes(radius.SECRET)
        clients = [
            {"name": name, "addresses": [address], "secret_file": str(secret)}
            for name, address in _SERVERS.items()
        ]
        extra: dict[str, dict[str, object]] = {
            "sessions": {"file": None, "store": self.store.url},
            "gateway": {"queue_length": QUEUE_LENGTH},
            "shadow": {"file": str(lab.new_folder("shadow") / "shadow.sqlite"), "period": "0s"},
            "radius": {"listen": ["127.0.0.1:1813"], "clients": clients},
        }
        self.gateway = Gateway(lab, Setup(enforce=("wireguard",), rows=_rows(), sessions={}, extra=extra))
        self._accounting = {
            name: lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM) for name in (*_SERVERS, "stray")
        }
        for name, address in (*_SERVERS.items(), ("stray", "127.0.0.13")):
            self._accounting[name].bind((address, 0))
        company = lab.subscriber("company")
        for former in _FORMER:
            company.run(["ip", "address", "add", f"{former}/32", "dev", company.interface])
        self._identifiers = itertools.count()
        self._makers = self._start_servers(pki)
        self._random = random.Random(1)

    def run(self, seconds: float, pause: float = 0.25) -> None:
        """Traffic for so long: real tunnels one after the other, and beside them handshakes and accounting."""
        end = time.monotonic() + seconds
        failed: list[LabError] = []

        def tunnels() -> None:
            try:
                for make, subscriber in itertools.cycle(self._makers):
                    if time.monotonic() >= end:
                        return
                    with make(self.lab.subscriber(subscriber)) as client:
                        client.is_up(min(2.0, max(0.2, end - time.monotonic())))
                        # A WireGuard server of the lab has some 250 clients' addresses to give: minutes' worth.
                        time.sleep(1.0)
            except LabError as error:
                failed.append(error)

        beside = threading.Thread(target=tunnels)
        beside.start()
        for beat in itertools.count():
            if time.monotonic() >= end:
                break
            self._beat(beat)
            time.sleep(pause)
        beside.join()
        if failed:
            raise failed[0]

    def close(self) -> None:
        """Stop what the lab does not stop by itself."""
        self.store.process.stop()

    def _beat(self, beat: int) -> None:
        wave = 1 + math.sin(beat / 120)
        for subscriber, most in (("company", 6), ("stranger", 2), ("home", 3), ("mobile", 2)):
            for _ in range(self._random.randrange(1 + round(most * wave))):
                self.initiate(subscriber)
        for address, every in zip(_FORMER, (5, 9, 14), strict=True):
            if beat % every == 0:
                self.initiate("company", address)
        if beat % 4 == 2:
            status = radius.START if beat < 4 else radius.INTERIM
            self._account("bras-1", radius.session(status, number=NUMBER.encode(), address=str(MOBILE.ip4.ip)))
            self._account("bras-2", radius.session(radius.INTERIM, b"s-2", address="100.64.1.77", nas=b"bras-2"))
        if beat % 12 == 3:
            self._account("bras-2", radius.session(), b"a wrong secret")
        if beat % 16 == 5:
            self._account("stray", radius.session())
        if beat % 8 == 6:
            self._account("bras-1", radius.session(session_id=b"s-3", number=b"", address="100.64.1.78"))
        if beat % 960 == 30:
            # Another claim of the mobile line's address: for two minutes nobody knows whose it is.
            claim = radius.session(session_id=b"s-4", address=str(MOBILE.ip4.ip), nas=b"bras-2")
            self._account("bras-2", claim)
        if beat % 960 == 45:
            claim = radius.session(radius.STOP, b"s-4", address=str(MOBILE.ip4.ip), nas=b"bras-2")
            self._account("bras-2", claim)

    def initiate(self, subscriber: str, source: str = "") -> None:
        """One WireGuard initiation as anybody on the path sees it (paper §5.4.2): its keys and MACs are random."""
        message = b"\x01\x00\x00\x00" + os.urandom(128) + bytes(16)
        node = self.lab.subscriber(subscriber)
        with node.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, suppress(OSError):
            sender.bind((source, 0))
            sender.sendto(message, (self.lab.internet.ip4, 51820))

    def _account(self, server: str, attributes: list[radius.Attribute], secret: bytes = radius.SECRET) -> None:
        stamp = radius.integer(radius.EVENT_TIMESTAMP, int(time.time()))
        packet = radius.request([*attributes, stamp], secret, next(self._identifiers) % 256)
        self._accounting[server].sendto(packet, ("127.0.0.1", 1813))

    def _start_servers(self, pki: Pki) -> list[tuple[MakeClient, str]]:
        wireguard = WireGuardServer(self.lab.internet, self.lab.next_port())
        openvpn = OpenVpnServer(self.lab.internet, pki, TLS_CRYPT, "udp", 4)
        ike = IkeServer(self.lab.internet, pki)
        return [
            (wireguard.client, "stranger"),
            (openvpn.client, "stranger"),
            (lambda node: ike.client(node, IKEV2, 4), "stranger"),
            (wireguard.client, "company"),
            (openvpn.client, "home"),
            (wireguard.client, "mobile"),
        ]


def _rows() -> tuple[str, ...]:
    """The usual list, and entries that stand in every other way; addresses beside the company's own."""
    today = datetime.now(UTC).date()

    def day(days: int) -> str:
        return (today + timedelta(days=days)).isoformat()

    def entry(name: str, host: int, begins: int, ends: int | None) -> str:
        address = COMPANY.ip4.network[host]
        return f"{name},company,{address},,{day(begins)},{'' if ends is None else day(ends)},,,,,,,"

    entries = [entry(f"X-{host}", host, -90, days) for host, days in enumerate((0, 3, 5, 12, 20, 25, 200), 40)]
    entries += [entry(f"G-{host}", host, -400, -days) for host, days in enumerate((2, 8, 24, 28), 60)]
    return (
        *registrations(),
        *entries,
        entry("U-1", 70, 30, None),
        entry("E-1", 71, -400, -90),
        entry("R-1", 72, -400, None),
        f",,,,,,,,,R-1,no longer in business,{day(-20)},{day(-10)}",
    )
