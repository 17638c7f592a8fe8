"""What the commands print and how they exit, called in this process without root."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enforcer.cli import main
from enforcer.explanation import AddressExplanation, NumberExplanation
from enforcer.gateway.control import ControlError
from enforcer.gateway.resolver import Found, Lookup
from enforcer.mobile_networks import TableError

WIREGUARD = "wireguard-udp4.pcap"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enforcer.gateway.preflight.may_administer_the_network", lambda: False)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def check(folder: Path, lines: Sequence[str]) -> Result:
    path = folder / "enforcer.yaml"
    path.write_text("\n".join([*lines, ""]))
    return run("check", "--config", path)


def test_what_is_enforced_in_mode_monitor_is_nothing(tmp_path: Path) -> None:
    assert "mode monitor, enforcing nothing" in check(tmp_path, ["enforce: [openvpn]"]).output
    both = ["mode: enforce", "enforce: [openvpn, wireguard, openvpn]", "shadow: {period: 0s}"]
    assert "mode enforce, enforcing openvpn, wireguard" in check(tmp_path, both).output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (f"control: {{socket: /run/{'x' * 120}}}", "the path is longer than 107 bytes"),
        ("control: {group: no-such-group}", "there is no group 'no-such-group'"),
        ("audit: {file: /proc/none/audit.jsonl}", "there is no folder /proc/none"),
        ("audit: {file: /proc}", "is a directory"),
        ("sessions: {store: 'rediss://192.0.2.1', store_ca_file: gone.pem}", "gone.pem: is no file"),
    ],
)
def test_check_finds_what_would_fail_later(tmp_path: Path, settings: str, said: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    result = check(tmp_path, [settings, f"numbers: {{key_file: {key}}}"])
    assert result.exit_code == 1
    assert said in result.output


def test_check_says_how_the_sessions_of_a_file_stand(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("address,number,heard_at\n100.64.0.1,,2020-01-01T00:00:00Z\n")
    result = check(tmp_path, ["sessions: {file: s.csv}"])
    assert "1 sessions, 0 of them live" in result.output
    assert "no session of" in result.output


def test_check_says_which_name_of_the_operator_has_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lookup, "find", lambda *_: Found())
    result = check(tmp_path, ["exempt: {names: [vpn.exmaple.net]}"])
    assert "vpn.exmaple.net: it has no address" in result.output


def test_frames_that_were_not_read_are_told(tmp_path: Path, repository: Path) -> None:
    whole = bytearray((repository / "pcaps" / WIREGUARD).read_bytes())
    whole[20:24] = (9999).to_bytes(4, "little")
    path = tmp_path / "odd.pcap"
    path.write_bytes(whole)
    for command in (("replay",), ("replay", "--format", "jsonl"), ("explain",)):
        result = run(*command, path)
        assert f"{path}: 9 of 9 frames not read: 9 link type not supported" in result.stderr


def test_nothing_is_folded_where_the_output_is_no_terminal(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / ("x" * 240)
    path.write_bytes((repository / "pcaps" / WIREGUARD).read_bytes())
    assert str(path) in run("replay", path).stdout


def test_an_ipv4_address_written_in_ipv6_is_the_ipv4_address(tmp_path: Path) -> None:
    path = tmp_path / "enforcer.yaml"
    path.write_text("lines: [{name: a, class: static, prefixes: [198.51.100.0/24]}]\n")
    asked = ("--config", path, "--protocol", "wireguard", "--json")
    for address in ("198.51.100.8", "::ffff:198.51.100.8"):
        assert json.loads(run("explain", address, *asked).stdout)["answers"][0]["reason"] == "list_missing"


def test_nothing_is_no_file() -> None:
    result = run("explain", "")
    assert result.exit_code == 1
    assert "neither an address, nor a mobile number, nor a file" in result.output


def test_answers_from_the_files_have_the_form_of_the_daemons(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    path = tmp_path / "enforcer.yaml"
    path.write_text(f"numbers: {{key_file: {key}}}\n")
    number = NumberExplanation.model_validate_json(run("explain", "0300 0000001", "-c", path, "--json").stdout)
    assert (number.answers, number.not_asked) == ([], "control.socket is not set")
    address = AddressExplanation.model_validate_json(run("explain", "192.0.2.1", "-c", path, "--json").stdout)
    assert (address.recent, address.source) == (None, "files")


@pytest.mark.parametrize("left_behind", [False, True])
def test_where_no_gateway_runs_the_files_answer_and_say_so(tmp_path: Path, left_behind: bool) -> None:
    path, control = tmp_path / "enforcer.yaml", tmp_path / "control.sock"
    path.write_text(f"control: {{socket: {control}}}\n")
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(control))
    result = run("explain", "192.0.2.1", "--config", path)
    assert result.exit_code == 0
    assert "Our gateway does not run just now" in result.stdout
    assert f"none runs behind {control}" in result.stdout


def test_a_gateway_that_must_not_be_asked_is_not_answered_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ControlError("no right to ask the daemon")

    monkeypatch.setattr("enforcer.explain_command.ask", refuse)
    path = tmp_path / "enforcer.yaml"
    path.write_text("control: {socket: /run/none.sock}\n")
    result = run("explain", "192.0.2.1", "--config", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no right to ask the daemon" in result.stderr


def test_a_gateway_of_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enforcer.explain_command.ask", lambda *_: {"answers": []})
    path = tmp_path / "enforcer.yaml"
    path.write_text("control: {socket: /run/none.sock}\n")
    result = run("explain", "192.0.2.1", "--config", path)
    assert result.exit_code == 1
    assert "it is of another version, restart it" in result.stderr


def test_times_are_in_the_operators_time_zone(tmp_path: Path) -> None:
    path = tmp_path / "enforcer.yaml"
    path.write_text("registry: {timezone: Asia/Karachi}\n")
    at = "2026-11-21T09:30:00+00:00"
    assert "2026-11-21 14:30 PKT" in run("explain", "192.0.2.1", "--config", path, "--at", at).stdout


def test_check_tells_of_a_list_from_the_future(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,holder,address\nC-1,company,198.51.100.7\n")
    os.utime(tmp_path / "l.csv", (4e9, 4e9))
    assert "was written in the future" in check(tmp_path, ["registry: {files: [l.csv]}"]).output


@pytest.mark.parametrize("command", [("explain", "192.0.2.1"), ("ruleset",)])
def test_a_machine_without_the_table_of_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TableError("the table of mobile networks is damaged")

    for module in ("enforcer.commands", "enforcer.file_commands"):
        monkeypatch.setattr(f"{module}.remembered", broken)
    path = tmp_path / "enforcer.yaml"
    path.write_text("mode: monitor\n")
    result = run(*command, "--config", path)
    assert result.exit_code == 3
    assert "the table of mobile networks is damaged" in result.stderr


def test_what_is_too_long_for_a_files_name_is_no_file() -> None:
    result = run("explain", "a" * 5000)
    assert result.exit_code == 1
    assert "neither an address, nor a mobile number, nor a file" in result.output


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_no_clock_shows_is_refused(at: str) -> None:
    result = run("explain", "192.0.2.1", "--at", at)
    assert result.exit_code == 2
    assert "the year is not between 1970 and 9998" in result.output
