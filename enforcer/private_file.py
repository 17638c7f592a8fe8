"""Secrets from files that only their owner can read."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

SERVICE_USER = "enforcer"
"""Who the daemon runs as under systemd (systemd/enforcer.sysusers)."""


def read_private(path: Path, what: str, create: str, most: int) -> bytes:
    """Up to ``most`` bytes of a secret file, and one more where it is longer.

    ``what`` names it in messages, ``create`` tells how to make one. Raises ValueError, whose text tells what to
    do and never what the file holds, when it is missing or unreadable, not a regular file, not owned by root, the
    running user or the daemon's, or open to group or others.
    """
    try:
        # A FIFO would otherwise block here until someone writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ValueError(f"the {what} file does not exist; {create}") from None
    except PermissionError:
        user = _name(os.geteuid())
        raise ValueError(f"the {what} file cannot be read by user {user}; run: chown {user} {path}") from None
    except OSError as error:
        raise ValueError(f"the {what} file cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"the {what} file is not a regular file; {create}")
        # Root asks with the daemon's files: check and explain read what the daemon reads.
        if status.st_uid not in (0, os.geteuid(), _service_uid()):
            user = _name(status.st_uid)
            expected = "root" if _service_uid() is None else SERVICE_USER
            raise ValueError(
                f"the {what} file belongs to user {user}; expected {expected}; run: chown {expected} {path}"
            )
        if status.st_mode & 0o077:
            raise ValueError(
                f"the {what} file has mode {stat.S_IMODE(status.st_mode):04o}, open to group or others; "
                f"expected 0600; run: chmod 600 {path}"
            )
        return os.read(descriptor, most + 1)
    finally:
        os.close(descriptor)


def read_secret_line(path: Path, what: str, create: str, most: int) -> bytes:
    """The secret that stands alone on the file's one line, of at most ``most`` bytes.

    Raises ValueError as ``read_private`` does, and when the file is empty, too long, or of several lines.
    """
    data = read_private(path, what, create, most + 2)
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise ValueError(f"the {what} file is empty; {create}")
    if len(secret) > most:
        raise ValueError(f"the {what} file has more than {most} bytes: expected one line with the {what} alone")
    if b"\n" in secret or b"\r" in secret:
        raise ValueError(f"the {what} file has several lines: expected the {what} alone, on one line")
    return secret


def _service_uid() -> int | None:
    try:
        return pwd.getpwnam(SERVICE_USER).pw_uid
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
