"""Sessions and registrations while the daemon runs: accounting by radclient, tunnels by real WireGuard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from tests.lab import freeradius, traces
from tests.lab.gateway import NUMBER, Gateway, Setup, registrations
from tests.lab.network import COMPANY, MOBILE, STRANGER, Lab
from tests.lab.processes import wait_until
from tests.lab.wireguard import WireGuardServer

SECRET = "a secret between the access server and the gateway"
OTHER_NUMBER = "03017654321"


class Live:
    """A gateway fed by accounting, with a control socket and an audit log."""

    def __init__(self, lab: Lab, secret_text: str = SECRET) -> None:
        self.lab = lab
        self._target = ("127.0.0.1:1813", secret_text)
        folder = lab.new_folder("live")
        self.control = folder / "control.sock"
        self.audit = folder / "audit.jsonl"
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(secret_text + "\n")
        extra: dict[str, dict[str, object]] = {
            "sessions": {"file": None, "snapshot": str(folder / "sessions.sqlite")},
            "radius": {
                "listen": ["127.0.0.1:1813"],
                "clients": [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}],
            },
            "control": {"socket": str(self.control)},
            "audit": {"file": str(self.audit)},
        }
        self.gateway = Gateway(lab, Setup(sessions={}, extra=extra))

    def through(self, target: str, secret: str) -> None:
        """Send accounting to another server from now on, which copies it to the gateway."""
        self._target = (target, secret)

    def account(self, status: str, session: str, number: str, *more: str, secret: str | None = None) -> str:
        """Send one accounting message with radclient; what it printed."""
        lines = [
            f'Acct-Status-Type = {status}', f'Acct-Session-Id = "{session}"', f'Calling-Station-Id = "{number}"',
            'NAS-Identifier = "bras-1"', f"Event-Timestamp = {int(time.time())}", *more,
        ]  # fmt: skip
        target, known = self._target
        arguments = ["radclient", "-x", "-r", "1", "-t", "2", target, "acct", secret or known]
        return self.lab.gateway.run(arguments, check=False, text="\n".join(lines) + "\n").stdout

    def hold(self, session: str, number: str, prefix6: bool = True) -> None:
        """Have a session start that holds the mobile line's addresses."""
        more = [f"Framed-IP-Address = {MOBILE.ip4.ip}"]
        if prefix6:
            more.append(f"Framed-IPv6-Prefix = {MOBILE.ip6.network}")
        # Event-Timestamp counts whole seconds, and two claims of one second are nobody's.
        time.sleep(1.1)
        assert "Received Accounting-Response" in self.account("Start", session, number, *more)

    def command(self, *arguments: str) -> str:
        return self.gateway.command(*arguments)

    def kernel_set(self, name: str) -> str:
        return self.lab.gateway.run(["nft", "list", "set", "inet", "enforcer", name]).stdout

    def audited(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]


@pytest.fixture(scope="module")
def live(lab: Lab) -> Iterator[Live]:
    made = Live(lab)
    with made.gateway:
        yield made


def try_tunnel(live: Live, version: int, passes: bool) -> None:
    server = WireGuardServer(live.lab.internet, live.lab.next_port())
    with server.client(live.lab.subscriber("mobile"), version) as client:
        if passes:
            assert client.is_up(7), live.gateway.log()
        else:
            assert wait_until(client.icmp_prohibited, 5), live.gateway.log()
    server.stop()


@pytest.mark.parametrize("version", [4, 6])
def test_an_address_passes_from_a_registered_holder_to_another_and_back(live: Live, version: int) -> None:
    live.hold(f"first-{version}", NUMBER)
    begin = time.monotonic()
    assert wait_until(lambda: str(MOBILE.ip4.ip) in live.kernel_set("registered4"), 2)
    assert time.monotonic() - begin < 1
    assert str(MOBILE.ip6.network.network_address) in live.kernel_set("registered6_64")
    try_tunnel(live, version, passes=True)

    live.hold(f"second-{version}", OTHER_NUMBER)
    assert wait_until(lambda: str(MOBILE.ip4.ip) not in live.kernel_set("registered4"), 1)
    try_tunnel(live, version, passes=False)

    live.hold(f"third-{version}", NUMBER)
    assert wait_until(lambda: str(MOBILE.ip4.ip) in live.kernel_set("registered4"), 1)
    try_tunnel(live, version, passes=True)


def test_nobody_is_refused_whose_session_is_not_known(live: Live) -> None:
    assert "Received Accounting-Response" in live.account("Accounting-Off", "", "")
    assert wait_until(lambda: str(MOBILE.ip4.ip) not in live.kernel_set("registered4"), 1)
    try_tunnel(live, 4, passes=True)
    assert ("wireguard", "accept", "mapping_missing") in live.gateway.decisions()


def test_a_wrong_secret_is_neither_answered_nor_believed(live: Live) -> None:
    said = live.account("Start", "forged", NUMBER, f"Framed-IP-Address = {MOBILE.ip4.ip}", secret="guess")
    assert "Received Accounting-Response" not in said
    assert str(MOBILE.ip4.ip) not in live.kernel_set("registered4")
    samples = live.gateway.metrics()
    refused = {labels for (name, labels) in samples if name == "enforcer_radius_datagrams_total"}
    assert any("authenticator" in dict(labels)["result"] for labels in refused), refused


def test_the_help_desk_asks_the_daemon_and_the_question_is_recorded(live: Live) -> None:
    server = WireGuardServer(live.lab.internet, live.lab.next_port())
    with server.client(live.lab.subscriber("stranger")) as client:
        assert wait_until(client.icmp_prohibited, 5)
    server.stop()
    said = live.command("explain", str(STRANGER.ip4.ip), "--protocol", "wireguard")
    assert "refused (not_registered)" in said
    assert "ago: wireguard wireguard (not_registered)" in said
    assert "Register the address" in said
    assert live.audited()[-1] | {"time": ""} == {
        "time": "", "event": "explain", "address": str(STRANGER.ip4.ip), "uid": os.geteuid(), "user": "root",
    }  # fmt: skip
    nobody = live.command("explain", str(COMPANY.ip4.ip))
    assert "accepted (registered)" in nobody
    assert "nothing refused in the last ten minutes" in nobody
    objects = json.loads(live.command("explain", str(STRANGER.ip4.ip), "--json"))
    assert {answer["protocol"] for answer in objects["answers"]} == {"wireguard", "openvpn", "ipsec"}
    assert objects["recent"][0]["reason"] == "not_registered"


def test_a_numbers_registration_is_told_and_never_an_address(live: Live) -> None:
    live.hold("asked-about", NUMBER)
    said = live.command("explain", "0300 1234567")
    assert "F-1 (freelancer)" in said
    assert str(MOBILE.ip4.ip) not in said
    assert "2001:db8" not in said
    assert live.audited()[-1]["number_of"] == ["F-1"]
    assert "not on the list" in live.command("explain", OTHER_NUMBER)


def test_status_says_how_the_gateway_stands(live: Live) -> None:
    said = live.command("status")
    for words in ("mode           enforce", "wireguard      enforced", "accounting     listening", "3 current"):
        assert words in said, said


def test_a_changed_file_frees_within_two_seconds_and_is_audited(live: Live) -> None:
    row = f"C-7,company,{STRANGER.ip4.ip},,2026-01-01,,,,,,,,"
    assert str(STRANGER.ip4.ip) not in live.kernel_set("registered4")
    live.gateway.setup.rows = (*registrations(), row)
    live.gateway.write()
    begin = time.monotonic()
    assert wait_until(lambda: str(STRANGER.ip4.ip) in live.kernel_set("registered4"), 5)
    assert time.monotonic() - begin < 2
    assert wait_until(lambda: live.audited()[-1]["event"] == "reload", 2)
    record = live.audited()[-1]
    assert (record["by"], record["added_ids"], record["ended"]) == ("a changed file", ["C-7"], 0)

    live.gateway.setup.rows = registrations()
    live.gateway.write()
    said = live.command("reload")
    assert "0 added, 0 ended, 1 in grace" in said or "0 added, 0 ended, 0 in grace" in said
    assert wait_until(lambda: any(record.get("in_grace_ids") == ["C-7"] for record in live.audited()), 3)
    assert str(STRANGER.ip4.ip) in live.kernel_set("registered4")


def test_a_list_that_shrinks_too_much_is_refused_and_told(live: Live) -> None:
    many = tuple(f"X-{n},company,192.0.2.{n},,2026-01-01,,,,,,,," for n in range(1, 60))
    live.gateway.setup.rows = (*registrations(), *many)
    live.gateway.reload()
    live.gateway.setup.rows = registrations()
    live.gateway.write()
    said = live.command("reload")
    assert "reload refused, everything stays as it was" in said
    assert "entries are gone, more than registry.max_shrink (20 percent) allows" in said
    assert "192.0.2.5" in live.kernel_set("registered4")
    assert live.gateway.metrics()["enforcer_config_last_reload_successful", ()] == 0
    live.gateway.setup.rows = (*registrations(), *many)
    live.gateway.write()
    assert "reloaded" in live.command("reload")


def test_an_operators_freeradius_tells_the_gateway() -> None:
    """An address passes on and back, heard through a real FreeRADIUS with the copy of config/freeradius."""
    with Lab() as lab:
        live = Live(lab, freeradius.SECRET.decode())
        server = freeradius.FreeRadius(lab.new_folder("freeradius"), 18130, [1813])
        with live.gateway, server.start(lab.gateway):
            live.through("127.0.0.1:18130", freeradius.OPERATOR_SECRET.decode())
            live.hold("first", NUMBER)
            assert wait_until(lambda: str(MOBILE.ip4.ip) in live.kernel_set("registered4"), 3)
            try_tunnel(live, 4, passes=True)
            live.hold("second", OTHER_NUMBER)
            assert wait_until(lambda: str(MOBILE.ip4.ip) not in live.kernel_set("registered4"), 3)
            try_tunnel(live, 4, passes=False)
            live.hold("third", NUMBER)
            assert wait_until(lambda: str(MOBILE.ip4.ip) in live.kernel_set("registered4"), 3)
            try_tunnel(live, 4, passes=True)
        assert server.recorded() == 3


def test_registered_holders_are_known_again_after_a_restart_and_nobody_else() -> None:
    with Lab() as lab:
        live = Live(lab)
        with live.gateway:
            live.hold("registered", NUMBER, prefix6=False)
            more = f"Framed-IPv6-Prefix = {MOBILE.ip6.network}"
            assert "Received Accounting-Response" in live.account("Start", "other", OTHER_NUMBER, more)
            assert wait_until(lambda: str(MOBILE.ip4.ip) in live.kernel_set("registered4"), 2)
            try_tunnel(live, 6, passes=False)
        with live.gateway:
            assert "1 sessions of registered holders restored" in live.gateway.log()
            assert str(MOBILE.ip4.ip) in live.kernel_set("registered4")
            try_tunnel(live, 4, passes=True)
            try_tunnel(live, 6, passes=True)
            assert ("wireguard", "accept", "mapping_missing") in live.gateway.decisions()


def test_no_number_is_found_anywhere(live: Live) -> None:
    """Memory, disk, log and metrics, for the numbers that were sent and listed."""
    live.hold("private", NUMBER)
    live.hold("also-private", OTHER_NUMBER)
    live.command("explain", OTHER_NUMBER)
    national = [NUMBER.removeprefix("+92"), OTHER_NUMBER.removeprefix("0")]
    haystacks = {"log": live.gateway.log().encode(), "metrics": str(live.gateway.metrics()).encode()}
    for folder in (live.gateway.folder, live.control.parent):
        for path in folder.iterdir():
            if path.is_file() and path.name != "registry.csv":
                haystacks[str(path)] = path.read_bytes()
    for pid in traces.family(live.gateway.process.pid):
        haystacks[f"memory of {pid}"] = traces.memory(pid)
    assert len(haystacks) >= 6
    assert len([name for name in haystacks if "memory of" in name]) >= 2
    for name, data in haystacks.items():
        for digits in national:
            for form in (digits.encode(), digits.encode("utf-16-le"), int(digits).to_bytes(8, "little")):
                assert form not in data, f"{name} holds {digits} as {form!r}"
