"""Known numbers, addresses and destinations go through the gateway; afterwards they are looked for everywhere.

Everywhere is: the log, the commands' errors, the metrics, every file the daemon writes, the kernel's ruleset, and
what a core dump of any of its processes would hold. What may be found is stated in ALLOWED with its reason, and
each entry that ends is tested to end.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_STREAM

import pytest

from enforcer.observe.recent import KEPT
from tests.lab import traces
from tests.lab.clock import Clock
from tests.lab.gateway import Gateway, Setup
from tests.lab.network import Lab, Line, Node
from tests.lab.openvpn import TLS_PLAIN, OpenVpnServer
from tests.lab.pki import Pki
from tests.lab.processes import wait_until
from tests.lab.traffic import Responder, ask, udp_pair
from tests.lab.wireguard import WireGuardServer
from tests.unit.fingerprints import builders


def _line(name: str, ip4: str, ip6: str) -> Line:
    near4, near6 = IPv4Interface(ip4), IPv6Interface(ip6)
    first4, first6 = near4.network.network_address + 1, near6.network.network_address + 1
    return Line(
        name, near4, near6, IPv4Interface(f"{first4}/{near4.network.prefixlen}"), IPv6Interface(f"{first6}/64")
    )


# No octet of these comes from elsewhere: what is found is theirs.
COMPANY = _line("company", "172.23.157.91/25", "2001:db8:a9c3:51e7:d4b2:73f5:19ce:86a1/64")
STRANGER = _line("stranger", "172.27.201.149/25", "2001:db8:7f3d:c8a5:9e61:b37c:f2d4:4a87/64")
MOBILE = _line("mobile", "100.91.203.117/24", "2001:db8:e4b1:36d9:5c8a:17e2:93bf:d06c/64")
HOME = _line("home", "10.183.94.211/24", "2001:db8:c25e:d187:a6f9:4e3b:78d1:b59c/64")
INTERNET = _line("internet", "203.0.113.199/24", "2001:db8:f:b3c1:7d5e:29fa:6c84:e1b7/64")
GUEST, GUEST_PREFIX = "100.91.203.174", "2001:db8:b96f:8ad3::/64"
"""What a session holds whose number is not registered, until it ends."""

REGISTERED, UNREGISTERED = "+923214987653", "+923459162738"
FORGED, MISTYPED, ASKED = "+923127845936", "+923358416972", "+923496271583"
MISTYPED_ADDRESS = "172.29.186.233"

TTL = 600
"""Seconds a session is live, and is remembered for when it has ended."""

REMEMBERED = 2
"""Seconds the kernel rejects by itself; 60 where nothing is configured."""

VALUES: dict[str, Callable[[str], Iterator[traces.Spelling]]] = {
    "registered address": lambda name: traces.address(name, str(COMPANY.ip4.ip)),
    "registered address, IPv6": lambda name: traces.address(name, str(COMPANY.ip6.ip)),
    "registered holder's address": lambda name: traces.address(name, str(MOBILE.ip4.ip)),
    "refused address": lambda name: traces.address(name, str(STRANGER.ip4.ip)),
    "refused address, IPv6": lambda name: traces.address(name, str(STRANGER.ip6.ip)),
    "address on a line without a route": lambda name: traces.address(name, str(HOME.ip4.ip)),
    "address on a line without a route, IPv6": lambda name: traces.address(name, str(HOME.ip6.ip)),
    "unregistered holder's address": lambda name: traces.address(name, GUEST),
    "unregistered holder's prefix": lambda name: traces.prefix(name, GUEST_PREFIX),
    "address in a bad row": lambda name: traces.address(name, MISTYPED_ADDRESS),
    "destination": lambda name: traces.address(name, str(INTERNET.ip4.ip)),
    "destination, IPv6": lambda name: traces.address(name, str(INTERNET.ip6.ip)),
    "registered number": lambda name: traces.number(name, REGISTERED, "92"),
    "unregistered number": lambda name: traces.number(name, UNREGISTERED, "92"),
    "number of a forged message": lambda name: traces.number(name, FORGED, "92"),
    "number in a bad row": lambda name: traces.number(name, MISTYPED, "92"),
    "number asked about": lambda name: traces.number(name, ASKED, "92"),
}

REGISTERED_ONES = ("registered address", "registered address, IPv6", "registered holder's address")

ALLOWED: dict[str, tuple[tuple[str, ...], str]] = {
    "memory": (REGISTERED_ONES, "the list's addresses, and those of live sessions of registered holders"),
    "ruleset": (REGISTERED_ONES, "the kernel's sets of the registered: their packets never reach the daemon"),
    "memory.json": (
        ("registered address", "registered address, IPv6"),
        "the list, so that its entries get their grace",
    ),
    "sessions.sqlite": (("registered holder's address",), "sessions of registered holders, over a restart"),
    "what": (("address in a bad row",), "`reload` and `check` show whoever asked the row that is wrong"),
    "audit.jsonl": (("refused address",), "who asked about whom: for auditors, readable by root alone"),
}
"""By place, what may be found there once the ten minutes are over, and why. Nothing anywhere else, at any time but
the times in WHILE."""

WHILE = {
    "refused address": "ten minutes: the help desk explains refusals from memory",
    "refused address, IPv6": "the same",
    "address on a line without a route": "ten minutes: the flows of handshakes seen, to connect their answers",
    "address on a line without a route, IPv6": "the same",
    "unregistered holder's address": "as long as the session, and its time to live after: late reports are known",
    "unregistered holder's prefix": "the same",
    "destination": "ten minutes at most, with the flows; one minute in the kernel's set of what it rejects",
    "destination, IPv6": "the same",
}
"""What the daemon's memory may hold besides, and until when."""

REJECTED = ("refused address", "refused address, IPv6", "destination", "destination, IPv6")
"""What the kernel's set of what it rejects holds for gateway.remember_rejected."""


@dataclass
class Driven:
    """A gateway through which everything went, and what was looked at meanwhile."""

    lab: Lab
    gateway: Gateway
    mode: str
    search: traces.Search
    clock: Clock
    kept: Path
    before: dict[str, bytes] = field(default_factory=dict)
    during: dict[str, dict[str, str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def memories(self) -> dict[str, bytes]:
        """The memory of each of the daemon's processes, in the order in which they were started."""
        processes = traces.family(self.gateway.process.pid)
        return {f"memory {place}": traces.memory(pid) for place, pid in enumerate(processes)}

    def look(self) -> dict[str, dict[str, str]]:
        """What is found now, by place: memories, ruleset, metrics, log, commands' output, and every file."""
        places = {
            **self.memories(),
            "ruleset": self.lab.gateway.run(["nft", "list", "ruleset"]).stdout.encode(),
            "metrics": str(self.gateway.metrics()).encode(),
            "log": self.gateway.log().encode(),
            **{f"what {what} said": text.encode() for what, text in self.said.items()},
        }
        for folder in (self.gateway.folder, self.kept):
            for path in folder.iterdir():
                # The list is the operator's own.
                if path.is_file() and path.name != "registry.csv":
                    places[path.name] = path.read_bytes()
        return {place: self.search.found(data, self.before.get(place, b"")) for place, data in places.items()}

    def account(self, status: str, session: str, number: str, *more: str, secret: str = "a secret") -> str:
        """Send one accounting message; what radclient printed."""
        lines = [
            f"Acct-Status-Type = {status}", f'Acct-Session-Id = "{session}"', f'Calling-Station-Id = "{number}"',
            'NAS-Identifier = "bras-1"', f"Event-Timestamp = {int(time.time())}", *more,
        ]  # fmt: skip
        command = ["radclient", "-x", "-r", "1", "-t", "1", "127.0.0.1:1813", "acct", secret]
        return self.lab.gateway.run(command, check=False, text="\n".join(lines) + "\n").stdout


@pytest.fixture(scope="module", params=["enforce", "monitor"])
def driven(request: pytest.FixtureRequest) -> Iterator[Driven]:
    mode = request.param
    with Lab(lines=(COMPANY, STRANGER, MOBILE, HOME), internet=INTERNET) as lab:
        kept = lab.new_folder("kept")
        secret = lab.new_folder("secret") / "bras"
        secret.touch(mode=0o600)
        secret.write_text("a secret\n")
        clock = Clock(lab.new_folder("clock"))
        setup = Setup(
            mode=mode, enforce=("wireguard", "openvpn"), rows=rows(), sessions={}, wifi_calling=False,
            extra={
                "sessions": {"file": None, "ttl": TTL, "snapshot": str(kept / "sessions.sqlite")},
                "radius": {
                    "listen": ["127.0.0.1:1813"],
                    "clients": [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}],
                },
                "gateway": {"remember_rejected": REMEMBERED},
                "control": {"socket": str(kept / "control.sock")},
                "audit": {"file": str(kept / "audit.jsonl")},
                "shadow": {"file": str(kept / "shadow.sqlite"), "period": 0},
            },
        )  # fmt: skip
        gateway = Gateway(lab, setup)
        search = traces.Search(spelling for name, spell in VALUES.items() for spelling in spell(name))
        made = Driven(lab, gateway, mode, search, clock, kept)
        ruleset = gateway.ruleset()
        with clock.for_programs():
            gateway.start()
        made.before = made.memories()
        drive(made)
        made.during = made.look()
        yield made
        if gateway.process.running:
            gateway.stop()
            assert gateway.ruleset() == ruleset


def rows(*more: str) -> tuple[str, ...]:
    """The list: the company's addresses, a freelancer's number."""
    return (
        f"C-1,company,{COMPANY.ip4.ip},,2026-01-01,,,,,,,,",
        f"C-2,company,{COMPANY.ip6.ip},,2026-01-01,,,,,,,,",
        f"F-1,freelancer,,{REGISTERED},2026-01-01,,,,,,,,",
        *more,
    )


def drive(driven: Driven) -> None:
    """Everything that a day brings: accounting, tunnels, lookalikes, other traffic, questions, mistakes."""
    lab, gateway = driven.lab, driven.gateway
    accepted = "Received Accounting-Response"
    mobile = f"Framed-IP-Address = {MOBILE.ip4.ip}"
    assert accepted in driven.account("Start", "one", REGISTERED, mobile)
    guest = (f"Framed-IP-Address = {GUEST}", f"Framed-IPv6-Prefix = {GUEST_PREFIX}")
    assert accepted in driven.account("Start", "two", UNREGISTERED, *guest)
    assert accepted not in driven.account("Start", "three", FORGED, mobile, secret="guess")

    with ThreadPoolExecutor(5) as pool:
        each = [pool.submit(tunnels, driven, who) for who in ("stranger", "company", "mobile")]
        each.append(pool.submit(other_traffic, lab.subscriber("home"), lab.internet))
        for done in each:
            done.result()

    driven.said["explain"] = gateway.command("explain", ASKED)
    assert "not on the list" in driven.said["explain"]
    asked = gateway.command("explain", str(STRANGER.ip4.ip))
    assert ("connection of your line was refused at" in asked) == (driven.mode == "enforce"), asked
    driven.said["status"] = gateway.command("status")
    driven.said["report"] = gateway.command("report", "--html", str(driven.kept / "report.html"))
    driven.said["report as JSON"] = gateway.command("report", "--json")

    gateway.setup.rows = rows(
        f"B-1,freelancer,,{MISTYPED}x,2026-01-01,,,,,,,,", f"B-2,company,{MISTYPED_ADDRESS}/99,,2026-01-01,,,,,,,,"
    )
    gateway.write()
    driven.said["a refused reload"] = gateway.command("reload")
    assert "reload refused" in driven.said["a refused reload"]
    assert "registry.csv:5" in driven.said["a refused reload"]
    driven.said["check"] = gateway.command("check")
    gateway.setup.rows = rows()
    gateway.write()
    driven.said["a reload"] = gateway.command("reload")


def tunnels(driven: Driven, who: str) -> None:
    """WireGuard over both IP versions, and OpenVPN over TCP, real ones; all up but a stranger's in enforce."""
    lab, node = driven.lab, driven.lab.subscriber(who)
    refused = who == "stranger" and driven.mode == "enforce"
    for version in (4, 6) if who != "mobile" else (4,):
        server = WireGuardServer(lab.internet, lab.next_port())
        with server.client(node, version) as client:
            assert wait_until(client.icmp_prohibited, 5) if refused else client.is_up(7), driven.gateway.log()
        server.stop()
    if who == "stranger":
        pki = Pki(lab.new_folder("pki"), (lab.internet.ip4, lab.internet.ip6), use_rsa=True)
        openvpn = OpenVpnServer(lab.internet, pki, TLS_PLAIN, "tcp", 6)
        with openvpn.client(node) as tcp:
            assert wait_until(lambda: tcp.refusal() is not None, 7) if refused else tcp.is_up(7)
        openvpn.stop()


def other_traffic(node: Node, internet: Node) -> None:
    """What is no tunnel, and what could be one: each family's first messages, candidates among them."""
    for version in (4, 6):
        client, listening = udp_pair(node, internet, node.lab.next_port(), version)
        with client, Responder(listening, lambda data, _: data):
            assert ask("echo", client, [b"hello"] * 5, lambda sent, got: sent == got).complete
            first = (
                builders.wg_initiation(), builders.wg_initiation(mac2=b"\x09" * 16), builders.ike_sa_init(),
                builders.ovpn_plain(7, builders.ovpn_body()), builders.ovpn_tls_auth(7, builders.ovpn_body(), 20),
            )  # fmt: skip
            for payload in first:
                ask("first message", client, [payload], lambda _sent, _got: True, timeout=0.3)
        kind = AF_INET6 if version == 6 else AF_INET
        with node.socket(kind, SOCK_STREAM) as plain, internet.socket(kind, SOCK_STREAM) as server:
            server.bind((internet.address(version), 0))
            server.listen()
            plain.connect(server.getsockname())
            plain.send(builders.framed(builders.ovpn_plain(7, builders.ovpn_body())))


def unexpected(found: Mapping[str, Mapping[str, str]], besides: Mapping[str, Sequence[str]]) -> list[str]:
    """What was found that must not be, by ALLOWED and, for a place's kind, ``besides``."""
    return [
        f"{place}: {name} {where}"
        for place, names in found.items()
        for name, where in names.items()
        for kind in (place.partition(" ")[0],)
        if name not in ALLOWED.get(kind, ((), ""))[0] and name not in besides.get(kind, ())
    ]


def test_the_search_finds_every_value_however_it_is_written(driven: Driven) -> None:
    for name, spell in VALUES.items():
        for spelling in spell(name):
            assert name in driven.search.found(b"before" + spelling.octets + b"after"), spelling


def test_meanwhile_only_memory_and_kernel_hold_what_they_need(driven: Driven) -> None:
    found = driven.during
    assert unexpected(found, {"memory": tuple(WHILE), "ruleset": REJECTED}) == []
    # The search sees them where they are said to be, so it would see them elsewhere.
    held = set(WHILE) - (set() if driven.mode == "enforce" else {"refused address"})
    assert held <= set(found["memory 0"])
    assert set(REGISTERED_ONES) <= set(found["memory 0"])
    # Accounting is all that the process beside it ever sees.
    assert set(found["memory 1"]) <= {name for name in VALUES if "holder" in name}
    assert "refused address" in found["audit.jsonl"]


def test_after_ten_minutes_nothing_is_left_but_the_registered(driven: Driven) -> None:
    assert "Received Accounting-Response" in driven.account("Stop", "two", UNREGISTERED)
    driven.clock.let_pass(max(KEPT, TTL) + 5)
    assert wait_until(lambda: not unexpected(driven.look(), {}), 5, interval=0.5), unexpected(driven.look(), {})


def test_a_crash_leaves_no_core_dump(driven: Driven) -> None:
    process = driven.gateway.process
    resource.prlimit(process.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process.signal(signal.SIGABRT)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGABRT)
