"""What real clients print when they are refused: each client, tried once, with how long it took."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.lab.network import Lab, Node
from tests.lab.openvpn import TLS_CRYPT, OpenVpnServer
from tests.lab.pki import Pki
from tests.lab.processes import LabError, wait_until
from tests.lab.strongswan import IKEV1_MAIN, IKEV2, IkeServer, IkeVariant
from tests.lab.wireguard import WireGuardServer

HAND_WINDOW = 5
"""Seconds in which the lab's OpenVPN must have shaken hands; 60 where nothing is configured (openvpn(8))."""

INITIATION = "Sending handshake initiation"
"""What wireguard-go logs at each try, every five seconds."""

LONGEST = 20.0
"""Seconds the slowest client has to give up."""


@dataclass(frozen=True)
class Told:
    """All that one attempt printed, and the seconds until it had printed what was waited for, or None."""

    printed: str
    after: float | None


Attempt = Callable[[str], Told]
"""Starts a client and waits until it has printed something that matches an expression."""


def attempts(lab: Lab, pki: Pki) -> dict[str, Attempt]:
    """Each client under the name the documentation has for it, at nodes that are all refused."""
    made: dict[str, Attempt] = {}
    wireguard, ike = WireGuardServer(lab.internet, lab.next_port()), IkeServer(lab.internet, pki)
    stranger = lab.subscriber("stranger")
    for version in (4, 6):
        made[f"WireGuard, IPv{version}"] = _wireguard(wireguard, stranger, version)
        for transport in ("udp", "tcp"):
            server = OpenVpnServer(lab.internet, pki, TLS_CRYPT, transport, version)
            made[f"OpenVPN, {transport.upper()}, IPv{version}"] = _openvpn(server, stranger)
    # A node has one strongSwan at a time.
    for name, variant, version, who in (
        ("strongSwan, IKEv2, IPv4", IKEV2, 4, "stranger"),
        ("strongSwan, IKEv2, IPv6", IKEV2, 6, "company"),
        ("strongSwan, IKEv1, IPv4", IKEV1_MAIN, 4, "mobile"),
    ):
        made[name] = _strongswan(ike, lab.subscriber(who), variant, version)
    return made


def try_all(made: Mapping[str, Attempt], wanted: Mapping[str, str]) -> dict[str, Told]:
    """What each client printed, all tried at the same time."""
    with ThreadPoolExecutor(len(made)) as pool:
        running = {name: pool.submit(attempt, wanted[name]) for name, attempt in made.items()}
        return {name: told.result() for name, told in running.items()}


def _openvpn(server: OpenVpnServer, node: Node) -> Attempt:
    def attempt(wanted: str) -> Told:
        client = server.client(node, options=("--hand-window", str(HAND_WINDOW)))
        began = time.monotonic()
        with client:
            seen = wait_until(lambda: re.search(wanted, client.client_log()) is not None, LONGEST)
            return Told(client.client_log(), time.monotonic() - began if seen else None)

    return attempt


def _wireguard(server: WireGuardServer, node: Node, version: int) -> Attempt:
    def attempt(wanted: str) -> Told:
        with server.client(node, version) as client:
            if not wait_until(lambda: client.client_log().count(INITIATION) > 1, LONGEST):
                raise LabError(f"{client.name}: did not try twice")
            pinged = node.run(["ping", "-n", "-c2", "-i0.2", "-W1", client.inner], check=False)
            printed = client.client_log() + client.shown() + pinged.stdout
            return Told(printed, 0.0 if re.search(wanted, client.client_log()) else None)

    return attempt


def _strongswan(server: IkeServer, node: Node, variant: IkeVariant, version: int) -> Attempt:
    def attempt(wanted: str) -> Told:
        client = server.client(node, variant, version)
        began = time.monotonic()
        with client:
            code, printed = client.initiated(LONGEST)
            printed += f"exit code {code}\n"
            return Told(printed, time.monotonic() - began if re.search(wanted, printed) else None)

    return attempt
