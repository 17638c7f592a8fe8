"""IKEv1 and IKEv2 with strongSwan's charon: ESP by the kernel, in user space (kernel-libipsec), or IKE alone.

Several daemons run at once: each has its own /run (charon's pid file has a fixed path) and control socket.
kernel-libipsec sends ESP in UDP only and therefore always announces NAT; without it, and on a kernel that has
no ESP of its own, an IKE security association comes up that carries no data.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.lab.kernel import has_esp
from tests.lab.network import Node
from tests.lab.pki import Pki
from tests.lab.processes import LabError, Process, wait_until
from tests.lab.vpn import VpnClient

_CHARON = Path("/usr/lib/ipsec/charon")
_SWANCTL = Path("/usr/sbin/swanctl")
_PLUGINS = (
    "random nonce openssl aes sha1 sha2 hmac kdf gmp curve25519 pem pkcs1 pkcs8 x509 constraints pubkey "
    "kernel-netlink socket-default vici"
)
_SECRET = "a secret of the lab"


class Esp(Enum):
    """Who carries the data of a security association."""

    KERNEL = "the kernel"
    USER_SPACE = "kernel-libipsec"
    NONE = "nobody"


@dataclass(frozen=True)
class IkeVariant:
    """One way to set up an IKE security association; ``name`` is the variant of pcaps/manifest.yaml.

    ``certificates`` with ``fragmentation`` off makes an IKE_AUTH larger than a packet (RFC 7383 not used).
    """

    name: str
    version: int
    aggressive: bool = False
    certificates: bool = False
    fragmentation: bool = True
    mobike: bool = False


IKEV1_MAIN = IkeVariant("ikev1-main", 1)
IKEV1_AGGRESSIVE = IkeVariant("ikev1-aggressive", 1, aggressive=True)
IKEV2 = IkeVariant("ikev2", 2)
IKEV2_FRAGMENTS = IkeVariant("ikev2-fragments", 2, certificates=True, fragmentation=False)
IKEV2_MOBIKE = IkeVariant("ikev2-mobike", 2, mobike=True)
IKE_VARIANTS = (IKEV1_MAIN, IKEV1_AGGRESSIVE, IKEV2, IKEV2_FRAGMENTS, IKEV2_MOBIKE)


class IkeServer:
    """A responder at ``node`` for every variant and IP version, on ports 500 and 4500: one a node."""

    def __init__(self, node: Node, pki: Pki, esp: Esp | None = None) -> None:
        """``esp`` is the kernel's where it has it, else in user space, unless told otherwise."""
        self.node = node
        self.pki = pki
        self.esp = esp or (Esp.KERNEL if has_esp() else Esp.USER_SPACE)
        self._number = node.lab.next_inner()
        self._clients = itertools.count(2)
        node.run(["ip", "address", "add", f"{self.inner}/32", "dev", "lo"])
        connections = [_responder(variant, self._number) for variant in IKE_VARIANTS]
        self._daemon = _Charon(node, pki, "server", self.esp, "".join(connections))

    @property
    def inner(self) -> str:
        """Its address inside the tunnels."""
        return f"10.67.{self._number}.1"

    def client(self, node: Node, variant: IkeVariant, version: int = 4, remote: str | None = None) -> IkeClient:
        """An initiator at ``node``, not started yet, to ``remote`` or the server's own address.

        A node has one at a time.
        """
        own_inner = f"10.66.{self._number}.{next(self._clients)}"
        return IkeClient(self, node, variant, version, own_inner, remote or self.node.address(version))

    def log(self) -> str:
        """What the responder printed."""
        return self._daemon.process.log()

    def stop(self) -> None:
        """Stop it."""
        self._daemon.process.stop()
        self.node.run(["ip", "address", "del", f"{self.inner}/32", "dev", "lo"])


class IkeClient(VpnClient):
    """An initiator. With ESP in user space it carries data; else the IKE security association is all."""

    def __init__(
        self, server: IkeServer, node: Node, variant: IkeVariant, version: int, own_inner: str, remote: str
    ) -> None:
        name = f"{variant.name}-natt" if server.esp is Esp.USER_SPACE else variant.name
        super().__init__(node, server.node, 500, server.inner, family="ipsec", variant=name, version=version)
        self.carries_data = server.esp is not Esp.NONE
        self._ike = variant
        self._esp = server.esp
        self._pki = server.pki
        self._own_inner = own_inner
        self._remote = remote
        self._daemon: _Charon | None = None
        self._initiation: Process | None = None

    def _start(self) -> None:
        self.node.run(["ip", "address", "add", f"{self._own_inner}/32", "dev", "lo"])
        connection = _initiator(
            self._ike,
            self.carries_data,
            self.node.address(self.version),
            self._remote,
            self._own_inner,
            self.inner,
        )
        self._daemon = _Charon(self.node, self._pki, "client", self._esp, connection)
        what = ["--child", "data"] if self.carries_data else ["--ike", self._ike.name]
        self._initiation = self.node.popen(
            self._daemon.control("--initiate", *what, "--timeout", "10"), "swanctl-initiate"
        )

    def is_up(self, timeout: float) -> bool:
        """Whether the security association for data was established, or the IKE one where no data flows."""
        established = r"CHILD_SA data\{\d+\} established" if self.carries_data else r"IKE_SA .* established"
        return self._daemon is not None and self._daemon.process.wait_for(established, timeout)

    def client_log(self) -> str:
        return self._daemon.process.log() if self._daemon else ""

    def initiated(self, timeout: float) -> tuple[int, str]:
        """How ``swanctl --initiate`` ended, and what it printed. Raises LabError when it has not ended by then."""
        if self._initiation is None:
            raise LabError(f"{self.name}: not started")
        return self._initiation.wait(timeout), self._initiation.log()

    def _stop(self) -> None:
        if self._initiation is not None:
            self._initiation.stop()
        if self._daemon is not None:
            self._daemon.process.stop()
        self.node.run(["ip", "address", "del", f"{self._own_inner}/32", "dev", "lo"], check=False)


class _Charon:
    """One daemon with its configuration loaded."""

    def __init__(self, node: Node, pki: Pki, role: str, esp: Esp, connections: str) -> None:
        self._folder = node.lab.new_folder(f"charon-{role}")
        charon = _copied(_CHARON, self._folder)
        self._swanctl = _copied(_SWANCTL, self._folder)
        self._socket = f"unix://{self._folder}/vici"
        plugins = ("kernel-libipsec " if esp is Esp.USER_SPACE else "") + _PLUGINS
        settings = self._folder / "strongswan.conf"
        settings.write_text(_SETTINGS.format(plugins=plugins, socket=self._socket))
        for directory, source, target in (
            ("x509", f"{role}.pem", f"{role}.pem"),
            ("x509ca", "ca.pem", "ca.pem"),
            ("private", f"{role}.key", f"{role}.key"),
        ):
            (self._folder / directory).mkdir()
            shutil.copy(pki.path(source), self._folder / directory / target)
        (self._folder / "swanctl.conf").write_text(
            f'connections {{\n{connections}}}\nsecrets {{\n  ike-lab {{ secret = "{_SECRET}" }}\n}}\n'
        )
        self._environment = {"STRONGSWAN_CONF": str(settings), "SWANCTL_DIR": str(self._folder)}
        self.process = node.popen(
            ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs tmpfs /run && exec {charon}"],
            f"charon-{role}",
            environment=self._environment,
        )
        if not wait_until((self._folder / "vici").exists, 10):
            raise LabError(f"{node.name}: charon did not start:\n{self.process.log()[-2000:]}")
        node.run(self.control("--load-all"))

    def control(self, *arguments: str) -> list[str]:
        """The arguments of a swanctl(8) command to this daemon."""
        environment = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", *environment, str(self._swanctl), *arguments, "--uri", self._socket]


def _copied(program: Path, folder: Path) -> Path:
    """A copy to run: Debian's AppArmor profiles bind the program's own path to files below /etc."""
    if not program.exists():
        raise LabError(f"{program} not found: run `make setup`")
    return Path(shutil.copy(program, folder / program.name))


_SETTINGS = """
charon {{
  load = {plugins}
  retransmit_timeout = 1.0
  retransmit_base = 1.5
  retransmit_tries = 3
  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
  filelog {{
    stderr {{
      default = 1
      flush_line = yes
    }}
  }}
  plugins {{
    vici {{
      socket = {socket}
    }}
  }}
}}
"""


def _responder(variant: IkeVariant, number: int) -> str:
    return _connection(
        variant, "allow", "local_addrs = %any", "server", f"10.67.{number}.1/32", f"10.66.{number}.0/24"
    )


def _initiator(variant: IkeVariant, carries_data: bool, own: str, remote: str, own_inner: str, inner: str) -> str:
    local = "local_addrs = %any" if variant.mobike else f"local_addrs = {own}"
    # RFC 6023: without ESP the exchange must not ask for a security association it could not use.
    childless = "force" if variant.version == 2 and not carries_data else "allow"
    return _connection(
        variant,
        childless,
        f"{local}\n    remote_addrs = {remote}",
        "client",
        f"{own_inner}/32",
        f"{inner}/32",
    )


def _connection(
    variant: IkeVariant, childless: str, addresses: str, own: str, own_traffic: str, peer_traffic: str
) -> str:
    if variant.certificates:
        own_side, peer_side = f"auth = pubkey\n      certs = {own}.pem", "auth = pubkey"
    else:
        own_side = peer_side = "auth = psk"
    # The responder chooses a connection by the name it is asked for; a certificate bears but one.
    responder = "server.lab" if variant.certificates else f"{variant.name}.lab"
    own_id, peer_id = (responder, "client.lab") if own == "server" else ("client.lab", responder)
    cipher = "aes128-sha256-modp2048" if variant.version == 1 else "aes128-sha256-curve25519"
    return f"""  {variant.name} {{
    version = {variant.version}
    aggressive = {_yes(variant.aggressive)}
    mobike = {_yes(variant.mobike)}
    fragmentation = {_yes(variant.fragmentation)}
    childless = {childless}
    unique = never
    proposals = {cipher}
    {addresses}
    local {{
      {own_side}
      id = {own_id}
    }}
    remote {{
      {peer_side}
      id = {peer_id}
    }}
    children {{
      data {{
        local_ts = {own_traffic}
        remote_ts = {peer_traffic}
        esp_proposals = aes128gcm16
      }}
    }}
  }}
"""


def _yes(value: bool) -> str:
    return "yes" if value else "no"
