"""The unit as shipped, run by a real systemd in the lab's gateway: what it allows, and what happens in trouble.

In order: the machine is started once, and each test leaves the service as it found it. What a machine without
control groups of its own cannot show is MemoryMax, TasksMax and DevicePolicy.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import make_pki
from tests.lab.gateway import NUMBER, registrations
from tests.lab.network import COMPANY, MOBILE, STRANGER, Lab
from tests.lab.openvpn import TLS_CRYPT, OpenVpnServer
from tests.lab.processes import wait_until
from tests.lab.service import HELP_DESK, SECRET, Service
from tests.lab.strongswan import IKEV2, IkeServer
from tests.lab.traffic import Exchange, Stream
from tests.lab.tunnels import Kind, attempt_all
from tests.lab.wireguard import WireGuardServer

STRANGER_ROW = f"C-7,company,{STRANGER.ip4.ip},,2026-01-01,,,,,,,,"
NET_ADMIN = f"{1 << 12:016x}"
"""CAP_NET_ADMIN alone, as /proc/PID/status shows a set of capabilities."""


@pytest.fixture(scope="module")
def installed(lab: Lab) -> Iterator[Service]:
    service = Service(lab)
    with service.machine:
        service.install()
        service.configure()
        yield service


@pytest.fixture(scope="module")
def wireguard(lab: Lab) -> WireGuardServer:
    return WireGuardServer(lab.internet)


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    """The service, running as configured at first."""
    if installed.property("ActiveState") != "active":
        code, said = installed.systemctl("start", "enforcer")
        assert code == 0, said + installed.machine.journal("enforcer")
    yield installed
    if installed.gateway.setup.rows != registrations():
        installed.gateway.setup.rows = registrations()
        installed.configure()
        installed.systemctl("reload", "enforcer")


def journal(service: Service) -> list[dict[str, object]]:
    """The daemon's own lines."""
    lines = service.machine.journal("enforcer", "_COMM=python3").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def logged(service: Service, event: str) -> list[dict[str, object]]:
    return [line for line in journal(service) if line["event"] == event]


def test_without_its_capability_it_does_not_start_and_says_so(installed: Service) -> None:
    folder = installed.machine.path("/run/systemd/system/enforcer.service.d")
    folder.mkdir(parents=True)
    lacking = folder / "lacking.conf"
    lacking.write_text("[Service]\nCapabilityBoundingSet=\nAmbientCapabilities=\n")
    try:
        installed.systemctl("daemon-reload")
        assert installed.systemctl("start", "enforcer")[0] != 0
        assert installed.property("ExecMainStatus") == "3"
        assert installed.property("ActiveState") == "failed"
        assert installed.property("NRestarts") == "0"
        assert "no CAP_NET_ADMIN" in str(logged(installed, "not_started")[-1]["message"])
    finally:
        lacking.unlink()
        installed.systemctl("daemon-reload")
        installed.systemctl("reset-failed", "enforcer")


def test_it_has_the_rights_the_unit_says_and_no_more(service: Service) -> None:
    pid = service.property("MainPID")
    status = service.status(pid)
    uid = service.machine.run(["id", "-u", "enforcer"]).stdout.strip()
    assert uid != "0"
    assert set(status["Uid"].split()) == {uid}
    assert [status[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [NET_ADMIN] * 5
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = service.machine.run(["cat", f"/proc/{pid}/limits"]).stdout
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    # The accounting listener: the same bounds, and nothing to tell the service manager with.
    (child,) = service.children()
    assert {service.status(child)[kind] for kind in ("CapBnd", "Seccomp", "NoNewPrivs")} == {NET_ADMIN, "1", "2"}
    environment = service.machine.run(["cat", f"/proc/{child}/environ"]).stdout
    assert "JOURNAL_STREAM=" in environment
    assert "NOTIFY_SOCKET" not in environment
    assert "WATCHDOG" not in environment


def test_it_sees_and_writes_only_its_own_folders(service: Service) -> None:
    pid = service.property("MainPID")

    def touch(path: str) -> str:
        # As root, in the service's view of the files: not even root may there.
        done = service.machine.run(["nsenter", "-t", pid, "-m", "touch", path], check=False)
        return done.stdout.strip()

    for path in (
        "/etc/x",
        "/etc/enforcer/x",
        "/usr/bin/x",
        "/var/x",
        "/opt/x",
        "/var/lib/x",
        "/run/x",
        "/run/lock/x",
    ):
        assert "Read-only file system" in touch(path), path
    for path in ("/var/lib/enforcer/x", "/var/log/enforcer/x", "/run/enforcer/x", "/tmp/x"):
        assert touch(path) == "", path
    assert not service.machine.path("/tmp/x").exists()
    for path in ("/var/lib/enforcer/x", "/var/log/enforcer/x", "/run/enforcer/x"):
        service.machine.path(path).unlink()
    modes = service.machine.run(
        ["stat", "-c", "%a %U %G %n", "/var/lib/enforcer", "/var/log/enforcer", "/run/enforcer/control.sock"]
    ).stdout.splitlines()
    assert modes == [
        "700 enforcer enforcer /var/lib/enforcer",
        "700 enforcer enforcer /var/log/enforcer",
        f"660 enforcer {HELP_DESK} /run/enforcer/control.sock",
    ]


def test_registered_tunnels_come_up_and_others_are_refused(service: Service, wireguard: WireGuardServer) -> None:
    lab = service.lab
    answer = service.account(
        f'Acct-Status-Type = Start\nAcct-Session-Id = "s-1"\nCalling-Station-Id = "{NUMBER}"\n'
        f'NAS-Identifier = "bras-1"\nEvent-Timestamp = {int(time.time())}\n'
        f"Framed-IP-Address = {MOBILE.ip4.ip}\n"
    )
    assert "Received Accounting-Response" in answer
    # Names were resolved under the sandbox: only then is IPsec refused.
    assert wait_until(lambda: "ipsec" in service.property("StatusText").partition(";")[0], 10)
    pki = make_pki(lab)
    ike = IkeServer(lab.internet, pki)
    rows = [
        Kind("WireGuard", "wireguard", "udp", wireguard.client),
        Kind("OpenVPN", "openvpn", "tcp", OpenVpnServer(lab.internet, pki, TLS_CRYPT, "tcp", 4).client),
        Kind("IKEv2", "ipsec", "udp", lambda node: ike.client(node, IKEV2, 4)),
    ]
    outcomes = attempt_all(rows, [lab.subscriber(name) for name in ("company", "mobile", "stranger")])
    for outcome in outcomes:
        name = f"{outcome.kind.name} of {outcome.subscriber}"
        if outcome.subscriber == "stranger":
            assert outcome.politely_refused, name
        else:
            assert outcome.up, name
            assert outcome.lost == 0, name
    assert {line["family"] for line in logged(service, "refused")} == {"wireguard", "openvpn", "ipsec"}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("enforcer.yaml", "mode: 'enforced': Input should be 'monitor' or 'enforce'"),
        ("registry.csv", "registry.csv:2: address:"),
    ],
    ids=["configuration", "list"],
)
def test_a_reload_of_something_broken_fails_and_changes_nothing(service: Service, broken: str, told: str) -> None:
    rules, pid = service.gateway.ruleset(), service.property("MainPID")
    path = service.machine.path(f"/etc/enforcer/{broken}")
    good = path.read_text()
    path.write_text(good.replace("mode: enforce", "mode: enforced").replace(str(COMPANY.ip4.ip), "198.51.100.300"))
    try:
        code, said = service.systemctl("reload", "enforcer")
        assert code != 0
        assert "Job for enforcer.service failed" in said
        assert told in service.machine.journal("enforcer")
        assert service.property("ActiveState") == "active"
        assert (service.gateway.ruleset(), service.property("MainPID")) == (rules, pid)
    finally:
        path.write_text(good)
    assert service.systemctl("reload", "enforcer") == (0, "")


def test_a_stalled_loop_is_restarted_and_nobody_notices(service: Service, wireguard: WireGuardServer) -> None:
    lab = service.lab
    before = service.property("MainPID")
    waits = int(service.property("WatchdogUSec").removesuffix("s")) + int(service.property("RestartUSec")[:-1])
    pings: list[Exchange] = []
    enough = threading.Event()
    with wireguard.client(lab.subscriber("company")) as tunnel:
        assert tunnel.is_up(5)

        def ping() -> None:
            while not enough.is_set():
                pings.append(tunnel.ping(5))

        pinging = threading.Thread(target=ping)
        pinging.start()
        stream = Stream("innocent", lab.subscriber("home"), lab.internet)
        begun = time.monotonic()
        service.machine.run(["systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", "enforcer"])
        try:
            assert wait_until(lambda: service.property("NRestarts") == "1", waits + 3, 0.2)
            restarted = time.monotonic() - begun
            assert wait_until(lambda: service.property("ActiveState") == "active", 20, 0.2)
            decided = time.monotonic() - begun
        finally:
            enough.set()
            pinging.join()
            innocent = stream.stop()
    assert innocent.complete, f"{innocent.lost} of {innocent.sent} innocent datagrams lost"
    assert sum(one.lost for one in pings) == 0
    assert sum(one.sent for one in pings) > 20
    print(f"\nstalled: restarted after {restarted:.1f} s, deciding after {decided:.1f} s; ", end="")
    print(f"{innocent.sent} innocent datagrams and {sum(one.sent for one in pings)} pings, none lost")
    assert service.property("MainPID") != before
    # What was learnt is still known, and what is refused is refused again.
    with wireguard.client(lab.subscriber("stranger")) as client:
        assert wait_until(client.icmp_prohibited, 5)
    # Where it was stuck is said. Last: what people noticed is counted first.
    said = service.machine.journal("enforcer", "_COMM=python3")
    assert re.search(r'File ".*daemon\.py", line \d+ in _loop$', said, re.MULTILINE)


def test_a_reload_is_waited_for(service: Service, wireguard: WireGuardServer) -> None:
    # The stranger's row vanishes with the test, and goes on counting in its grace.
    lab = service.lab
    service.gateway.setup.rows = (*registrations(), STRANGER_ROW)
    service.configure()
    assert service.systemctl("reload", "enforcer") == (0, "")
    # In force when systemctl returns, not some time later.
    assert (
        str(STRANGER.ip4.ip) in lab.gateway.run(["nft", "list", "set", "inet", "enforcer", "registered4"]).stdout
    )
    assert logged(service, "reloaded")[-1]["registrations"] == 4
    with wireguard.client(lab.subscriber("stranger")) as client:
        assert client.is_up(5)


def test_the_log_is_in_the_journal_with_priorities_and_names_nobody(service: Service) -> None:
    service.machine.run(["enforcer", "explain", str(STRANGER.ip4.ip)])
    lines = service.machine.journal("enforcer", "_COMM=python3", "--output=json").splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["MESSAGE"].startswith("{")]
    priorities = {json.loads(entry["MESSAGE"])["level"]: entry["PRIORITY"] for entry in entries}
    assert priorities.items() >= {"info": "6", "error": "3"}.items()
    # A bad row is quoted with its field, so that it can be put right.
    said = "\n".join(entry["MESSAGE"] for entry in entries if '"reload_refused"' not in entry["MESSAGE"])
    assert '"asked"' in said
    for line in (STRANGER, COMPANY, MOBILE):
        assert str(line.ip4.ip) not in said
        assert str(line.ip6.ip) not in said
    for known in (NUMBER, NUMBER[-10:], SECRET, str(service.lab.internet.ip4)):
        assert known not in said
    audit = service.machine.path("/var/log/enforcer/audit.jsonl").read_text()
    assert str(STRANGER.ip4.ip) in audit
    shown = service.machine.run(["enforcer", "log", "--event", "refused", "--family", "ipsec"]).stdout.splitlines()
    assert shown
    assert all("INFO     refused: refused ipsec " in line for line in shown)


def test_a_stop_leaves_nothing_in_the_kernel_and_keeps_what_was_learnt(service: Service) -> None:
    code, said = service.systemctl("stop", "enforcer")
    assert code == 0, said
    assert service.property("Result") == "success"
    assert "enforcer" not in service.gateway.ruleset()
    assert not service.machine.path("/run/enforcer").exists()
    kept = {path.name for path in service.machine.path("/var/lib/enforcer").iterdir()}
    assert kept >= {"registry.json", "sessions.sqlite", "exempt.json"}
    assert [line["event"] for line in journal(service)[-2:]] == ["stopping", "stopped"]


def test_a_configuration_that_is_wrong_is_said_and_not_tried_again(installed: Service) -> None:
    path: Path = installed.machine.path("/etc/enforcer/key")
    installed.machine.run(["chown", "root", "/etc/enforcer/key"])
    try:
        assert installed.systemctl("start", "enforcer")[0] != 0
        assert installed.property("ExecMainStatus") == "1"
        assert installed.property("ActiveState") == "failed"
        assert "run: chown enforcer /etc/enforcer/key" in str(logged(installed, "not_started")[-1]["message"])
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        installed.machine.run(["chown", "enforcer", "/etc/enforcer/key"])
        installed.systemctl("reset-failed", "enforcer")
