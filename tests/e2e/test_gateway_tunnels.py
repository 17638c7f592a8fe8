"""Real clients of every variant meet the real daemon on real NFQUEUE."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import make_pki
from tests.lab.gateway import Gateway, Setup
from tests.lab.network import EPDG, Lab, Node
from tests.lab.openvpn import TLS_CRYPT, TLS_PLAIN, OpenVpnServer, point_to_point
from tests.lab.pki import Pki
from tests.lab.processes import wait_until
from tests.lab.strongswan import IKEV2, IkeServer
from tests.lab.variants import TUNNELS, Tunnel
from tests.lab.vpn import VpnClient
from tests.lab.wireguard import WireGuardServer

UP = 10.0


@pytest.fixture(scope="module")
def rsa(lab: Lab) -> Pki:
    return make_pki(lab, use_rsa=True)


@pytest.fixture(scope="module")
def enforcing(lab: Lab) -> Iterator[Gateway]:
    with Gateway(lab) as gateway:
        yield gateway


def is_refused_and_told(client: VpnClient) -> None:
    with client:
        assert wait_until(lambda: client.refusal() is not None, UP), client.client_log()[-2000:]
        assert not client.is_up(0.5)
        if client.transport == "udp":
            assert client.icmp_prohibited()
        else:
            assert "reset" in str(client.refusal()).lower()


def comes_up(client: VpnClient) -> None:
    with client:
        assert client.is_up(UP), client.client_log()[-2000:]
        assert client.ping(3).complete
        assert not client.icmp_prohibited()


@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: tunnel.name)
def test_enforce_refuses_the_unregistered_and_tells_them_and_lets_the_registered_pass(
    lab: Lab, rsa: Pki, enforcing: Gateway, tunnel: Tunnel
) -> None:
    with tunnel.server(lab, rsa) as client:
        before = enforcing.handshakes()
        comes_up(client(lab.subscriber("company")))
        between = enforcing.handshakes()
        is_refused_and_told(client(lab.subscriber("stranger")))
        after = enforcing.handshakes()
    family = tunnel.family
    assert between[family, "registered"] > before[family, "registered"]
    assert between[family, "queued"] == before[family, "queued"], "a registered user's packet was queued"
    # The kernel alone rejects a 5-tuple that was rejected a moment ago: IKE always uses the same.
    assert rejections(after, family) > rejections(between, family)
    assert enforcing.decisions()[family, "reject", "not_registered"] > 0


def rejections(handshakes: dict[tuple[str, str], float], family: str) -> float:
    return handshakes[family, "rejected"] + handshakes[family, "rejected_again"]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("subscriber", ["mobile", "home"])
def test_a_registered_number_and_a_line_without_a_route_come_up(
    lab: Lab, enforcing: Gateway, subscriber: str, version: int
) -> None:
    server = WireGuardServer(lab.internet, lab.next_port())
    comes_up(server.client(lab.subscriber(subscriber), version))
    reasons = {(action, reason) for _, action, reason in enforcing.decisions()}
    assert subscriber == "mobile" or ("accept", "no_route") in reasons
    server.stop()


def test_static_key_mode_has_no_signature_and_is_not_detected(lab: Lab, rsa: Pki, enforcing: Gateway) -> None:
    before = enforcing.decisions()
    comes_up(point_to_point(lab.subscriber("stranger"), lab.internet, rsa, "static-key"))
    assert enforcing.decisions() == before


@pytest.mark.parametrize(("inside", "passes"), [("company", True), ("stranger", False)])
def test_an_outside_initiator_meets_the_subscribers_registration(
    lab: Lab, enforcing: Gateway, inside: str, passes: bool
) -> None:
    server = WireGuardServer(lab.subscriber(inside), lab.next_port())
    client = server.client(lab.internet)
    if passes:
        comes_up(client)
    else:
        is_refused_and_told(client)
    server.stop()
    assert enforcing.process.running


def test_a_client_with_a_wrong_clock_is_refused_at_the_servers_answer(
    lab: Lab, rsa: Pki, enforcing: Gateway
) -> None:
    """One packet with a net_time far from now is no proof; with the server's answer it is."""
    server = OpenVpnServer(lab.internet, rsa, TLS_CRYPT, "udp")
    client = server.client(lab.subscriber("stranger"), clock="+2h")
    dropped = enforcing.handshakes()["openvpn", "answer_dropped"]
    is_refused_and_told(client)
    assert enforcing.handshakes()["openvpn", "answer_dropped"] > dropped
    comes_up(server.client(lab.subscriber("company"), clock="+2h"))
    server.stop()


def test_wifi_calling_passes_with_nothing_registered(lab: Lab, rsa: Pki, enforcing: Gateway) -> None:
    server = IkeServer(lab.internet, rsa)
    is_refused_and_told(server.client(lab.subscriber("stranger"), IKEV2))
    exempt = enforcing.handshakes()["ipsec", "exempt"]
    comes_up(server.client(lab.subscriber("stranger"), IKEV2, remote=str(EPDG.ip)))
    assert enforcing.handshakes()["ipsec", "exempt"] > exempt
    server.stop()


@pytest.fixture(scope="module")
def monitor_lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def monitoring(monitor_lab: Lab) -> Iterator[Gateway]:
    with Gateway(monitor_lab, Setup(mode="monitor")) as gateway:
        yield gateway


@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: tunnel.name)
def test_monitor_lets_everything_come_up_and_reports_it(
    monitor_lab: Lab, monitoring: Gateway, tunnel: Tunnel
) -> None:
    key = tunnel.family, "would_reject", "not_registered"
    before = monitoring.decisions().get(key, 0)
    with tunnel.server(monitor_lab, make_pki(monitor_lab, use_rsa=True)) as client:
        comes_up(client(monitor_lab.subscriber("stranger")))
    assert monitoring.decisions()[key] > before
    assert not [action for _, action, _ in monitoring.decisions() if action == "reject"]


def test_monitor_keeps_no_rule_that_could_reject(monitoring: Gateway) -> None:
    assert "reject with" not in monitoring.ruleset()
    assert "refused" not in monitoring.log()


def test_ipsec_without_known_wifi_calling_stays_in_monitor_loudly() -> None:
    with Lab() as lab, Gateway(lab, Setup(wifi_calling=False)) as gateway:
        assert "IPSEC IS NOT ENFORCED" in gateway.log()
        assert gateway.metrics()["enforcer_enforcing", (("protocol", "ipsec"),)] == 0
        assert gateway.metrics()["enforcer_enforcing", (("protocol", "wireguard"),)] == 1
        server = IkeServer(lab.internet, make_pki(lab, use_rsa=True))
        comes_up(server.client(lab.subscriber("stranger"), IKEV2))
        assert gateway.decisions()["ipsec", "would_reject", "not_registered"] > 0
        is_refused_and_told(WireGuardServer(lab.internet).client(lab.subscriber("stranger")))


def test_behind_address_translation(nat_lab: Lab) -> None:
    """The gateway sees subscribers' own addresses: its rules stand before its masquerade."""
    with Gateway(nat_lab):
        wireguard = WireGuardServer(nat_lab.internet)
        openvpn = OpenVpnServer(nat_lab.internet, make_pki(nat_lab), TLS_PLAIN, "tcp")
        for make in (wireguard.client, openvpn.client):
            comes_up(_at(make, nat_lab.subscriber("mobile")))
            is_refused_and_told(_at(make, nat_lab.subscriber("stranger")))


def _at(make: object, node: Node) -> VpnClient:
    client: VpnClient = make(node)  # type: ignore[operator]
    return client


def test_silence_by_configuration() -> None:
    with Lab() as lab, Gateway(lab, Setup(extra={"gateway": {"reject": "drop"}})) as gateway:
        server = WireGuardServer(lab.internet)
        with server.client(lab.subscriber("stranger")) as client:
            assert not client.is_up(3)
            assert client.refusal() is None
        assert gateway.handshakes()["wireguard", "rejected"] > 0
