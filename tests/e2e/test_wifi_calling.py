"""Phones call over Wi-Fi in enforce mode with nothing registered: through DNS outages, moves and restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from enforcer.exemptions import Known
from enforcer.gateway.exempt_memory import restore, save
from enforcer.mobile_networks import wifi_calling_names, worlds_names
from tests.e2e.conftest import make_pki
from tests.lab.gateway import Gateway, Setup
from tests.lab.network import EPDG, RESOLVER, Lab
from tests.lab.phone import MobileDns, Phone
from tests.lab.processes import wait_until
from tests.lab.strongswan import IKEV2, IkeServer
from tests.lab.vpn import VpnClient

ROOT = "pub.3gppnetwork.org"
HOME = f"epdg.epc.mnc001.mcc410.{ROOT}"
EMERGENCY = f"sos.{HOME}"
COUNTRY = f"epdg.epc.mcc410.visited-country.{ROOT}"
NEIGHBOUR = f"epdg.epc.mnc003.mcc410.{ROOT}"
ABROAD = f"epdg.epc.mnc001.mcc262.{ROOT}"
"""A visitor's network, of which the gateway knows nothing at first."""

AT_HOME, AT_NEIGHBOUR, AT_ABROAD, MOVED = (EPDG.ip + number for number in range(4))
TTL = 5
REFRESH = 35.0
"""Seconds until a change is known at the latest here: the bounds of TTLs, and of retries after a short outage."""


class World:
    """The lab, with a gateway that enforces IPsec, an ePDG at several addresses, and the DNS that knows them."""

    def __init__(self, lab: Lab) -> None:
        for address in (AT_NEIGHBOUR, AT_ABROAD, MOVED):
            lab.internet.run(["ip", "address", "add", f"{address}/24", "dev", lab.internet.interface])
        self.dns = MobileDns(lab, TTL)
        self.epdg = IkeServer(lab.internet, make_pki(lab))
        self.phone = Phone(lab.subscriber("stranger"))
        exempt = {
            "wifi_calling": {"networks": ["410-01"]},
            "resolvers": [str(RESOLVER.ip)],
            "memory": "exempt.json",
        }
        self.gateway = Gateway(lab, Setup(wifi_calling=False, extra={"exempt": exempt}))
        self.memory = self.gateway.folder / "exempt.json"
        # The rest of the world was asked for before: at first that takes minutes.
        asked = set(worlds_names()) - set(wifi_calling_names("410-01")) - set(wifi_calling_names("262-01"))
        save(self.memory, {name: Known(time.time()) for name in asked})

    def serve(self, home: IPv4Address) -> None:
        hosts = {HOME: home, EMERGENCY: home, NEIGHBOUR: AT_NEIGHBOUR, ABROAD: AT_ABROAD}
        self.dns.start(hosts, {COUNTRY: [NEIGHBOUR]})

    def start(self) -> None:
        self.gateway.start()
        self.gateway.process.require("enforcing ipsec", 10)

    def call(self, address: IPv4Address | str) -> VpnClient:
        return self.phone.call(self.epdg, str(address))

    def rejected(self) -> float:
        handshakes = self.gateway.handshakes()
        return handshakes["ipsec", "rejected"] + handshakes["ipsec", "rejected_again"]

    def remembers(self, address: IPv4Address) -> bool:
        known = restore(self.memory, time.time()).known
        return any(address.packed in one.addresses for one in known.values())


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    made = World(lab)
    made.serve(AT_HOME)
    made.start()
    yield made
    made.gateway.stop()
    made.dns.kill()
    made.epdg.stop()


def comes_up(client: VpnClient) -> None:
    with client:
        assert client.is_up(8), client.client_log()[-2000:]
        assert not client.icmp_prohibited()


def is_refused(world: World, client: VpnClient) -> None:
    before = world.rejected()
    with client:
        assert not client.is_up(2), client.client_log()[-2000:]
    assert world.rejected() > before


@pytest.mark.parametrize("name", [EMERGENCY, HOME, NEIGHBOUR, ABROAD])
def test_a_phone_reaches_its_epdg_and_a_visitor_theirs(world: World, name: str) -> None:
    comes_up(world.call(world.phone.look_up(name)))


def test_ipsec_to_anywhere_else_is_refused(world: World) -> None:
    is_refused(world, world.epdg.client(world.phone.node, IKEV2))


def test_an_outage_of_dns_and_a_move_of_the_epdg_cut_nobody_off(world: World) -> None:
    before = world.gateway.metrics()
    world.dns.kill()
    failures = ("enforcer_exempt_lookup_failures_total", ())
    assert wait_until(lambda: world.gateway.metrics()[failures] > before[failures], 2 * 10)
    comes_up(world.call(AT_HOME))
    is_refused(world, world.call(MOVED))
    world.serve(MOVED)
    addresses = ("enforcer_exempt_addresses", ())
    assert wait_until(lambda: world.gateway.metrics()[addresses] > before[addresses], REFRESH)
    assert world.phone.look_up(HOME) == str(MOVED)
    comes_up(world.call(MOVED))
    # Phones hold on to what they looked up before.
    comes_up(world.call(AT_HOME))


def test_a_restart_while_dns_is_dead_remembers(world: World) -> None:
    # On disk while it runs: so a power cut is survived too.
    assert wait_until(lambda: world.remembers(MOVED), 20)
    world.dns.kill()
    world.gateway.stop()
    world.start()
    for address in (MOVED, AT_HOME, AT_NEIGHBOUR, AT_ABROAD):
        comes_up(world.call(address))
    is_refused(world, world.epdg.client(world.phone.node, IKEV2))


def test_a_reload_with_one_more_network_while_dns_is_dead_forgets_nothing(world: World) -> None:
    wifi_calling = {"networks": ["410-01", "410-06"]}
    exempt = {**world.gateway.setup.extra["exempt"], "wifi_calling": wifi_calling}
    world.gateway.setup.extra = {"exempt": exempt}
    # The names of 410-06 were answered before, as another network's: they count.
    world.gateway.reload()
    comes_up(world.call(MOVED))
    assert world.gateway.metrics()["enforcer_wifi_calling_known", ()] == 1
    assert world.gateway.metrics()["enforcer_exempt_names", (("whose", "own"),)] == 12
