"""The secret key of the tags, from a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KEY_BYTES = 32
_MOST_BYTES = 4096


def load_key(path: Path) -> bytes:
    """The whole content of the key file: at least 32 random bytes.

    Raises ValueError, whose text names the file and tells what to do, when it is missing or unreadable, not a
    regular file, not owned by root or the running user, open to group or others, too short, too long to be a
    key, or not random.
    """
    create = f"create one with: install -m 600 /dev/null {path} && head -c {KEY_BYTES} /dev/urandom > {path}"
    try:
        # A FIFO would otherwise block here until someone writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ValueError(f"{path}: the key file does not exist; {create}") from None
    except OSError as error:
        raise ValueError(f"{path}: the key file cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: the key file is not a regular file; {create}")
        if status.st_uid not in (0, os.geteuid()):
            raise ValueError(
                f"{path}: the key file belongs to user {status.st_uid}; expected root; run: chown root {path}"
            )
        if status.st_mode & 0o077:
            raise ValueError(
                f"{path}: the key file has mode {stat.S_IMODE(status.st_mode):04o}, open to group or others; "
                f"expected 0600; run: chmod 600 {path}"
            )
        key = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path}: the key has {len(key)} bytes; expected at least {KEY_BYTES}; {create}")
    if len(key) > _MOST_BYTES:
        raise ValueError(f"{path}: more than {_MOST_BYTES} bytes: this is not a key file; {create}")
    if len(set(key)) < 8:
        raise ValueError(f"{path}: the key is not random: fewer than 8 different bytes; {create}")
    return key
