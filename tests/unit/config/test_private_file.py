"""Whose a secret file may be: the daemon's user has its own, and root reads what the daemon reads."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from enforcer import private_file
from enforcer.private_file import read_private

SERVICE = pwd.getpwnam("nobody")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    assert os.geteuid() == 0, "giving a file away needs root: run the tests as root"
    monkeypatch.setattr(private_file, "SERVICE_USER", SERVICE.pw_name)
    with TemporaryDirectory() as folder:
        # Not pytest's folder: nobody but root may enter that.
        Path(folder).chmod(0o711)
        path = Path(folder) / "secret"
        path.touch(mode=0o600)
        path.write_bytes(b"secret")
        yield path


@pytest.mark.parametrize("owner", [0, SERVICE.pw_uid])
def test_root_reads_its_own_and_the_daemons(secret: Path, owner: int) -> None:
    os.chown(secret, owner, -1)
    assert read_private(secret, "key", "make one", 100) == b"secret"


def test_nobody_elses(secret: Path) -> None:
    os.chown(secret, 12345, -1)
    with pytest.raises(ValueError, match=r"belongs to user 12345; expected nobody; run: chown nobody /"):
        read_private(secret, "key", "make one", 100)


def test_the_daemon_is_told_what_to_do_with_roots(secret: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(SERVICE.pw_uid)
        try:
            read_private(secret, "key", "make one", 100)
        except ValueError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        expected = f"the key file cannot be read by user nobody; run: chown nobody {secret}"
        assert told.read() == expected
