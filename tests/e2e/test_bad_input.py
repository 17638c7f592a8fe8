"""What a user does wrong, each with its clear error and exit code, on the installed command."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ENFORCER = Path(sys.executable).with_name("enforcer")
INPUT, USAGE, MACHINE = 1, 2, 3

LINE = "lines: [{name: leased, class: static, prefixes: [198.51.100.0/24]}]\n"
ENFORCE = "mode: enforce\nenforce: [wireguard]\nshadow: {period: 0s}\n" + LINE


def run(
    *arguments: object, wrapper: Sequence[str] = (), path: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [*wrapper, str(ENFORCER), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=30, check=False, cwd="/"
    )


def refused(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "enforcer.yaml"
    path.write_text(ENFORCE)
    return path


@pytest.mark.parametrize("command", ["run", "check", "ruleset"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mode: enforce\nlinez: []\n", "enforcer.yaml:2: linez: is not a setting; expected one of"),
        ("gateway:\n  queue: many\n", "enforcer.yaml:2: gateway.queue: 'many':"),
        ("exempt:\n  prefixes: [10.0.0.0/40]\n", "enforcer.yaml:2: exempt.prefixes[0]: '10.0.0.0/40': expected"),
        ("registry: {files: [gone.csv]}\n", "gone.csv: "),
        (None, "does not exist"),
    ],
    ids=["unknown key", "wrong type", "impossible prefix", "missing registry", "missing configuration"],
)
def test_configuration_and_registry(tmp_path: Path, command: str, text: str | None, said: str) -> None:
    path = tmp_path / "enforcer.yaml"
    if text is not None:
        path.write_text(text)
    refused(run(command, "--config", path), INPUT, said)


def test_every_problem_is_listed_not_only_the_first(tmp_path: Path) -> None:
    path = tmp_path / "enforcer.yaml"
    (tmp_path / "list.csv").write_text("id,holder,address\nA,company,10.0.0.1/8\nB,company,300.1.1.1\n")
    path.write_text("registry: {files: [list.csv]}\n")
    refused(run("check", "--config", path), INPUT, "list.csv:2:", "list.csv:3:", "2 problems found")


@pytest.mark.parametrize("command", [("check",), ("ruleset",), ("explain", "198.51.100.7")], ids=" ".join)
def test_looking_changes_nothing_even_what_is_damaged(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "enforcer.yaml"
    (tmp_path / "list.csv").write_text("id,holder,address\nA,company,198.51.100.7\n")
    path.write_text(
        "registry: {files: [list.csv], memory: memory.json}\n"
        'exempt: {memory: exempt.json, wifi_calling: {networks: ["410-01"]}, resolvers: [127.0.0.9]}\n'
    )
    for name in ("memory.json", "exempt.json"):
        (tmp_path / name).write_text("damaged")
    before = sorted(each.name for each in tmp_path.iterdir())
    run(*command, "--config", path)
    assert sorted(each.name for each in tmp_path.iterdir()) == before


def test_a_directory_given_as_a_file(tmp_path: Path, config: Path) -> None:
    refused(run("check", "--config", tmp_path), INPUT, f"{tmp_path}: is a directory; expected a YAML file")
    refused(run("replay", tmp_path), INPUT, f"{tmp_path}: is a directory")
    config.write_text(f"registry: {{files: [{tmp_path}]}}\n")
    refused(run("check", "--config", config), INPUT, "is a directory")


def test_unreadable_configuration(tmp_path: Path) -> None:
    path = tmp_path / "enforcer.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    refused(run("check", "--config", path), INPUT, f"{path}: cannot be read: is not UTF-8 text")
    path.write_text("mode: monitor\n")
    path.chmod(0)
    # Root without CAP_DAC_OVERRIDE is refused by the mode, as any other user is.
    wrapper = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", "--")
    refused(run("check", "--config", path, wrapper=wrapper), INPUT, f"{path}: cannot be read: Permission denied")


@pytest.mark.parametrize("command", ["run"])
def test_not_root(config: Path, command: str) -> None:
    refused(run(command, "--config", config, wrapper=("unshare", "--user", "--")), MACHINE, "not root", "sudo")


def test_check_without_root_says_what_it_could_not_check(config: Path) -> None:
    done = run("check", "--config", config, wrapper=("unshare", "--user", "--"))
    assert done.returncode == 0, done.stderr
    assert "not root: the ruleset was not tried" in done.stdout


@pytest.mark.parametrize("command", ["run", "check"])
def test_no_nft(config: Path, command: str) -> None:
    done = run(command, "--config", config, path="/nonexistent")
    refused(done, MACHINE if command == "run" else INPUT, "nft is not installed", "apt install nftables")


@pytest.mark.parametrize("command", ["run", "check"])
def test_no_conntrack(config: Path, command: str) -> None:
    hidden = 'mount -t tmpfs none /proc/sys/net/netfilter && exec "$@"'
    done = run(command, "--config", config, wrapper=("unshare", "--mount", "sh", "-c", hidden, "sh"))
    refused(done, MACHINE if command == "run" else INPUT, "no conntrack in this kernel", "modprobe nf_conntrack")


@pytest.fixture
def damaged(tmp_path: Path) -> dict[str, Path]:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    record = struct.pack("<IIII", 1, 0, 100, 100)
    contents = {
        "empty": b"",
        "not a capture": b"hello, world, this is text\n",
        "truncated header": header[:10],
        "truncated record": header + record + b"\0" * 50,
        "truncated gzip": gzip.compress(header + record + b"\0" * 100)[:-12],
    }
    made = {}
    for name, content in contents.items():
        made[name] = tmp_path / f"{name.replace(' ', '-')}.pcap"
        made[name].write_bytes(content)
    return made


@pytest.mark.parametrize(
    "name", ["empty", "not a capture", "truncated header", "truncated record", "truncated gzip"]
)
@pytest.mark.parametrize("arguments", [("replay",), ("replay", "--format", "jsonl"), ("explain",)], ids=" ".join)
def test_damaged_captures(damaged: dict[str, Path], name: str, arguments: tuple[str, ...]) -> None:
    refused(run(*arguments, damaged[name]), INPUT, str(damaged[name]))


def test_one_damaged_capture_does_not_hide_the_others(damaged: dict[str, Path], repository: Path) -> None:
    good = repository / "pcaps" / "wireguard-udp4.pcap"
    done = run("replay", "--format", "jsonl", damaged["empty"], good)
    refused(done, INPUT, str(damaged["empty"]))
    assert '"family": "wireguard"' in done.stdout


def test_usage_errors_teach(config: Path) -> None:
    refused(run("replai"), USAGE, "No such command 'replai'")
    refused(run("replay"), USAGE, "Missing argument")
    refused(run("explain", "203.0.113.1", "--at", "yesterday"), USAGE, "expected a time with its offset")
    refused(run("explain", "203.0.113.1", "--protocol", "pptp"), USAGE, "wireguard")
    refused(run("explain", "what is this"), INPUT, "neither an address, nor a mobile number, nor a file")
    refused(run("explain", "0300 1234567", "--config", config), INPUT, "numbers.key_file is not set")
