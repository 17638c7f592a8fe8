"""WireGuard: the kernel's where it has it, else wireguard-go; and wg(8)."""

from __future__ import annotations

import itertools
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.capture import Capture, records
from tests.lab.kernel import has_wireguard
from tests.lab.network import Node
from tests.lab.processes import LabError, Process, wait_until
from tests.lab.vpn import VpnClient

_devices = itertools.count(1)


class WireGuardServer:
    """One WireGuard interface at ``node``; every client is a peer of it."""

    def __init__(self, node: Node, port: int = 51820) -> None:
        self.node = node
        self.port = port
        self._network = f"10.64.{node.lab.next_inner()}"
        self._hosts = itertools.count(2)
        self._device = _Device(node, f"{self._network}.1/24", ["listen-port", str(port)])
        self.public_key = self._device.public_key

    @property
    def inner(self) -> str:
        """Its address inside the tunnels."""
        return f"{self._network}.1"

    def client(self, node: Node, version: int = 4) -> WireGuardClient:
        """A client at ``node`` that this server knows, not started yet."""
        return WireGuardClient(self, node, f"{self._network}.{next(self._hosts)}", version)

    def admit(self, public_key: str, inner: str) -> None:
        """Make a public key one of the peers."""
        self._device.set("peer", public_key, "allowed-ips", f"{inner}/32")

    def dismiss(self, public_key: str) -> None:
        """Forget a peer, so that the server does not go on calling a client that is gone."""
        if self._device.running:
            self._device.set("peer", public_key, "remove")

    def log(self) -> str:
        """What the server printed."""
        return self._device.log()

    def stop(self) -> None:
        """Stop it."""
        self._device.stop()


class WireGuardClient(VpnClient):
    """A peer that keeps its tunnel in use: persistent keepalive makes it shake hands at once."""

    def __init__(self, server: WireGuardServer, node: Node, own_inner: str, version: int) -> None:
        super().__init__(
            node,
            server.node,
            server.port,
            server.inner,
            family="wireguard",
            variant="wireguard",
            version=version,
        )
        self._peer = server
        self._own_inner = own_inner
        self._device: _Device | None = None

    def _start(self) -> None:
        self._device = _Device(self.node, f"{self._own_inner}/24", [])
        self._peer.admit(self._device.public_key, self._own_inner)
        address = self.server.address(self.version)
        endpoint = f"[{address}]:{self.port}" if self.version == 6 else f"{address}:{self.port}"
        self._device.set(
            *("peer", self._peer.public_key, "allowed-ips", f"{self.inner}/32"),
            *("endpoint", endpoint, "persistent-keepalive", "5"),
        )

    def is_up(self, timeout: float) -> bool:
        """Whether a handshake was completed."""
        device = self._device
        return device is not None and wait_until(device.shook_hands, timeout, interval=0.1)

    def client_log(self) -> str:
        return self._device.log() if self._device else ""

    def shown(self) -> str:
        """What wg(8) shows of its interface."""
        return self._device.shown() if self._device else ""

    def _stop(self) -> None:
        if self._device is not None:
            self._peer.dismiss(self._device.public_key)
            self._device.stop()


class _Device:
    """An interface with its key and address, and the wireguard-go process behind it where there is one."""

    def __init__(self, node: Node, address: str, settings: list[str]) -> None:
        self._node = node
        # The control sockets of all namespaces share one folder: the name must be unique on the machine.
        self._name = f"wg{os.getpid()}n{next(_devices)}"
        private_key = node.run(["wg", "genkey"]).stdout.strip()
        self.public_key = node.run(["wg", "pubkey"], text=private_key).stdout.strip()
        key_file = node.lab.new_folder(self._name) / "private"
        key_file.write_text(private_key)
        self._process: Process | None = None
        self._stopped = False
        if has_wireguard():
            node.run(["ip", "link", "add", self._name, "type", "wireguard"])
        else:
            self._process = self._in_user_space()
        self.set("private-key", str(key_file), *settings)
        node.run(["ip", "address", "add", address, "dev", self._name])
        node.run(["ip", "link", "set", self._name, "up"])

    def _in_user_space(self) -> Process:
        process = self._node.popen(
            ["wireguard-go", "--foreground", self._name], self._name, environment={"LOG_LEVEL": "verbose"}
        )
        control = Path("/var/run/wireguard", f"{self._name}.sock")
        # The file is there a moment before anybody listens.
        if not wait_until(lambda: _listened_on(control), 5):
            raise LabError(f"{self._node.name}: wireguard-go did not start:\n{process.log()}")
        return process

    @property
    def running(self) -> bool:
        """Whether the interface is there."""
        return self._process.running if self._process else not self._stopped

    def log(self) -> str:
        """What wireguard-go printed; the kernel prints nothing."""
        return self._process.log() if self._process else ""

    def stop(self) -> None:
        """Take the interface away."""
        if self._process is not None:
            self._process.stop()
        elif not self._stopped:
            self._node.run(["ip", "link", "del", self._name])
        self._stopped = True

    def set(self, *arguments: str) -> None:
        """``wg set`` on this interface."""
        self._node.run(["wg", "set", self._name, *arguments])

    def shown(self) -> str:
        """``wg show`` of this interface."""
        return self._node.run(["wg", "show", self._name]).stdout

    def shook_hands(self) -> bool:
        """Whether any peer has a completed handshake."""
        shown = self._node.run(["wg", "show", self._name, "latest-handshakes"]).stdout
        return any(int(line.split()[1]) > 0 for line in shown.splitlines())


def _listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def put_under_load(server: WireGuardServer, flooder: Node) -> None:
    """Flood a server with one replayed initiation, so that for the next second it sends cookie replies.

    The initiation is genuine, for the server checks mac1 first; a replay makes it compute and is then dropped
    by its old timestamp. wireguard-go counts itself under load until a second after more than 128 messages
    waited (device.go). At most 100,000 packets in half a second.
    """
    initiation = _genuine_initiation(server, flooder)
    with flooder.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((server.node.ip4, server.port))
        deadline = time.monotonic() + 0.5
        for _ in range(100_000):
            if time.monotonic() > deadline:
                return
            with suppress(OSError):
                sender.send(initiation)


def _genuine_initiation(server: WireGuardServer, node: Node) -> bytes:
    path = node.lab.new_folder("initiation") / "handshake.pcap"
    with (
        Capture(node.lab.gateway, node.line.gateway_interface, server.node.ip4, path),
        server.client(node) as client,
    ):
        if not client.is_up(10):
            raise LabError("no handshake to replay: the tunnel did not come up")
    for _, frame in records(path):
        # Ethernet 14, IPv4 20, UDP 8; an initiation is 148 bytes of type 1.
        payload = frame[42:]
        if len(payload) == 148 and payload[:4] == b"\x01\x00\x00\x00":
            return payload
    raise LabError(f"{path}: no handshake initiation")
