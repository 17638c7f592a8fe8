"""Clients and their secrets: the longest prefix wins, and no message ever shows a secret."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from enforcer.problems import Findings
from enforcer.subscribers.radius.clients import Client, ClientEntry, ClientTable, load_clients, load_secret

SECRET = b"sixteen octets or more"


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the wording is compared by the caller)
        load_secret(path)
    return str(caught.value)


def test_the_longest_prefix_wins() -> None:
    wide = Client("wide", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")), b"w")
    one = Client("one", (ip_network("192.0.2.7"), ip_network("2001:db8::7")), b"o")
    for order in ((wide, one), (one, wide)):
        table = ClientTable(order)
        for text, expected in (
            ("192.0.2.7", one),
            ("192.0.2.8", wide),
            ("192.0.3.7", None),
            ("2001:db8::7", one),
            ("2001:db8::8", wide),
            ("2001:db9::7", None),
        ):
            assert table.find(ip_address(text).packed) is expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_secret_is_the_file_without_its_line_end(tmp_path: Path, end: bytes) -> None:
    assert load_secret(write(tmp_path / "secret", b"with space \xff " + end)) == b"with space \xff "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; create it"),
        (b"\n", "is empty; create it"),
        (b"x" * 257, "more than 256 bytes"),
        (b"x" * 5000, "more than 256 bytes"),
        (b"hidden-one\nhidden-two\n", "has several lines"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: bytes, message: str) -> None:
    told = refusal(write(tmp_path / "secret", content))
    assert message in told
    assert "hidden" not in told


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist; create it: install -m 600" in refusal(tmp_path / "none")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_open_to_others(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "secret", SECRET, mode)
    expected = f"has mode {mode:04o}, open to group or others; expected 0600; run: chmod 600 {path}"
    assert expected in refusal(path)


def test_a_file_of_another_user(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "giving a file away needs root: run the tests as root"
    path = write(tmp_path / "secret", SECRET)
    os.chown(path, 12345, -1)
    assert refusal(path) == f"the secret file belongs to user 12345; expected root; run: chown root {path}"


def test_a_directory_and_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo"):
        assert "is not a regular file" in refusal(path)


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    good = write(tmp_path / "good", SECRET)
    weak = write(tmp_path / "weak", b"testing123")
    findings = Findings()
    clients = load_clients(
        [
            ClientEntry("bras-1", (ip_network("192.0.2.1"),), good, 10),
            ClientEntry("bras-2", (ip_network("192.0.2.1"),), good, 11),
            ClientEntry("bras-1", (ip_network("192.0.2.3"),), good, 12),
            ClientEntry("unknown", (ip_network("192.0.2.4"),), good, 13),
            ClientEntry("bad name", (ip_network("192.0.2.5"),), good, 14),
            ClientEntry("nowhere", (), good, 15),
            ClientEntry("lost", (ip_network("192.0.2.6"),), tmp_path / "none", 16),
            ClientEntry("weak", (ip_network("192.0.2.7"),), weak, 17),
        ],
        "enforcer.yaml",
        findings,
    )
    assert [client.name for client in clients] == ["bras-1", "weak"]
    told = [str(problem) for problem in findings.problems]
    assert len(told) == 6
    for line, words in (
        (11, "is also the prefix of client bras-1"),
        (12, "two clients have this name"),
        (13, "not the name 'unknown'"),
        (14, "expected 1 to 40 of the characters"),
        (15, "has no address"),
    ):
        assert any(text.startswith(f"enforcer.yaml:{line}: radius.clients") and words in text for text in told)
    assert any(text.startswith(f"{tmp_path / 'none'}: the secret file does not exist") for text in told)
    assert [notice.message[:24] for notice in findings.notices] == ["the secret has 10 octets"]
    assert not any(secret in " ".join(told) for secret in (SECRET.decode(), "testing123"))
