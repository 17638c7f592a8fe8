"""The daemon's life: it leaves nothing behind, touches nothing of the operator's, and its end harms nobody."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.lab.gateway import ENFORCER, Gateway, Setup, registrations
from tests.lab.network import COMPANY, STRANGER, Lab
from tests.lab.processes import wait_until
from tests.lab.traffic import Exchange, Stream
from tests.lab.wireguard import WireGuardServer

STRANGER_ROW = f"C-7,company,{STRANGER.ip4.ip},,2026-01-01,,,,,,,,"


@pytest.fixture
def fresh() -> Iterator[Lab]:
    """A lab of the test's own: its ruleset is looked at."""
    with Lab() as made:
        yield made


OPERATORS = {
    "nothing": ("true",),
    "empty security tables": ("nft", "add table ip security; add table ip6 security"),
    "a rule in the security table": (
        *("iptables-nft", "-t", "security", "-A", "FORWARD"),
        *("-s", "192.0.2.0/24", "-j", "DROP"),
    ),
}


@pytest.mark.parametrize("already_there", OPERATORS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_every_rule_goes_with_the_daemon(fresh: Lab, already_there: str, end: signal.Signals) -> None:
    fresh.gateway.run(OPERATORS[already_there])
    gateway = Gateway(fresh, Setup(wifi_calling=False))
    before = gateway.ruleset()
    gateway.start()
    assert "table inet enforcer" in gateway.ruleset()
    gateway.process.signal(end)
    assert wait_until(lambda: not gateway.process.running, 10)
    assert gateway.ruleset() == before
    gateway.stop()


@pytest.mark.parametrize("already_there", ["nothing", "a rule in the security table"])
def test_what_a_killed_daemon_left_is_cleaned_by_the_next(fresh: Lab, already_there: str) -> None:
    fresh.gateway.run(OPERATORS[already_there])
    killed = Gateway(fresh, Setup(wifi_calling=False))
    before = killed.ruleset()
    killed.start()
    running = killed.ruleset()
    killed.kill()
    assert killed.ruleset() == running
    again = Gateway(fresh, Setup(wifi_calling=False))
    again.start()
    assert again.ruleset() == running
    again.process.signal(signal.SIGTERM)
    assert wait_until(lambda: not again.process.running, 10)
    assert again.ruleset() == before


def test_rules_that_another_program_flushed_are_put_back(fresh: Lab) -> None:
    gateway = Gateway(fresh)
    before = gateway.ruleset()
    with gateway:
        rules = sorted(gateway.ruleset().splitlines())
        # What a restart of Debian's nftables.service does.
        fresh.gateway.run(["nft", "-f", "-"], text=f"flush ruleset\n{before}")
        assert wait_until(lambda: sorted(gateway.ruleset().splitlines()) == rules, 15)
        assert "took rules of ours out of the kernel" in gateway.log()
        with WireGuardServer(fresh.internet).client(fresh.subscriber("stranger")) as client:
            assert wait_until(client.icmp_prohibited, 5)


def test_a_second_daemon_is_refused_and_the_first_goes_on(fresh: Lab) -> None:
    with Gateway(fresh) as gateway:
        rules = gateway.ruleset()
        done = fresh.gateway.run([str(ENFORCER), "run", "--config", str(gateway.config)], check=False)
        assert done.returncode == 3
        assert "queue 4700 cannot be bound" in done.stdout
        assert gateway.ruleset() == rules
        with WireGuardServer(fresh.internet).client(fresh.subscriber("stranger")) as client:
            assert wait_until(client.icmp_prohibited, 5)


def test_a_port_in_use_is_said_and_nothing_is_left(fresh: Lab) -> None:
    gateway = Gateway(fresh)
    before = gateway.ruleset()
    with fresh.gateway.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 9469))
        taken.listen()
        done = fresh.gateway.run([str(ENFORCER), "run", "--config", str(gateway.config)], check=False)
    assert done.returncode == 3
    assert "metrics.listen 127.0.0.1:9469: Address already in use" in done.stdout
    assert gateway.ruleset() == before


def test_marks_of_the_operators_survive_and_their_rules_are_not_skipped(fresh: Lab) -> None:
    # The lowest three bits of the default mask are ours; the operator here sets every other one it can.
    rules = """
    table inet accounting {
      counter filtered { }
      counter kept { }
      chain marking {
        type filter hook prerouting priority mangle
        meta mark set 0xf8ffffff
      }
      chain filtering {
        type filter hook forward priority filter
        udp dport 51820 counter name filtered
      }
      chain accounting {
        type filter hook postrouting priority srcnat
        udp dport 51820 meta mark 0xf8ffffff counter name kept
      }
    }
    """
    fresh.gateway.run(["nft", "-f", "-"], text=rules)
    with Gateway(fresh) as gateway, WireGuardServer(fresh.internet).client(fresh.subscriber("home")) as client:
        assert client.is_up(10)
        assert ("wireguard", "accept", "no_route") in gateway.decisions()
        listed = fresh.gateway.run(["nft", "list", "counters", "table", "inet", "accounting"]).stdout
    packets = [line.split()[1] for line in listed.splitlines() if line.strip().startswith("packets")]
    assert len(packets) == 2
    assert packets[0] == packets[1] != "0", listed


def test_registering_frees_within_two_seconds_whatever_was_rejected_before(
    fresh: Lab,
) -> None:
    with Gateway(fresh) as gateway:
        server = WireGuardServer(fresh.internet)
        with server.client(fresh.subscriber("stranger")) as client:
            assert wait_until(client.icmp_prohibited, 5)
            gateway.setup.rows = (*registrations(), STRANGER_ROW)
            begin = time.monotonic()
            gateway.reload()
            assert time.monotonic() - begin < 2
            # WireGuard tries again every 5 s.
            assert client.is_up(7)


def test_an_entry_that_vanishes_stays_for_its_grace_and_a_revocation_ends_it(fresh: Lab) -> None:
    with Gateway(fresh) as gateway:
        server = WireGuardServer(fresh.internet)
        gateway.setup.rows = (STRANGER_ROW,)
        gateway.reload()
        with server.client(fresh.subscriber("company")) as client:
            assert client.is_up(5), gateway.log()
        assert gateway.metrics()["enforcer_registry_entries", (("status", "grace"),)] >= 1
        revoked = f"{registrations()[0]}\n,,,,,,,,,C-1,returned,2026-01-02,2026-01-03"
        gateway.setup.rows = (*registrations()[1:], revoked)
        gateway.reload()
        with server.client(fresh.subscriber("company")) as client:
            assert wait_until(client.icmp_prohibited, 5)
        assert ("wireguard", "reject", "registration_revoked") in gateway.decisions()


def test_a_bad_reload_changes_nothing_and_is_told(fresh: Lab) -> None:
    with Gateway(fresh) as gateway:
        gateway.setup.rows = ("C-1,company,198.51.100.300,,2026-01-01,,,,,,,,",)
        gateway.write()
        rules = gateway.ruleset()
        gateway.process.signal(signal.SIGHUP)
        assert gateway.process.wait_for("reload refused", 5)
        assert "registry.csv:2:" in gateway.log()
        assert gateway.ruleset() == rules
        metrics = gateway.metrics()
        assert metrics["enforcer_config_last_reload_successful", ()] == 0
        assert metrics["enforcer_config_reloads_total", (("result", "failure"),)] == 1
        with WireGuardServer(fresh.internet).client(fresh.subscriber("company")) as client:
            assert client.is_up(5)


def test_monitor_becomes_enforce_and_back_by_reload(fresh: Lab) -> None:
    with Gateway(fresh, Setup(mode="monitor")) as gateway:
        server = WireGuardServer(fresh.internet)
        stranger = fresh.subscriber("stranger")
        with server.client(stranger) as client:
            assert client.is_up(5)
            gateway.setup.mode = "enforce"
            gateway.reload()
            assert client.ping(3).complete, "a tunnel that was up was cut"
        with server.client(stranger) as client:
            assert wait_until(client.icmp_prohibited, 5)
        gateway.setup.mode = "monitor"
        gateway.reload()
        assert "reject with" not in gateway.ruleset()
        with server.client(stranger) as client:
            assert client.is_up(5)


@contextmanager
def flood(lab: Lab, seconds: float) -> Iterator[Callable[[], int]]:
    """WireGuard initiations from the home line, as fast as one thread sends, at most 200,000."""
    initiation = b"\x01\0\0\0" + bytes(range(1, 129)) + bytes(16)
    sent = [0]
    stop = threading.Event()

    def send() -> None:
        with lab.subscriber("home").socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            deadline = time.monotonic() + seconds
            while not stop.is_set() and time.monotonic() < deadline and sent[0] < 200_000:
                sender.sendto(initiation, (lab.internet.ip4, 9))
                sent[0] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: sent[0]
    finally:
        stop.set()
        thread.join()


class Bystanders:
    """An innocent stream and a registered tunnel with pings through it, running while something happens."""

    def __init__(self, lab: Lab) -> None:
        self._stream = Stream("innocent", lab.subscriber("home"), lab.internet)
        self._tunnel = WireGuardServer(lab.internet).client(lab.subscriber("company"))
        self._tunnel.start()
        assert self._tunnel.is_up(5)
        self._pings: list[Exchange] = []
        self._thread = threading.Thread(target=lambda: self._pings.append(self._tunnel.ping(20)))
        self._thread.start()

    def unharmed(self) -> None:
        """Nothing of either was lost."""
        self._thread.join()
        stream = self._stream.stop()
        self._tunnel.stop()
        assert stream.complete, f"{stream.lost} of {stream.sent} innocent datagrams lost"
        assert self._pings[0].complete, f"{self._pings[0].lost} of {self._pings[0].sent} pings lost"


def test_a_killed_daemon_harms_nobody_and_stops_nobody(fresh: Lab) -> None:
    gateway = Gateway(fresh)
    gateway.start()
    bystanders = Bystanders(fresh)
    gateway.kill()
    server = WireGuardServer(fresh.internet, fresh.next_port())
    with server.client(fresh.subscriber("stranger")) as client:
        assert client.is_up(7), "with nobody listening the kernel must let pass"
    with server.client(fresh.subscriber("home")) as client:
        assert client.is_up(7)
    bystanders.unharmed()


def test_a_stopped_daemon_and_a_flood_harm_nobody(fresh: Lab) -> None:
    with Gateway(fresh, Setup(extra={"gateway": {"queue_length": 64}})) as gateway:
        bystanders = Bystanders(fresh)
        gateway.process.signal(signal.SIGSTOP)
        with flood(fresh, 4) as sent:
            assert wait_until(lambda: sent() > 1000, 3)
            # The queue is full: what comes now fails open, and comes up.
            with WireGuardServer(fresh.internet, fresh.next_port()).client(fresh.subscriber("home")) as client:
                assert client.is_up(7)
        bystanders.unharmed()
        gateway.process.signal(signal.SIGCONT)
        queues = {name: value for (name, labels), value in gateway.metrics().items() if "queue_dropped" in name}
        assert queues
        assert sum(queues.values()) == 0, queues


def test_a_flood_on_a_working_daemon_harms_nobody(fresh: Lab) -> None:
    with Gateway(fresh) as gateway:
        bystanders = Bystanders(fresh)
        with flood(fresh, 3) as sent:
            time.sleep(3)
        bystanders.unharmed()
        assert sent() > 1000
        assert gateway.decisions()["wireguard", "accept", "no_route"] > 0


def test_several_queues_share_the_flows(fresh: Lab) -> None:
    with Gateway(fresh, Setup(extra={"gateway": {"queues": 4}})) as gateway:
        server = WireGuardServer(fresh.internet)
        for name, comes_up in (("company", True), ("home", True), ("stranger", False)):
            with server.client(fresh.subscriber(name)) as client:
                assert wait_until(client.icmp_prohibited, 5) if not comes_up else client.is_up(5)
        numbers = {
            dict(labels)["queue"] for (name, labels) in gateway.metrics() if name == "enforcer_queue_packets"
        }
        assert numbers == {"4700", "4701", "4702", "4703"}


def test_the_list_file_is_not_touched(fresh: Lab) -> None:
    with Gateway(fresh) as gateway:
        path = gateway.folder / "registry.csv"
        before = path.read_bytes(), path.stat().st_mtime_ns
        gateway.reload()
    assert COMPANY.ip4.ip.compressed.encode() in before[0]
    assert path.read_bytes() == before[0]
