"""Every tunnel the lab has software for, one server at a time, so that a test is about one variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.network import Lab, Node
from tests.lab.openvpn import PROTECTIONS, TLS_CRYPT, TLS_PLAIN, OpenVpnServer, Protection
from tests.lab.pki import Pki
from tests.lab.strongswan import IKE_VARIANTS, IkeServer, IkeVariant
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer

MakeClient = Callable[[Node], VpnClient]


@dataclass(frozen=True)
class WireGuardTunnel:
    """WireGuard over one outer IP version."""

    version: int
    family: str = "wireguard"

    @property
    def name(self) -> str:
        """For a test's id."""
        return f"wireguard udp{self.version}"

    @contextmanager
    def server(self, lab: Lab, _: Pki) -> Iterator[MakeClient]:
        """Run a server in the lab's internet; what it yields makes clients at a node."""
        server = WireGuardServer(lab.internet, lab.next_port())
        try:
            yield lambda node: server.client(node, self.version)
        finally:
            server.stop()


@dataclass(frozen=True)
class OpenVpnTunnel:
    """OpenVPN with one protection of its control channel."""

    protection: Protection
    transport: str
    version: int
    family: str = "openvpn"

    @property
    def name(self) -> str:
        """For a test's id."""
        return f"{self.protection.variant} {self.transport}{self.version}"

    @contextmanager
    def server(self, lab: Lab, pki: Pki) -> Iterator[MakeClient]:
        """Run a server in the lab's internet; what it yields makes clients at a node."""
        server = OpenVpnServer(lab.internet, pki, self.protection, self.transport, self.version)
        try:
            yield server.client
        finally:
            server.stop()


@dataclass(frozen=True)
class IpsecTunnel:
    """IKE and ESP in UDP by strongSwan."""

    variant: IkeVariant
    version: int
    family: str = "ipsec"

    @property
    def name(self) -> str:
        """For a test's id."""
        return f"{self.variant.name} udp{self.version}"

    @contextmanager
    def server(self, lab: Lab, pki: Pki) -> Iterator[MakeClient]:
        """Run a server in the lab's internet; what it yields makes clients at a node."""
        server = IkeServer(lab.internet, pki)
        try:
            yield lambda node: server.client(node, self.variant, self.version)
        finally:
            server.stop()


Tunnel = WireGuardTunnel | OpenVpnTunnel | IpsecTunnel

TUNNELS: tuple[Tunnel, ...] = (
    WireGuardTunnel(4),
    WireGuardTunnel(6),
    *(OpenVpnTunnel(protection, transport, 4) for protection in PROTECTIONS for transport in ("udp", "tcp")),
    OpenVpnTunnel(TLS_PLAIN, "udp", 6),
    OpenVpnTunnel(TLS_CRYPT, "tcp", 6),
    *(IpsecTunnel(variant, version) for variant in IKE_VARIANTS for version in (4, 6)),
)
