"""The sessions of registered holders on disk, so that a restart does not make them unknown.

An SQLite database with ``user_version`` 1 and two tables: ``sessions``, one row for each session (``nas``, its
Acct-Session-Id ``session``, ``addresses`` as text separated by blanks, ``tag``, ``heard_at`` in seconds since the
epoch, UTC), and ``digest``, one row with the SHA-256 of them all: SQLite does not see a bit that has changed
within a value, and a changed tag is somebody else's. Numbers are not in it. Who is not registered is not in it.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

from enforcer.problems import Notice
from enforcer.set_aside import set_aside
from enforcer.subscribers.number import TAG_BYTES
from enforcer.subscribers.table import Session

SCHEMA = 1

_Row = tuple[str | None, str, str, bytes, float]

_TABLES = """
CREATE TABLE sessions (nas TEXT, session TEXT NOT NULL, addresses TEXT NOT NULL, tag BLOB NOT NULL,
                       heard_at REAL NOT NULL) STRICT;
CREATE TABLE digest (sha256 BLOB NOT NULL) STRICT;
"""

_LOST = "sessions are unknown until they are heard of again"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a snapshot held, and what there is to say about it."""

    sessions: list[Session]
    notices: list[Notice]


def save(path: Path, sessions: Iterable[Session]) -> Notice | None:
    """Replace the snapshot, atomically and durably, mode 0600; sessions without a number are left out.

    The notice when it cannot be written (no space, no permission): the one before is still there then. Pass
    sessions of registered holders only: nobody else belongs on disk. Safe to call in a thread of its own.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        try:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            _write(temporary, sessions)
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        told = f"cannot be written: {why}; after a restart {_LOST}. Check the disk's space and the folder's owner"
        return Notice(str(path), None, None, told)
    return None


def restore(path: Path, now: float) -> Restored:
    """What was saved; nothing when there is no file, which is how every gateway begins. Never raises.

    A file that cannot be understood is set aside as ``<file>.corrupt-<now>`` and told; one that cannot be read
    is told. Put in only those sessions whose number is still registered: of anybody else it is not known who
    has the address by now.
    """
    file = str(path)
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        return Restored([], [])
    except OSError as error:
        return Restored([], [Notice(file, None, None, f"cannot be read: {error.strerror}; {_LOST}")])
    try:
        return Restored(_read(path), [])
    except (sqlite3.Error, ValueError) as error:
        told = f"is not understood ({error}): {_LOST}; {set_aside(path, now)}"
        return Restored([], [Notice(file, None, None, told)])


def _write(path: Path, sessions: Iterable[Session]) -> None:
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The file is made whole or not at all by its renaming, not by a journal.
        database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
        database.execute(f"PRAGMA user_version = {SCHEMA}")
        database.execute("BEGIN")
        database.executemany("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", _rows(sessions, digest.update))
        database.execute("INSERT INTO digest VALUES (?)", (digest.digest(),))
        database.execute("COMMIT")


def _rows(sessions: Iterable[Session], update: Callable[[bytes], object]) -> Iterator[_Row]:
    for session in sessions:
        if session.tag is not None:
            addresses = " ".join(map(str, session.addresses))
            row = (session.nas, session.key, addresses, session.tag, session.heard_at)
            update(repr(row).encode())
            yield row


def _read(path: Path) -> list[Session]:
    digest = hashlib.sha256()
    sessions: list[Session] = []
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA:
            raise ValueError(f"schema {version}, expected {SCHEMA}")
        for row in database.execute("SELECT nas, session, addresses, tag, heard_at FROM sessions ORDER BY rowid"):
            digest.update(repr(row).encode())
            sessions.append(_session(row))
        if database.execute("SELECT sha256 FROM digest").fetchall() != [(digest.digest(),)]:
            raise ValueError("its digest is another")
    return sessions


def _session(row: _Row) -> Session:
    nas, session, addresses, tag, heard_at = row
    if len(tag) != TAG_BYTES:
        raise ValueError(f"a tag of {len(tag)} bytes, expected {TAG_BYTES}")
    if not math.isfinite(heard_at):
        raise ValueError("a time that is none")
    return Session(session, tuple(map(ip_network, addresses.split())), tag, heard_at, nas)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
