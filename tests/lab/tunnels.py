"""Every kind of tunnel from every subscriber: who comes up, who is refused, and what the client is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.lab.network import Lab, Node
from tests.lab.openvpn import TLS_AUTH, TLS_CRYPT, TLS_CRYPT_V2, TLS_PLAIN, OpenVpnServer
from tests.lab.pki import Pki
from tests.lab.strongswan import IKEV1_AGGRESSIVE, IKEV1_MAIN, IKEV2, IkeServer
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer

HOLD = 3.0
"""Seconds a refused client goes on trying before it counts as refused: its first repetitions are in them."""


@dataclass(frozen=True)
class Kind:
    """One row of the matrix: a name, and how a subscriber's client of it is made."""

    name: str
    family: str
    transport: str
    client: Callable[[Node], VpnClient]


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt. ``told`` is the refusal as the client saw it; ``lost`` counts pings."""

    kind: Kind
    subscriber: str
    up: bool
    lost: int
    told: str | None
    prohibited: bool

    @property
    def politely_refused(self) -> bool:
        """Not up, and told so: by ICMP over UDP, by a reset over TCP."""
        if self.up:
            return False
        return self.told is not None if self.kind.transport == "tcp" else self.prohibited


def kinds(lab: Lab, pki: Pki) -> list[Kind]:
    """Start a server of each kind at the internet's node."""
    wireguard = WireGuardServer(lab.internet)
    ike = IkeServer(lab.internet, pki)
    made = [
        Kind("WireGuard", "wireguard", "udp", wireguard.client),
        Kind("WireGuard, IPv6", "wireguard", "udp", lambda node: wireguard.client(node, 6)),
    ]
    for protection, transport, version in (
        (TLS_PLAIN, "udp", 4),
        (TLS_AUTH["SHA1"], "udp", 4),
        (TLS_AUTH["SHA256"], "tcp", 4),
        (TLS_CRYPT, "udp", 4),
        (TLS_CRYPT, "tcp", 4),
        (TLS_CRYPT_V2, "udp", 4),
        (TLS_CRYPT_V2, "tcp", 4),
        (TLS_CRYPT, "udp", 6),
    ):
        server = OpenVpnServer(lab.internet, pki, protection, transport, version)
        name = f"OpenVPN {protection.variant}, {transport.upper()}" + (", IPv6" if version == 6 else "")
        made.append(Kind(name, "openvpn", transport, server.client))
    for variant, version in ((IKEV1_MAIN, 4), (IKEV1_AGGRESSIVE, 4), (IKEV2, 4), (IKEV2, 6)):
        name = f"IPsec {variant.name}" + (", IPv6" if version == 6 else "")
        made.append(
            Kind(name, "ipsec", "udp", lambda node, v=variant, ip=version: ike.client(node, v, ip))  # type: ignore[misc]
        )
    return made


def attempt(kind: Kind, subscriber: Node) -> Outcome:
    """Start a client, see whether it comes up and carries pings, stop it."""
    with kind.client(subscriber) as client:
        up = client.is_up(HOLD)
        lost = client.ping(3).lost if up else 0
        return Outcome(kind, subscriber.name, up, lost, client.refusal(), client.icmp_prohibited())


def attempt_all(rows: Sequence[Kind], subscribers: Sequence[Node]) -> list[Outcome]:
    """Every kind from every subscriber; the subscribers at the same time, their kinds one after the other."""

    def each(subscriber: Node) -> list[Outcome]:
        return [attempt(kind, subscriber) for kind in rows]

    with ThreadPoolExecutor(len(subscribers)) as pool:
        return [outcome for outcomes in pool.map(each, subscribers) for outcome in outcomes]
