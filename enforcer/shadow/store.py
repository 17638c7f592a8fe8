"""The totals on disk: what the ledger lets through, the time recorded, and nothing else.

An SQLite database, mode 0600, with ``user_version`` 1. Times are in seconds since the epoch, whole hours and days
UTC. ``totals`` has one row for each cell and stretch of hours, ``subscribers`` the distinct subscribers of each
day, ``watched`` how long each family was judged in each hour, ``passed`` the families whose shadow period has
been recorded once. The database itself refuses a row of fewer than twenty subscribers.

It keeps a rollback journal, not a write-ahead log: readers then need no right to write beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from enforcer.fingerprints.detection import Family
from enforcer.problems import Notice
from enforcer.set_aside import set_aside
from enforcer.shadow.coverage import Recorded, Unsaved, Watched
from enforcer.shadow.ledger import SMALLEST, Distinct, Figures, Total
from enforcer.shadow.report import Records
from enforcer.shadow.totals import Cell

SCHEMA = 1

WAIT = 5.0
"""Seconds a writer waits for readers, and a reader for the writer."""

_TABLES = f"""
BEGIN;
CREATE TABLE totals (first INTEGER NOT NULL, last INTEGER NOT NULL, family TEXT NOT NULL, variant TEXT NOT NULL,
    reason TEXT NOT NULL, line TEXT NOT NULL, outcome TEXT NOT NULL, decisions INTEGER NOT NULL,
    subscribers INTEGER NOT NULL CHECK (subscribers >= {SMALLEST})) STRICT;
CREATE TABLE subscribers (day INTEGER NOT NULL, part INTEGER NOT NULL, family TEXT NOT NULL, reason TEXT NOT NULL,
    line TEXT NOT NULL, outcome TEXT NOT NULL, subscribers INTEGER NOT NULL CHECK (subscribers >= {SMALLEST}),
    PRIMARY KEY (day, part, family, reason, line, outcome)) STRICT, WITHOUT ROWID;
CREATE TABLE watched (hour INTEGER NOT NULL, family TEXT NOT NULL, seconds REAL NOT NULL, shadow REAL NOT NULL,
    PRIMARY KEY (hour, family)) STRICT, WITHOUT ROWID;
CREATE TABLE passed (family TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = {SCHEMA};
COMMIT;
"""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""What SQLite calls a file that is none of its own, is damaged, or lacks a table or column."""


class StoreError(Exception):
    """The store cannot be used; the message names the file, says why and what to do."""


class DamagedError(StoreError):
    """What is in the file is not understood."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written at one time, ``at`` in epoch seconds."""

    at: float
    figures: Figures
    unsaved: Unsaved


class Store:
    """One file. Opened for each use: one that was moved or deleted is begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether there is a file. Raises StoreError where its folder may not be looked into."""
        try:
            return self.path.exists()
        except OSError as error:
            raise StoreError(f"cannot be used: {error.strerror}") from None

    def restore(self, now: float) -> tuple[Recorded, list[Notice]]:
        """The time on record; none when there is no file, which is how every gateway begins.

        For the daemon: a file that is not understood is set aside as ``<file>.corrupt-<now>`` and told, one that
        cannot be read is told. Never raises.
        """
        try:
            if not self.exists():
                return Recorded(), []
            # A daemon killed while it wrote leaves what only a writer can mend. Reading tells whether it could.
            with suppress(StoreError), self._open(write=True):
                pass
            with self._open(write=False) as database:
                (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise DamagedError(f"is not understood ({found})")
                return _recorded(database), []
        except DamagedError as error:
            told = f"{error}; the shadow period is recorded anew; {set_aside(self.path, now)}"
        except StoreError as error:
            told = f"{error}; nothing counts as recorded until it can"
        return Recorded(), [Notice(str(self.path), None, None, told)]

    def recorded(self) -> Recorded:
        """The time on record; none when there is no file. Raises StoreError."""
        if not self.exists():
            return Recorded()
        with self._open(write=False) as database:
            return _recorded(database)

    def read(self, since: int) -> Records:
        """Everything from ``since`` (epoch seconds, the start of a day UTC) on. Raises StoreError."""
        with self._open(write=False) as database:
            totals = [
                Total(first, last, Cell(*cell), decisions, subscribers)
                for first, last, *cell, decisions, subscribers in database.execute(
                    "SELECT * FROM totals WHERE first >= ? ORDER BY rowid", (since,)
                )
            ]
            distinct = [
                Distinct(*row)
                for row in database.execute("SELECT * FROM subscribers WHERE day >= ? ORDER BY day", (since,))
            ]
            watched = [
                Watched(hour, Family(family), seconds, shadow)
                for hour, family, seconds, shadow in database.execute(
                    "SELECT * FROM watched WHERE hour >= ? ORDER BY hour", (since,)
                )
            ]
            return Records(totals, distinct, watched, _recorded(database))

    def write(self, batches: Iterable[Batch], forget: float) -> None:
        """Add what was counted, all of it or nothing, and forget what is older than ``forget``, epoch seconds.

        What is deleted is overwritten. Raises StoreError, DamagedError where another try would not help.
        """
        with self._open(write=True) as database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            for batch in batches:
                _add(database, batch)
            database.execute("DELETE FROM totals WHERE last < ?", (forget,))
            database.execute("DELETE FROM subscribers WHERE day < ?", (forget,))
            database.execute("DELETE FROM watched WHERE hour < ?", (forget,))
            database.execute("COMMIT")

    @contextmanager
    def _open(self, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._create() if write else self._connect("ro")) as database:
                (version,) = database.execute("PRAGMA user_version").fetchone()
                if version != SCHEMA:
                    raise DamagedError(f"is not understood (schema {version}, expected {SCHEMA})")
                yield database
        except OSError as error:
            raise StoreError(f"cannot be used: {error.strerror}") from None
        except sqlite3.Error as error:
            code = error.sqlite_errorcode
            if code & 0xFF in _DAMAGED:
                raise DamagedError(f"is not understood ({error})") from None
            if code == sqlite3.SQLITE_READONLY_ROLLBACK:
                told = "was being written when the daemon was killed; start the daemon, it mends the file"
                raise StoreError(told) from None
            raise StoreError(f"cannot be used: {error}") from None
        except ValueError as error:
            raise DamagedError(f"is not understood ({error})") from None

    def _create(self) -> sqlite3.Connection:
        # SQLite gives its journal the mode of the database.
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = self._connect("rw")
        try:
            # A daemon killed at its very first write leaves an empty file.
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                database.executescript(_TABLES)
        except BaseException:
            database.close()
            raise
        return database

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)


def _add(database: sqlite3.Connection, batch: Batch) -> None:
    database.executemany(
        "INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (total.first, total.last, *map(str, total.cell), total.decisions, total.subscribers)
            for total in batch.figures.totals
        ],
    )
    database.executemany(
        "INSERT OR REPLACE INTO subscribers VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (each.day, each.part, each.family, each.reason, each.line, each.outcome, each.subscribers)
            for each in batch.figures.distinct
        ],
    )
    database.executemany(
        "INSERT INTO watched VALUES (?, ?, ?, ?) ON CONFLICT (hour, family) "
        "DO UPDATE SET seconds = seconds + excluded.seconds, shadow = shadow + excluded.shadow",
        [(each.hour, str(each.family), each.seconds, each.shadow) for each in batch.unsaved.watched],
    )
    database.executemany(
        "INSERT OR IGNORE INTO passed VALUES (?, ?)",
        [(str(family), int(batch.at)) for family in batch.unsaved.passed],
    )


def _recorded(database: sqlite3.Connection) -> Recorded:
    seconds = {
        Family(family): float(shadow)
        for family, shadow in database.execute("SELECT family, SUM(shadow) FROM watched GROUP BY family")
    }
    return Recorded(seconds, frozenset(Family(name) for (name,) in database.execute("SELECT family FROM passed")))
