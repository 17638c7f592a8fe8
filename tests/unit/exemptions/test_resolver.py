"""Lookups against a real DNS server on loopback, and the threads that make them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from queue import Queue

import pytest

from enforcer.gateway import resolver
from enforcer.gateway.resolver import MAX_REPLACEMENTS, Found, Lookup, Refresher
from tests.unit.exemptions.dns_server import SILENT, SOA_TTL, DnsServer, Zone

EPDG = "epdg.epc.mnc001.mcc410.pub.3gppnetwork.org"
OTHER = "epdg.epc.mnc003.mcc410.pub.3gppnetwork.org"
COUNTRY = "epdg.epc.mcc410.visited-country.pub.3gppnetwork.org"
V4, V6 = ip_address("203.0.113.1").packed, ip_address("2001:db8::1").packed
BOTH = (("A", "203.0.113.1"), ("AAAA", "2001:db8::1"))


@pytest.fixture
def serve() -> Iterator[Callable[..., DnsServer]]:
    started: list[DnsServer] = []

    def start(zone: Zone, ttl: int = 300) -> DnsServer:
        started.append(DnsServer(zone, ttl).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__(None, None, None)


def lookup_at(server: DnsServer, monkeypatch: pytest.MonkeyPatch, per_second: float = 5000.0) -> Lookup:
    monkeypatch.setattr(resolver, "TIMEOUT", 0.3)
    lookup = Lookup(["127.0.0.1"], per_second)
    lookup._resolver.port = server.port
    return lookup


def naptr(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(("NAPTR", f'100 999 "" "" "" {name}.') for name in names)


def test_both_families_of_addresses_and_the_ttl(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({EPDG: BOTH}, ttl=77)
    assert lookup_at(server, monkeypatch).find(EPDG) == Found((V4, V6), 77.0, None)


def test_a_name_that_does_not_exist_costs_one_question_and_has_the_negative_ttl(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({})
    lookup = lookup_at(server, monkeypatch)
    assert lookup.find(EPDG) == Found((), float(SOA_TTL), None)
    assert lookup.find(COUNTRY) == Found((), float(SOA_TTL), None)
    assert server.asked == [(EPDG, "A"), (COUNTRY, "NAPTR")]
    assert lookup.questions == 2


def test_a_name_of_one_family_only(serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve({EPDG: (("AAAA", "2001:db8::1"),)}, ttl=1000)
    assert lookup_at(server, monkeypatch).find(EPDG) == Found((V6,), float(SOA_TTL), None)


def test_a_countrys_name_leads_to_the_networks_its_naptr_records_name(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({COUNTRY: naptr(EPDG, OTHER), EPDG: BOTH, OTHER: (("A", "203.0.113.9"),)})
    found = lookup_at(server, monkeypatch).find(COUNTRY)
    assert set(found.addresses) == {V4, V6, ip_address("203.0.113.9").packed}
    assert found.failure is None


def test_a_countrys_own_addresses_count_too(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({COUNTRY: BOTH})
    assert lookup_at(server, monkeypatch).find(COUNTRY).addresses == (V4, V6)


def test_replacements_are_bounded_and_do_not_lead_on(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"epdg.epc.mnc{number:03}.mcc410.pub.3gppnetwork.org" for number in range(MAX_REPLACEMENTS + 20)]
    server = serve({COUNTRY: naptr(*many)} | {name: naptr(OTHER) for name in many})
    lookup_at(server, monkeypatch).find(COUNTRY)
    assert server.asked.count((COUNTRY, "NAPTR")) == 1
    assert {kind for name, kind in server.asked if name != COUNTRY} == {"A", "AAAA"}
    assert len(server.asked) == 1 + 2 * (1 + MAX_REPLACEMENTS)


@pytest.mark.parametrize("failure", ["SERVFAIL", "REFUSED", SILENT])
def test_a_failure_is_no_answer(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    lookup = lookup_at(serve({EPDG: failure, COUNTRY: failure}), monkeypatch)
    for name in (EPDG, COUNTRY):
        found = lookup.find(name)
        assert found.addresses == ()
        assert name in str(found.failure)


def test_what_is_known_beside_a_failure_is_given_with_it(
    serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({COUNTRY: naptr(EPDG, OTHER), EPDG: BOTH, OTHER: "SERVFAIL"})
    found = lookup_at(server, monkeypatch).find(COUNTRY)
    assert found.addresses == (V4, V6)
    assert OTHER in str(found.failure)


def test_a_dead_server_is_a_failure_within_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with DnsServer({}) as server:
        lookup = lookup_at(server, monkeypatch)
    began = time.monotonic()
    assert lookup.find(OTHER).failure is not None
    assert time.monotonic() - began < 2


def test_questions_are_spread_over_time(serve: Callable[..., DnsServer], monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = lookup_at(serve({}), monkeypatch, per_second=50)
    began = time.monotonic()
    threads = [threading.Thread(target=lookup.find, args=(EPDG,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 9 / 50


class FakeLookup(Lookup):
    """Answers what it is told; names in ``dead`` block until ``release``."""

    def __init__(self, dead: frozenset[str] = frozenset()) -> None:
        super().__init__(["127.0.0.1"])
        self.release = threading.Event()
        self.dead = dead
        self.error: Exception | None = None

    def find(self, name: str) -> Found:
        if name in self.dead:
            self.release.wait(5)
            return Found(failure="TimeoutError")
        if self.error is not None:
            raise self.error
        return Found((V4,), 3600.0)


def refresher(lookup: Lookup, own: list[str], others: list[str]) -> tuple[Refresher, Queue[tuple[str, Found]]]:
    delivered: Queue[tuple[str, Found]] = Queue()
    return Refresher(own, others, lookup, lambda name, found: delivered.put((name, found))), delivered


def test_every_name_is_delivered_and_a_slow_one_holds_up_no_other() -> None:
    lookup = FakeLookup(frozenset({"dead-1", "dead-2"}))
    one, delivered = refresher(lookup, ["own"], ["dead-1", "dead-2", "a", "b", "c"])
    one.start()
    assert {delivered.get(timeout=2)[0] for _ in range(4)} == {"own", "a", "b", "c"}
    lookup.release.set()
    late = dict(delivered.get(timeout=2) for _ in range(2))
    assert set(late) == {"dead-1", "dead-2"}
    assert all(found.failure for found in late.values())
    assert one.failures == 2
    one.stop()


def test_nothing_is_delivered_after_stop() -> None:
    lookup = FakeLookup(frozenset({"dead"}))
    one, delivered = refresher(lookup, ["dead"], [])
    one.start()
    one.stop()
    lookup.release.set()
    time.sleep(0.1)
    assert delivered.empty()


def test_an_error_in_a_lookup_is_a_failure_of_that_name_only(caplog: pytest.LogCaptureFixture) -> None:
    lookup = FakeLookup()
    lookup.error = KeyError("odd record")
    one, delivered = refresher(lookup, ["one", "two"], [])
    one.start()
    assert {delivered.get(timeout=2)[0] for _ in range(2)} == {"one", "two"}
    one.stop()
    assert "lookup failed" in caplog.text
