"""The lab without the daemon: every tunnel comes up, all innocent traffic passes, nothing stays behind.

What fails here is the lab's fault; what fails with the daemon and not here is the daemon's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import netns

from tests.e2e.conftest import make_pki
from tests.lab.innocent import GENERATORS, Setting
from tests.lab.kernel import has_esp
from tests.lab.network import COMPANY, Lab, sweep
from tests.lab.openvpn import PROTECTIONS, TLS_CRYPT, TLS_PLAIN, OpenVpnServer, Protection, point_to_point
from tests.lab.pki import Pki
from tests.lab.processes import LabError, wait_until
from tests.lab.strongswan import IKE_VARIANTS, Esp, IkeServer, IkeVariant
from tests.lab.traffic import Stream
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer

UP = 10.0


def comes_up(client: VpnClient) -> None:
    with client:
        assert client.is_up(UP), client.client_log()[-2000:]
        if getattr(client, "carries_data", True):
            assert client.ping(3).complete
        assert not client.icmp_prohibited()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("subscriber", ["company", "mobile", "stranger", "home"])
def test_wireguard(lab: Lab, subscriber: str, version: int) -> None:
    server = WireGuardServer(lab.internet, lab.next_port())
    comes_up(server.client(lab.subscriber(subscriber), version))
    server.stop()


OPENVPN = [(protection, transport, 4) for protection in PROTECTIONS for transport in ("udp", "tcp")]
OPENVPN += [(protection, transport, 6) for protection in (TLS_PLAIN, TLS_CRYPT) for transport in ("udp", "tcp")]


@pytest.mark.parametrize(
    ("protection", "transport", "version"), OPENVPN, ids=[f"{p.variant}-{t}{v}" for p, t, v in OPENVPN]
)
def test_openvpn(lab: Lab, pki: Pki, protection: Protection, transport: str, version: int) -> None:
    server = OpenVpnServer(lab.internet, pki, protection, transport, version)
    comes_up(server.client(lab.subscriber("company")))
    server.stop()


@pytest.mark.parametrize("variant", ["p2p-tls", "static-key"])
def test_openvpn_point_to_point(lab: Lab, pki: Pki, variant: str) -> None:
    comes_up(point_to_point(lab.subscriber("company"), lab.internet, pki, variant))


ESP = [Esp.NONE, Esp.USER_SPACE, *([Esp.KERNEL] if has_esp() else [])]


@pytest.fixture(scope="module", params=ESP, ids=lambda esp: esp.name.lower())
def ike_server(lab: Lab, request: pytest.FixtureRequest) -> Iterator[IkeServer]:
    server = IkeServer(lab.internet, make_pki(lab, use_rsa=True), request.param)
    yield server
    server.stop()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("variant", IKE_VARIANTS, ids=lambda variant: variant.name)
def test_ipsec(lab: Lab, ike_server: IkeServer, variant: IkeVariant, version: int) -> None:
    comes_up(ike_server.client(lab.subscriber("company"), variant, version))


def test_every_family_through_address_translation(nat_lab: Lab) -> None:
    pki = make_pki(nat_lab, use_rsa=True)
    mobile = nat_lab.subscriber("mobile")
    comes_up(WireGuardServer(nat_lab.internet).client(mobile))
    comes_up(OpenVpnServer(nat_lab.internet, pki, TLS_CRYPT).client(mobile))
    server = IkeServer(nat_lab.internet, pki)
    for variant in IKE_VARIANTS:
        comes_up(server.client(mobile, variant))


def test_a_refused_client_is_told(lab: Lab, pki: Pki) -> None:
    """The lab must see refusals, or no later test could: a rule of the test's own refuses here."""
    refuse = """
    table inet refuse {
      chain forward {
        type filter hook forward priority -10; policy accept;
        udp dport 51820 reject with icmpx admin-prohibited
        tcp dport 1194 @ih,16,8 0x38 reject with tcp reset
      }
    }
    """
    lab.gateway.run(["nft", "-f", "-"], text=refuse)
    wireguard = WireGuardServer(lab.internet, 51820)
    openvpn = OpenVpnServer(lab.internet, pki, TLS_PLAIN, "tcp", port=1194)
    stranger = lab.subscriber("stranger")
    try:
        for version in (4, 6):
            with wireguard.client(stranger, version) as client:
                assert not client.is_up(1.0)
                assert client.icmp_prohibited()
                assert "administratively prohibited" in (client.refusal() or "")
        with openvpn.client(stranger) as client:
            assert not client.is_up(2.0)
            assert client.refusal() == "Connection reset"
    finally:
        lab.gateway.run(["nft", "delete", "table", "inet", "refuse"])
        wireguard.stop()
        openvpn.stop()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", GENERATORS)
def test_innocent_traffic(lab: Lab, pki: Pki, name: str, version: int) -> None:
    done = GENERATORS[name](Setting(lab.subscriber("home"), lab.internet, pki, version))
    assert done.complete, done


def test_losses_are_counted(lab: Lab) -> None:
    """Half of a stream's datagrams are dropped on purpose: the count must say so."""
    drop = """
    table inet lose {
      chain forward {
        type filter hook forward priority -10; policy accept;
        ip saddr 10.88.1.20 udp length 108 numgen inc mod 2 0 drop
      }
    }
    """
    lab.gateway.run(["nft", "-f", "-"], text=drop)
    try:
        stream = Stream("lossy", lab.subscriber("home"), lab.internet)
        time.sleep(0.5)
        done = stream.stop()
    finally:
        lab.gateway.run(["nft", "delete", "table", "inet", "lose"])
    assert done.sent > 50
    assert abs(done.lost - done.sent / 2) <= 1


def test_labs_live_side_by_side_and_leave_nothing() -> None:
    with Lab(lines=(COMPANY,)) as one, Lab(lines=(COMPANY,)) as two:
        prefixes = (one.prefix, two.prefix)
        processes = [lab.internet.popen(["sleep", "60"], "sleep") for lab in (one, two)]
        folders = (one.folder, two.folder)
    assert not [name for name in netns.listnetns() if name.startswith(prefixes)]
    assert not any(process.running for process in processes)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_inside_still_cleans_up(error: type[BaseException]) -> None:
    lab = Lab(lines=(COMPANY,))
    with pytest.raises(error), lab:  # noqa: PT012 (the block is what is tested)
        process = lab.internet.popen(["sleep", "60"], "sleep")
        raise error
    assert not [name for name in netns.listnetns() if name.startswith(lab.prefix)]
    assert not process.running


def test_the_leftovers_of_a_killed_lab_are_swept() -> None:
    script = (
        "import os, signal\n"
        "from tests.lab.network import COMPANY, Lab\n"
        "with Lab(lines=(COMPANY,)) as lab:\n"
        "    print(lab.prefix, lab.internet.popen(['sleep', '60'], 'sleep').pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False)
    prefix, orphan = killed.stdout.split()
    left = {name for name in netns.listnetns() if name.startswith(prefix)}
    assert len(left) == 3
    sweep()
    assert not left & set(netns.listnetns())
    assert wait_until(lambda: not _runs(int(orphan)), 2.0)


def _runs(pid: int) -> bool:
    try:
        # A zombie, which some init has yet to collect, has an empty command line.
        return bool(Path("/proc", str(pid), "cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="run it as root"), Lab():
        pass
