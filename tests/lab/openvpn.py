"""OpenVPN 2.6: TLS with each kind of control channel protection, point-to-point TLS, static key.

Options are those of openvpn(8). Timers are short, so that a refused client is seen to fail in seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.lab.network import Node
from tests.lab.pki import Pki
from tests.lab.processes import LabError, Process
from tests.lab.vpn import VpnClient

HMACS = ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")
"""Digests of tls-auth that OpenVPN 2.6 with OpenSSL 3 offers, by rising size."""


@dataclass(frozen=True)
class Protection:
    """How the control channel is protected; ``variant`` is the name in pcaps/manifest.yaml."""

    variant: str
    kind: str
    digest: str = ""


TLS_PLAIN = Protection("tls-plain", "none")
TLS_CRYPT = Protection("tls-crypt", "tls-crypt")
TLS_CRYPT_V2 = Protection("tls-crypt-v2", "tls-crypt-v2")
TLS_AUTH = {digest: Protection(f"tls-auth-{digest.lower()}", "tls-auth", digest) for digest in HMACS}
PROTECTIONS = (TLS_PLAIN, *TLS_AUTH.values(), TLS_CRYPT, TLS_CRYPT_V2)

_UP = "Initialization Sequence Completed"
# An error the kernel handed to the socket (read or connect), or a TCP connection reset by the other side.
_REFUSED = re.compile(r"\[(?:EHOSTUNREACH|ECONNREFUSED|ECONNRESET|EACCES|ENETUNREACH)\][^\n]*|Connection reset")
_COMMON = ("--dev", "tun", "--verb", "4", "--suppress-timestamps")
_TLS_CLIENT = ("--nobind", "--remote-cert-tls", "server", "--resolv-retry", "0", "--connect-retry", "1", "1")


class OpenVpnServer:
    """A server for any number of clients, of one transport, protection and outer IP version."""

    def __init__(
        self,
        node: Node,
        pki: Pki,
        protection: Protection,
        transport: str = "udp",
        version: int = 4,
        port: int | None = None,
    ) -> None:
        self.node = node
        self.pki = pki
        self.protection = protection
        self.transport = transport
        self.version = version
        self.port = port or node.lab.next_port()
        self._network = f"10.65.{node.lab.next_inner()}"
        folder = node.lab.new_folder(f"openvpn-{protection.variant}")
        server_options, self.client_options = _protect(protection, folder)
        self.process: Process = node.popen(
            [
                *("openvpn", *_COMMON, *_certificates(pki, "server"), "--dh", "none"),
                *("--proto", _protocol(transport, version, "server"), "--port", str(self.port)),
                *("--server", f"{self._network}.0", "255.255.255.0", "--topology", "subnet"),
                *("--duplicate-cn", "--keepalive", "10", "60", *server_options),
            ],
            f"openvpn-{protection.variant}-{transport}{version}",
        )
        self.process.require(_UP, 10)

    @property
    def inner(self) -> str:
        """Its address inside the tunnels."""
        return f"{self._network}.1"

    def client(self, node: Node, clock: str | None = None, options: tuple[str, ...] = ()) -> OpenVpnClient:
        """A client at ``node`` with further options, not started yet.

        ``clock`` is how far its clock is off, as faketime(1) says it.
        """
        address = self.node.address(self.version)
        arguments = [
            *(() if clock is None else ("faketime", "-f", clock)),
            *("openvpn", "--client", *_COMMON, *_certificates(self.pki, "client"), *_TLS_CLIENT),
            *("--proto", _protocol(self.transport, self.version, "client")),
            *("--remote", address, str(self.port), *self.client_options, *options),
        ]
        return OpenVpnClient(
            arguments,
            node,
            self.node,
            self.port,
            self.inner,
            self.protection.variant,
            self.transport,
            self.version,
        )

    def stop(self) -> None:
        """Stop it."""
        self.process.stop()


class OpenVpnClient(VpnClient):
    """An openvpn process that is the client, or one end of a point-to-point tunnel."""

    def __init__(
        self,
        arguments: list[str],
        node: Node,
        server: Node,
        port: int,
        inner: str,
        variant: str,
        transport: str,
        version: int,
        peer_arguments: list[str] | None = None,
    ) -> None:
        super().__init__(
            node, server, port, inner, family="openvpn", variant=variant, transport=transport, version=version
        )
        self._arguments = arguments
        self._peer_arguments = peer_arguments
        self._peer: Process | None = None
        self._process: Process | None = None

    def _start(self) -> None:
        if self._peer_arguments is not None:
            self._peer = self.server.popen(self._peer_arguments, f"openvpn-{self.variant}-peer")
            self._peer.require("link remote", 5)
        self._process = self.node.popen(self._arguments, f"openvpn-{self.name.replace(' ', '-')}")

    def is_up(self, timeout: float) -> bool:
        if self._process is None or not self._process.wait_for(_UP, timeout):
            return False
        # Point to point, each end is ready in its own time.
        return self._peer is None or self._peer.wait_for(_UP, timeout)

    def client_log(self) -> str:
        return self._process.log() if self._process else ""

    def _logged_refusal(self) -> str | None:
        found = _REFUSED.search(self.client_log())
        return found[0] if found else None

    def _stop(self) -> None:
        for process in (self._process, self._peer):
            if process is not None:
                process.stop()


def point_to_point(node: Node, server: Node, pki: Pki, variant: str) -> OpenVpnClient:
    """A tunnel of two ends without client and server mode: ``p2p-tls`` or ``static-key``, UDP over IPv4.

    Both ends know each other's address, and the far end starts first: with TLS it sends its reset unasked.
    Raises LabError for any other variant.
    """
    if variant not in ("p2p-tls", "static-key"):
        raise LabError(f"{variant}: not a point-to-point variant")
    port = node.lab.next_port()
    network = f"10.65.{node.lab.next_inner()}"
    near, far = f"{network}.2", f"{network}.1"
    common = ["openvpn", *_COMMON, "--proto", "udp4", "--port", str(port)]
    own = [*common, "--remote", server.ip4, "--ifconfig", near, far]
    peer = [*common, "--remote", node.ip4, "--ifconfig", far, near]
    if variant == "p2p-tls":
        own += ["--tls-client", *_certificates(pki, "client")]
        peer += ["--tls-server", "--dh", "none", *_certificates(pki, "server")]
    else:
        key = str(_generate("secret", node.lab.new_folder("openvpn-static-key") / "static.key"))
        cipher = ["--cipher", "AES-256-CBC", "--auth", "SHA256"]
        own += ["--secret", key, "1", *cipher]
        peer += ["--secret", key, "0", *cipher]
    return OpenVpnClient(own, node, server, port, far, variant, "udp", 4, peer)


def _certificates(pki: Pki, role: str) -> list[str]:
    return [
        *("--ca", str(pki.path("ca.pem"))),
        *("--cert", str(pki.path(f"{role}.pem")), "--key", str(pki.path(f"{role}.key"))),
    ]


def _protocol(transport: str, version: int, role: str) -> str:
    return f"{transport}{version}-{role}" if transport == "tcp" else f"udp{version}"


def _protect(protection: Protection, folder: Path) -> tuple[list[str], list[str]]:
    if protection.kind == "none":
        return [], []
    if protection.kind == "tls-crypt-v2":
        server = _generate("tls-crypt-v2-server", folder / "server.key")
        client = _generate("tls-crypt-v2-client", folder / "client.key", "--tls-crypt-v2", str(server))
        return ["--tls-crypt-v2", str(server)], ["--tls-crypt-v2", str(client)]
    key = _generate("secret", folder / "static.key")
    if protection.kind == "tls-crypt":
        return ["--tls-crypt", str(key)], ["--tls-crypt", str(key)]
    digest = ["--auth", protection.digest]
    return ["--tls-auth", str(key), "0", *digest], ["--tls-auth", str(key), "1", *digest]


def _generate(kind: str, path: Path, *options: str) -> Path:
    with Process(["openvpn", *options, "--genkey", kind, str(path)], path.with_suffix(".log")) as process:
        if process.wait(10):
            raise LabError(f"openvpn --genkey {kind}: {process.log().strip()}")
    return path
