"""The store: what it keeps and for how long, and every way in which a disk can fail it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from enforcer.fingerprints.detection import Family
from enforcer.shadow.coverage import Recorded, Unsaved, Watched
from enforcer.shadow.ledger import MERGED, Distinct, Figures, Total
from enforcer.shadow.store import Batch, DamagedError, Store, StoreError
from enforcer.shadow.totals import DAY, HOUR, Cell, Outcome
from tests.unit.disk import files_of_at_most

NOW = 20_000 * DAY
CELL = Cell("wireguard", "wireguard", "not_registered", "leased", Outcome.WOULD_REFUSE)


def batch(at: int, subscribers: int = 40, hours: float = 1.0, passed: frozenset[Family] = frozenset()) -> Batch:
    """An hour of one cell, watched for so many hours."""
    return Batch(
        at,
        Figures(
            [Total(at, at, CELL, 100, subscribers)],
            [Distinct(at // DAY * DAY, 7, "wireguard", MERGED, MERGED, Outcome.WOULD_REFUSE, subscribers)],
        ),
        Unsaved([Watched(at, family, hours * HOUR, hours * HOUR) for family in Family], passed),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW), batch(NOW + HOUR, subscribers=60)], 0)
    store.write([batch(NOW + HOUR, hours=0.5)], 0)
    records = store.read(NOW)
    assert records.totals == [
        Total(NOW, NOW, CELL, 100, 40),
        Total(NOW + HOUR, NOW + HOUR, CELL, 100, 60),
        Total(NOW + HOUR, NOW + HOUR, CELL, 100, 40),
    ]
    # A day has one figure for each group and part: the latest.
    assert [each.subscribers for each in records.distinct] == [40]
    assert {(each.hour, each.shadow) for each in records.watched} == {(NOW, HOUR), (NOW + HOUR, 1.5 * HOUR)}
    assert records.recorded.seconds == dict.fromkeys(Family, 2.5 * HOUR)
    assert store.read(NOW + DAY).totals == []


def test_only_its_owner_reads_it_and_no_journal_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW)], 0)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["shadow.sqlite"]


def test_the_database_itself_refuses_a_small_cell(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    with pytest.raises(StoreError, match="CHECK constraint failed"):
        store.write([batch(NOW), batch(NOW + HOUR, subscribers=19)], 0)
    # All of a write or nothing.
    assert store.read(0).totals == []


def test_what_is_old_is_deleted_and_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    marked = CELL._replace(line="a-line-of-old")
    old = batch(NOW)
    store.write([replace(old, figures=Figures([Total(NOW, NOW, marked, 100, 40)], []))], 0)
    assert b"a-line-of-old" in store.path.read_bytes()
    store.write([batch(NOW + 90 * DAY)], NOW + DAY)
    records = store.read(0)
    assert {total.first for total in records.totals} == {NOW + 90 * DAY}
    assert {each.day for each in records.distinct} == {NOW + 90 * DAY}
    assert {each.hour for each in records.watched} == {NOW + 90 * DAY}
    assert b"a-line-of-old" not in store.path.read_bytes()


def test_a_period_that_has_passed_outlasts_its_totals(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW, passed=frozenset({Family.OPENVPN}))], 0)
    store.write([], NOW + DAY)
    assert store.recorded() == Recorded({}, frozenset({Family.OPENVPN}))
    assert store.recorded().suffices(Family.OPENVPN, 7 * DAY)
    assert not store.recorded().suffices(Family.WIREGUARD, 7 * DAY)


@pytest.mark.parametrize(
    "content",
    [b"not a database, and long enough to be looked at: " * 40, None, b"other"],
    ids=["no database", "another schema", "one torn page"],
)
def test_a_file_that_is_not_understood_is_set_aside_by_the_daemon_alone(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW)], 0)
    if content is None:
        with closing(sqlite3.connect(store.path)) as database:
            database.execute("PRAGMA user_version = 9")
    elif content == b"other":
        data = bytearray(store.path.read_bytes())
        data[4096:8192] = bytes(4096)
        store.path.write_bytes(data)
    else:
        store.path.write_bytes(content)
    with pytest.raises(DamagedError, match="is not understood"):
        store.read(0)
    assert store.path.exists()
    recorded, (notice,) = store.restore(NOW)
    assert recorded == Recorded()
    assert "the shadow period is recorded anew; set aside as" in str(notice)
    assert [path.name for path in tmp_path.iterdir()] == [f"shadow.sqlite.corrupt-{NOW}"]
    assert store.restore(NOW) == (Recorded(), [])


def test_an_empty_file_is_a_daemon_killed_at_its_first_write(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.path.touch(0o600)
    store.write([batch(NOW)], 0)
    assert len(store.read(0).totals) == 1


def test_a_full_disk_is_told_and_harms_nothing_that_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW)], 0)
    many = [batch(NOW + number * HOUR) for number in range(3000)]
    with files_of_at_most(store.path.stat().st_size), pytest.raises(StoreError, match="cannot be used") as caught:
        store.write(many, 0)
    assert not isinstance(caught.value, DamagedError)
    assert len(store.read(0).totals) == 1
    store.write(many, 0)
    assert len(store.read(0).totals) == 3001


def test_readers_read_while_the_daemon_writes(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW)], 0)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM totals")
        assert len(store.read(0).totals) == 1
        writer.execute("ROLLBACK")


def test_a_daemon_killed_while_it_wrote_leaves_what_was_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW + number * HOUR) for number in range(300)], 0)
    before = store.recorded()
    assert before.seconds
    # Spilled to the file before its commit, as a large transaction is; then the process is gone.
    code = (
        "import os, sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "d.execute('PRAGMA cache_size = 1'); d.execute('BEGIN IMMEDIATE'); "
        "d.execute('UPDATE totals SET decisions = 0'); d.execute('UPDATE watched SET seconds = 0'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(store.path)], check=True, timeout=20)
    assert (tmp_path / "shadow.sqlite-journal").stat().st_size > 0
    with pytest.raises(StoreError, match=r"start the daemon, it mends the file"):
        store.read(0)
    recorded, notices = store.restore(NOW)
    assert (recorded, notices) == (before, [])
    assert {total.decisions for total in store.read(0).totals} == {100}


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: becoming another user needs root")
def test_who_may_not_read_it_is_told_and_the_file_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "shadow.sqlite")
    store.write([batch(NOW)], 0)
    tmp_path.chmod(0o755)
    pid = os.fork()
    if not pid:
        os.setuid(65534)
        try:
            store.read(0)
        except StoreError as error:
            os._exit(0 if "cannot be used" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
