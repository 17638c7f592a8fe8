"""The key file: taken only when nobody else can have read it, and every refusal says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enforcer.subscribers.key_file import load_key

KEY = bytes(range(32))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "tag.key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the wording is compared by the caller)
        load_key(path)
    return str(caught.value)


def create(path: Path) -> str:
    return f"create one with: install -m 600 /dev/null {path} && head -c 32 /dev/urandom > {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_the_key(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert load_key(key_file) == KEY


def test_the_command_that_errors_give_creates_a_key(tmp_path: Path) -> None:
    path = tmp_path / "new.key"
    command = refusal(path).partition("create one with: ")[2]
    assert os.system(command) == 0
    assert len(load_key(path)) == 32


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refusal(path) == f"{path}: the key file does not exist; {create(path)}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_open_to_others(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert refusal(key_file) == (
        f"{key_file}: the key file has mode {mode:04o}, open to group or others; "
        f"expected 0600; run: chmod 600 {key_file}"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: giving a file away needs root")
def test_a_file_of_another_user(key_file: Path) -> None:
    os.chown(key_file, 12345, -1)
    expected = f"{key_file}: the key file belongs to user 12345; expected root; run: chown root {key_file}"
    assert refusal(key_file) == expected


def test_a_directory_and_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path in (tmp_path, fifo):
        assert refusal(path) == f"{path}: the key file is not a regular file; {create(path)}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the key has 0 bytes; expected at least 32"),
        (KEY[:31], "the key has 31 bytes; expected at least 32"),
        (bytes(32), "the key is not random: fewer than 8 different bytes"),
        (KEY * 200, "more than 4096 bytes: this is not a key file"),
    ],
)
def test_a_file_that_is_no_key(key_file: Path, content: bytes, message: str) -> None:
    key_file.write_bytes(content)
    assert refusal(key_file) == f"{key_file}: {message}; {create(key_file)}"
