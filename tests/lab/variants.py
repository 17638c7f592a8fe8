"""Every tunnel the lab can build, by name, so that tests and the demo go through the same list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.network import Lab, Node
from tests.lab.openvpn import PROTECTIONS, TLS_CRYPT, TLS_PLAIN, OpenVpnServer
from tests.lab.pki import Pki
from tests.lab.strongswan import IKE_VARIANTS, IkeServer
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer


@dataclass(frozen=True)
class Tunnel:
    """One kind of tunnel: its family and name, and how to run its server and get clients for it."""

    family: str
    name: str
    serve: Callable[[Lab, Pki], object]
    client: Callable[[object, Node], VpnClient]

    @contextmanager
    def server(self, lab: Lab, pki: Pki) -> Iterator[Callable[[Node], VpnClient]]:
        """Run a server in the lab's internet; what it yields makes clients at a node."""
        served = self.serve(lab, pki)
        try:
            yield lambda node: self.client(served, node)
        finally:
            served.stop()  # type: ignore[attr-defined]


def _wireguard(version: int) -> Tunnel:
    return Tunnel(
        "wireguard",
        f"wireguard udp{version}",
        lambda lab, _: WireGuardServer(lab.internet, lab.next_port()),
        lambda server, node: server.client(node, version),  # type: ignore[attr-defined]
    )


def _openvpn() -> Iterator[Tunnel]:
    chosen = [(protection, transport, 4) for protection in PROTECTIONS for transport in ("udp", "tcp")]
    chosen += [(TLS_PLAIN, "udp", 6), (TLS_CRYPT, "tcp", 6)]
    for protection, transport, version in chosen:
        yield Tunnel(
            "openvpn",
            f"{protection.variant} {transport}{version}",
            lambda lab, pki, p=protection, t=transport, v=version: OpenVpnServer(lab.internet, pki, p, t, v),
            lambda server, node: server.client(node),  # type: ignore[attr-defined]
        )


def _ipsec() -> Iterator[Tunnel]:
    for variant in IKE_VARIANTS:
        for version in (4, 6):
            yield Tunnel(
                "ipsec",
                f"{variant.name} udp{version}",
                lambda lab, pki: IkeServer(lab.internet, pki, userland_esp=True),
                lambda server, node, i=variant, v=version: server.client(node, i, v),  # type: ignore[attr-defined]
            )


TUNNELS = (_wireguard(4), _wireguard(6), *_openvpn(), *_ipsec())
"""Every detectable variant the lab has software for."""
