"""The secret key of the tags, from a file that only its owner can read."""

from __future__ import annotations

from pathlib import Path

from enforcer.private_file import read_private

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
        key = read_private(path, "key", create, _MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path}: the key has {len(key)} bytes; expected at least {KEY_BYTES}; {create}")
    if len(key) > _MOST_BYTES:
        raise ValueError(f"{path}: more than {_MOST_BYTES} bytes: this is not a key file; {create}")
    if len(set(key)) < 8:
        raise ValueError(f"{path}: the key is not random: fewer than 8 different bytes; {create}")
    return key
