"""Sessions over a restart: ages kept, damage set aside, a bad disk told and nothing else."""

from __future__ import annotations

import sqlite3
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enforcer.subscribers.snapshot import restore, save
from enforcer.subscribers.table import Session
from tests.unit.policy.worlds import NOW, TAG, session

_networks = st.one_of(
    st.ip_addresses().map(ip_network),
    st.integers(0, 2**64 - 1).map(lambda number: ip_network((number << 64, 64))),
)
_sessions = st.builds(
    Session,
    key=st.text(max_size=20),
    addresses=st.lists(_networks, max_size=3).map(tuple),
    tag=st.binary(min_size=16, max_size=16),
    heard_at=st.floats(0, 4e9),
    nas=st.one_of(st.none(), st.text(max_size=20)),
)


def fields(sessions: list[Session]) -> list[tuple[object, ...]]:
    return [(each.key, each.addresses, each.tag, each.heard_at, each.nas) for each in sessions]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_sessions, max_size=5))
def test_what_was_saved_is_restored(tmp_path: Path, sessions: list[Session]) -> None:
    path = tmp_path / "sessions.sqlite"
    assert save(path, sessions) is None
    assert path.stat().st_mode & 0o777 == 0o600
    restored = restore(path, NOW)
    assert fields(restored.sessions) == fields(sessions)
    assert restored.notices == []
    assert [each.name for each in tmp_path.iterdir()] == ["sessions.sqlite"]


def test_a_session_without_a_number_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    assert save(path, [session(tag=None), session(key="kept")]) is None
    assert [each.key for each in restore(path, NOW).sessions] == ["kept"]


def test_the_first_start_has_nothing_to_say(tmp_path: Path) -> None:
    restored = restore(tmp_path / "none.sqlite", NOW)
    assert (restored.sessions, restored.notices) == ([], [])


def rewritten(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"this is no database, but long enough to look at" * 9), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "malformed"),
        (lambda path: rewritten(path, "PRAGMA user_version = 7"), "schema 7, expected 1"),
        (lambda path: rewritten(path, "UPDATE session SET tag = x'00'"), "wrong kind"),
        (lambda path: rewritten(path, "UPDATE session SET heard_at = 'late'"), "wrong kind"),
        (lambda path: rewritten(path, "UPDATE session SET addresses = '300.1.1.1'"), "300.1.1.1"),
        (lambda path: rewritten(path, "UPDATE session SET session = 5, nas = x'00'"), "no text"),
    ],
)
def test_a_file_that_is_not_understood_is_set_aside_and_the_gateway_starts(
    tmp_path: Path, damage: object, said: str
) -> None:
    path = tmp_path / "sessions.sqlite"
    save(path, [session(key=f"s{n}", tag=TAG) for n in range(500)])
    damage(path)  # type: ignore[operator]
    restored = restore(path, NOW)
    assert restored.sessions == []
    assert said in str(restored.notices[0])
    assert f"set aside as {path}.corrupt-{int(NOW)}" in str(restored.notices[0])
    assert not path.exists()
    assert save(path, [session()]) is None


def test_a_disk_that_takes_nothing_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "sessions.sqlite"
    notice = save(path, [session()])
    assert "cannot be kept for a restart" in str(notice)
    kept = tmp_path / "sessions.sqlite"
    save(kept, [session()])
    (tmp_path / "sessions.sqlite.new").mkdir()
    assert save(kept, []) is not None
    assert len(restore(kept, NOW).sessions) == 1
