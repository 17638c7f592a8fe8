"""The sessions of registered holders on disk, so that a restart does not have to wait for accounting.

An SQLite file: ``PRAGMA user_version`` is the schema (1), the one table ``session`` has ``nas`` and ``session``
(text), ``tag`` (16 bytes), ``heard_at`` (seconds since the epoch, UTC) and ``addresses`` (prefixes, by blanks). Of
everybody else nothing is written: they are unknown until they are heard of again. The file is readable by its
owner only and replaced as a whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from enforcer.problems import Notice
from enforcer.subscribers.number import TAG_BYTES
from enforcer.subscribers.table import Session

SCHEMA = 1

_CREATE = """
CREATE TABLE session (
    nas TEXT, session TEXT NOT NULL, tag BLOB NOT NULL, heard_at REAL NOT NULL, addresses TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a snapshot held, and what there is to say about it."""

    sessions: list[Session]
    notices: list[Notice]


def save(path: Path, sessions: Iterable[Session]) -> Notice | None:
    """Replace the file with these sessions, mode 0600; those without a tag are left out.

    Never raises: a full or read-only disk is told, and the file stays as it was.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            # The file is new and replaces the old one whole: a crash loses only what is being written.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute(_CREATE)
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)", map(_row, filter(_tagged, sessions))
            )
            connection.execute("COMMIT")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        temporary.replace(path)
    except (OSError, sqlite3.Error) as error:
        return Notice(str(path), None, None, f"sessions cannot be kept for a restart: {error}")
    return None


def restore(path: Path, now: float) -> Restored:
    """What was saved; nothing when there is no file.

    A file that is damaged or of another schema is set aside as ``<file>.corrupt-<now>`` and told; one that cannot
    be read is told. Never raises.
    """
    if not path.exists():
        return Restored([], [])
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA:
                raise ValueError(f"schema {version}, expected {SCHEMA}")
            rows = connection.execute("SELECT nas, session, tag, heard_at, addresses FROM session")
            return Restored([_session(row) for row in rows], [])
    except sqlite3.OperationalError as error:
        return Restored([], [_notice(path, f"cannot be read: {error}")])
    except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:
        aside = path.with_name(f"{path.name}.corrupt-{int(now)}")
        told = f"is not understood ({error})"
        try:
            path.replace(aside)
            told += f"; set aside as {aside}"
        except OSError as failure:
            told += f"; could not be set aside: {failure.strerror}"
        return Restored([], [_notice(path, told)])


def _notice(path: Path, told: str) -> Notice:
    return Notice(str(path), None, None, f"{told}; holders of sessions are unknown until heard of again")


def _tagged(session: Session) -> bool:
    return session.tag is not None


def _row(session: Session) -> tuple[str | None, str, bytes | None, float, str]:
    return session.nas, session.key, session.tag, session.heard_at, " ".join(map(str, session.addresses))


def _session(row: tuple[object, ...]) -> Session:
    nas, key, tag, heard_at, addresses = row
    if not (nas is None or isinstance(nas, str)) or not isinstance(key, str) or not isinstance(addresses, str):
        raise ValueError("a name that is no text")
    if not isinstance(tag, bytes) or len(tag) != TAG_BYTES or not isinstance(heard_at, float):
        raise ValueError("a tag or a time of the wrong kind")
    return Session(key, tuple(ip_network(text) for text in addresses.split()), tag, heard_at, nas)
