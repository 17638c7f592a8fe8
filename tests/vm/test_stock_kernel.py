"""What only a stock kernel can show. Runs inside the virtual machine: `make vm`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import make_pki
from tests.e2e.test_gateway_tunnels import comes_up, is_refused_and_told
from tests.lab.gateway import Gateway
from tests.lab.kernel import has_esp, has_native_queue, has_wireguard
from tests.lab.network import Lab
from tests.lab.openvpn import TLS_CRYPT, TLS_PLAIN, OpenVpnServer
from tests.lab.strongswan import IKEV1_MAIN, IKEV2, Esp, IkeServer, IkeVariant
from tests.lab.wireguard import WireGuardServer


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Lab() as lab, Gateway(lab) as started:
        yield started


def test_the_kernel_has_what_the_others_show() -> None:
    assert has_native_queue()
    assert has_wireguard()
    assert has_esp()


def test_the_daemon_queues_by_nft_alone(gateway: Gateway) -> None:
    ruleset = gateway.ruleset()
    assert "queue flags bypass" in ruleset
    assert "NFQUEUE" not in gateway.lab.gateway.run(["iptables-save"]).stdout


@pytest.mark.parametrize("version", [4, 6])
def test_wireguard_of_the_kernel(gateway: Gateway, version: int) -> None:
    lab = gateway.lab
    server = WireGuardServer(lab.internet, lab.next_port())
    comes_up(server.client(lab.subscriber("company"), version))
    is_refused_and_told(server.client(lab.subscriber("stranger"), version))
    server.stop()


@pytest.mark.parametrize("variant", [IKEV1_MAIN, IKEV2], ids=lambda variant: variant.name)
@pytest.mark.parametrize("version", [4, 6])
def test_ipsec_of_the_kernel(gateway: Gateway, variant: IkeVariant, version: int) -> None:
    lab = gateway.lab
    server = IkeServer(lab.internet, make_pki(lab, use_rsa=True), Esp.KERNEL)
    seen = _native_esp(gateway)
    comes_up(server.client(lab.subscriber("company"), variant, version))
    assert _native_esp(gateway) > seen, "its data went as IP protocol 50, seen and counted"
    is_refused_and_told(server.client(lab.subscriber("stranger"), variant, version))
    server.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_openvpn(gateway: Gateway, transport: str) -> None:
    lab = gateway.lab
    server = OpenVpnServer(lab.internet, make_pki(lab), TLS_PLAIN if transport == "tcp" else TLS_CRYPT, transport)
    comes_up(server.client(lab.subscriber("company")))
    is_refused_and_told(server.client(lab.subscriber("stranger")))
    server.stop()


def test_ipsec_through_address_translation() -> None:
    """NAT traversal by the kernel: IKE moves to port 4500, its data goes as ESP in UDP (RFC 3948)."""
    with Lab(nat=True) as lab, Gateway(lab) as gateway:
        server = IkeServer(lab.internet, make_pki(lab, use_rsa=True), Esp.KERNEL)
        comes_up(server.client(lab.subscriber("mobile"), IKEV2))
        is_refused_and_told(server.client(lab.subscriber("stranger"), IKEV2))
        assert _native_esp(gateway) == 0
        server.stop()


def test_a_dead_daemon_stops_nobody(gateway: Gateway) -> None:
    with Lab() as lab:
        other = Gateway(lab)
        other.start()
        try:
            server = WireGuardServer(lab.internet, lab.next_port())
            is_refused_and_told(server.client(lab.subscriber("stranger")))
            other.kill()
            comes_up(server.client(lab.subscriber("stranger")))
            other.start()
            is_refused_and_told(server.client(lab.subscriber("stranger")))
            server.stop()
        finally:
            other.stop()
    assert gateway.process.running


def _native_esp(gateway: Gateway) -> float:
    return sum(
        value
        for (name, labels), value in gateway.metrics().items()
        if name == "enforcer_kernel_seen_packets_total" and ("kind", "native_esp") in labels
    )
