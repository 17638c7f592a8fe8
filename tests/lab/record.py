"""Records pcaps/: one small capture for each variant, by real software in the lab, and its manifest.

Run as root from the repository's root: ``python -m tests.lab.record``.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Interface
from pathlib import Path

import yaml
from rich.console import Console

from tests.lab import ike_tcp
from tests.lab.capture import Capture, trim
from tests.lab.innocent import GENERATORS, Setting
from tests.lab.network import Lab, Node
from tests.lab.openvpn import PROTECTIONS, TLS_CRYPT, OpenVpnServer, Protection, point_to_point
from tests.lab.pki import Pki
from tests.lab.processes import LabError
from tests.lab.strongswan import IKE_VARIANTS, IKEV2, IKEV2_MOBIKE, Esp, IkeServer, IkeVariant
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer, put_under_load

FOLDER = Path("pcaps")
_LIMIT = 18_000
_UNDETECTABLE = ("static-key",)


@dataclass(frozen=True)
class Entry:
    """One row of the manifest. ``family`` is ``none`` for innocent traffic, ``version`` the outer IP version."""

    file: str
    family: str
    variant: str
    transport: str
    version: int
    detected: bool
    software: str
    origin: str
    how: str


class Recorder:
    """Records into a folder with one lab, and collects the manifest's entries."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.entries: list[Entry] = []
        self._folder = folder
        self._raw = lab.new_folder("pcaps")

    @property
    def client(self) -> Node:
        """The subscriber whose line is recorded."""
        return self.lab.subscriber("company")

    def tunnel(self, client: VpnClient, software: str, how: str, during: Callable[[], None] | None = None) -> Path:
        """Record a client from its first packet to a few pings through the tunnel."""
        named = client.variant.startswith(client.family)
        name = client.variant if named else f"{client.family}-{client.variant}"
        name += f"-{client.transport}{client.version}.pcap"
        with self._capture(name, client.version), client:
            if not client.is_up(12):
                raise LabError(f"{client.name} did not come up:\n{client.client_log()[-2000:]}")
            if getattr(client, "carries_data", True):
                client.ping(3)
            if during is not None:
                during()
        detected = client.variant not in _UNDETECTABLE
        entry = Entry(
            name,
            client.family,
            client.variant,
            client.transport,
            client.version,
            detected,
            software,
            "recorded",
            how,
        )
        return self._keep(entry)

    def innocent(self, name: str, setting: Setting, software: str) -> None:
        """Record the beginning of what a generator sends."""
        file = f"innocent-{name}.pcap"
        with self._capture(file, setting.version):
            done = GENERATORS[name](setting)
        if not done.complete:
            raise LabError(f"{name}: {done.lost} of {done.sent} lost")
        transport = "tcp" if name in ("dns-tcp", "http", "https", "iperf-tcp") else "udp"
        self._keep(
            Entry(file, "none", name, transport, setting.version, False, software, "recorded", "first packets")
        )

    def built(self, entry: Entry) -> None:
        """Add a capture that was made, not recorded; its file is in the folder already."""
        self.entries.append(entry)

    def _capture(self, name: str, version: int) -> Capture:
        interface = self.client.line.gateway_interface
        return Capture(self.lab.gateway, interface, self.lab.internet.address(version), self._raw / name)

    def _keep(self, entry: Entry) -> Path:
        target = self._folder / entry.file
        if not trim(self._raw / entry.file, target, _LIMIT):
            raise LabError(f"{entry.file}: no packets were recorded")
        self.entries.append(entry)
        return target


def main() -> None:
    """Record everything anew."""
    console = Console()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.pcap"):
        old.unlink()
    with Lab() as lab:
        recorder = Recorder(lab, FOLDER)
        addresses = (lab.internet.ip4, lab.internet.ip6)
        pki = Pki(lab.new_folder("pki"), addresses)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("WireGuard", lambda: _wireguard(recorder)),
            ("OpenVPN", lambda: _openvpn(recorder, pki)),
            ("IPsec", lambda: _ipsec(recorder, addresses)),
            ("innocent traffic", lambda: _innocent(recorder, pki)),
        )
        for what, record in steps:
            console.print(f"recording {what} ...")
            record()
        manifest = FOLDER / "manifest.yaml"
        rows = [asdict(entry) for entry in recorder.entries]
        manifest.write_text(_HEAD + yaml.safe_dump(rows, sort_keys=False, width=110))
    total = sum(file.stat().st_size for file in FOLDER.glob("*.pcap"))
    console.print(f"{len(recorder.entries)} captures, {total / 1000:.0f} kB")


_HEAD = """\
# Captures of the lab (python -m tests.lab.record): own traffic between addresses for documentation.
# family: none is innocent traffic. detected: whether replay must prove the family. origin: recorded from the
# software named, or built from a recorded exchange. Recorded on the subscriber's line in the gateway.
"""


def _wireguard(recorder: Recorder) -> None:
    lab = recorder.lab
    software = f"wireguard-go {_package('wireguard-go')}"
    server = WireGuardServer(lab.internet)
    for version in (4, 6):
        recorder.tunnel(server.client(recorder.client, version), software, "handshake and pings")
    client = server.client(recorder.client)
    client.variant = "wireguard-under-load"
    put_under_load(server, lab.subscriber("stranger"))
    recorder.tunnel(client, software, "the server after a flood of replayed initiations: cookie reply first")
    server.stop()


def _openvpn(recorder: Recorder, pki: Pki) -> None:
    internet = recorder.lab.internet
    software = f"OpenVPN {_version(['openvpn', '--version'])}"
    cases: list[tuple[Protection, str, int]] = [
        (protection, transport, 4) for transport in ("udp", "tcp") for protection in PROTECTIONS
    ]
    for protection, transport, version in [*cases, (TLS_CRYPT, "udp", 6), (TLS_CRYPT, "tcp", 6)]:
        server = OpenVpnServer(internet, pki, protection, transport, version)
        recorder.tunnel(server.client(recorder.client), software, "handshake and pings")
        server.stop()
    for variant in ("p2p-tls", "static-key"):
        client = point_to_point(recorder.client, internet, pki, variant)
        recorder.tunnel(client, software, "both ends name each other, the far one starts first; pings")


def _ipsec(recorder: Recorder, addresses: tuple[str, ...]) -> None:
    internet = recorder.lab.internet
    pki = Pki(recorder.lab.new_folder("pki-rsa"), addresses, use_rsa=True)
    software = f"strongSwan {_package('strongswan-charon')}"
    cases: list[tuple[IkeVariant, int]] = [*((variant, 4) for variant in IKE_VARIANTS), (IKEV2, 6)]
    for esp in (Esp.NONE, Esp.USER_SPACE):
        server = IkeServer(internet, pki, esp)
        how = "IKE, ESP in UDP" if esp is Esp.USER_SPACE else "IKE on port 500 alone, no ESP"
        for variant, version in cases:
            client = server.client(recorder.client, variant, version)
            if variant is not IKEV2_MOBIKE:
                recorded = recorder.tunnel(client, software, how)
                if variant is IKEV2 and esp is Esp.USER_SPACE and version == 4:
                    _ike_over_tcp(recorder, recorded, software)
            elif esp is Esp.USER_SPACE:
                recorder.tunnel(client, software, f"{how}; then the client moves", lambda: _roam(recorder.client))
        server.stop()


def _roam(client: Node) -> None:
    line = client.line.ip4
    with client.readdressed(IPv4Interface((line.ip + 67, line.network.prefixlen))):
        time.sleep(1.5)


def _ike_over_tcp(recorder: Recorder, recorded: Path, software: str) -> None:
    file = "ipsec-ikev2-tcp4.pcap"
    ike_tcp.build(recorded, FOLDER / file)
    how = f"the messages of {recorded.name} framed as RFC 9329 says (tests/lab/ike_tcp.py)"
    recorder.built(Entry(file, "ipsec", "ikev2", "tcp", 4, True, software, "built", how))


def _innocent(recorder: Recorder, pki: Pki) -> None:
    setting = Setting(recorder.client, recorder.lab.internet, pki)
    for name, software in _INNOCENT_SOFTWARE.items():
        recorder.innocent(name, setting, software)


_INNOCENT_SOFTWARE = {
    "dns-udp": "dnspython, dnsmasq",
    "dns-tcp": "dnspython, dnsmasq",
    "http": "Python's http",
    "https": "Python's http and ssl",
    "quic": "aioquic",
    "dtls": "GnuTLS",
    "stun": "tests/lab/innocent/datagrams.py",
    "srtp": "pylibsrtp",
    "bittorrent-utp": "libtorrent",
    "sip": "SIPp",
    "snmp": "net-snmp",
    "ntp": "tests/lab/innocent/datagrams.py",
    "iperf-tcp": "iperf3",
    "iperf-udp": "iperf3",
}


def _package(name: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", name], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    if found is None:
        raise LabError(f"{' '.join(command)}: no version in its output")
    return found[0]


if __name__ == "__main__":
    main()
