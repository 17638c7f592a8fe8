"""Sessions on disk: back as they were, or a notice and a start without them; never a wrong one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.snapshot import SCHEMA, restore, save
from enforcer.subscribers.table import Session, SessionTable
from tests.unit.disk import files_of_at_most

NOW = 1_790_000_000.25
TAG = bytes(range(16))


def session(key: str = "s1", tag: bytes | None = TAG, heard_at: float = NOW - 900) -> Session:
    return Session(key, (ip_network("100.64.0.7"), ip_network("2001:db8:a:700::/56")), tag, heard_at, "n1")


def fields(one: Session) -> tuple[object, ...]:
    return one.key, one.addresses, one.tag, one.heard_at, one.nas


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def test_what_is_saved_comes_back_with_its_age(path: Path) -> None:
    assert save(path, [session()]) is None
    restored = restore(path, NOW)
    assert restored.notices == []
    assert list(map(fields, restored.sessions)) == [fields(session())]
    table = SessionTable(7200)
    for one in restored.sessions:
        table.restore(one)
    holding = table.holder(ip_network("100.64.0.7").network_address.packed, NOW)
    assert (holding.state, holding.tag, holding.age) == (HoldingState.FRESH, TAG, 900.0)


networks = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: IPv4Network(pair, strict=False)),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda pair: IPv6Network(pair, strict=False)),
)
sessions = st.builds(
    Session,
    key=st.text(max_size=20),
    addresses=st.lists(networks, max_size=3).map(tuple),
    tag=st.binary(min_size=16, max_size=16),
    heard_at=st.floats(allow_nan=False, allow_infinity=False),
    nas=st.one_of(st.none(), st.text(max_size=20)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sessions, max_size=4))
def test_anything_a_session_can_be_comes_back(path: Path, kept: list[Session]) -> None:
    assert save(path, kept) is None
    restored = restore(path, NOW)
    assert restored.notices == []
    assert list(map(fields, restored.sessions)) == list(map(fields, kept))


def test_only_its_owner_may_read_it_and_nothing_else_is_left(path: Path) -> None:
    path.with_name("sessions.db.new").write_text("from a save that was cut off")
    assert save(path, [session()]) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_sessions_without_a_number_stay_off_the_disk(path: Path) -> None:
    assert save(path, [session("a", tag=None), session("b")]) is None
    assert [one.key for one in restore(path, NOW).sessions] == ["b"]


def test_no_file_is_how_every_gateway_begins(path: Path) -> None:
    assert restore(path, NOW) == restore(path.parent / "none" / "s.db", NOW)
    assert restore(path, NOW).notices == []


def _change_a_value(path: Path) -> None:
    data = path.read_bytes()
    assert data.count(TAG) == 1
    path.write_bytes(data.replace(TAG, bytes([TAG[0] ^ 1]) + TAG[1:]))


def _run(statement: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_change_a_value, "digest"),
        (lambda path: path.write_bytes(b""), "schema 0"),
        (lambda path: path.write_bytes(b"not a database, " * 100), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096]), "malformed"),
        (lambda path: path.write_bytes(path.read_bytes()[:100] + bytes(8000)), ""),
        (lambda path: _run(f"PRAGMA user_version = {SCHEMA + 1}", path), f"schema {SCHEMA + 1}"),
        (lambda path: _run("DELETE FROM sessions", path), "digest"),
        (lambda path: _run("DROP TABLE digest", path), "digest"),
        (lambda path: _run("UPDATE sessions SET addresses = '100.64.0.7/8'", path), "host bits"),
        (lambda path: _run("UPDATE sessions SET tag = x'00'", path), "tag of 1 bytes"),
        (lambda path: _run("UPDATE sessions SET heard_at = 9e999", path), "time"),
    ],
)
def test_what_is_not_understood_is_set_aside_and_told(path: Path, spoil: object, told: str) -> None:
    assert save(path, [session()]) is None
    assert callable(spoil)
    spoil(path)
    restored = restore(path, NOW)
    assert restored.sessions == []
    assert [notice.file for notice in restored.notices] == [str(path)]
    assert told in str(restored.notices[0])
    aside = path.with_name(f"sessions.db.corrupt-{int(NOW)}")
    assert f"set aside as {aside}" in str(restored.notices[0])
    assert aside.exists()
    assert not path.exists()
    assert restore(path, NOW).notices == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_makes_another_session(path: Path, data: st.DataObject) -> None:
    assert save(path, [session()]) is None
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    restored = restore(path, NOW)
    if restored.sessions or not restored.notices:
        assert list(map(fields, restored.sessions)) == [fields(session())]


def test_a_full_disk_is_told_and_the_snapshot_before_stays(path: Path) -> None:
    assert save(path, [session("before")]) is None
    with files_of_at_most(64 * 1024):
        notice = save(path, [session(f"s{number}") for number in range(2000)])
    assert notice is not None
    assert str(notice).startswith(f"{path}: cannot be written")
    assert [one.key for one in restore(path, NOW).sessions] == ["before"]
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_a_folder_that_cannot_be_written_is_told(path: Path) -> None:
    assert "cannot be written" in str(save(path.parent / "none" / "s.db", [session()]))
    path.with_name("sessions.db.new").mkdir()
    assert "cannot be written" in str(save(path, [session()]))


def test_a_file_that_cannot_be_read_is_told_and_left(path: Path) -> None:
    path.mkdir()
    restored = restore(path, NOW)
    assert "cannot be read: Is a directory" in str(restored.notices[0])
    assert path.exists()
