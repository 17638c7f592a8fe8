"""The sessions file: what it says, and every error with its file, line, column, value and wording."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from enforcer.problems import Problem
from enforcer.subscribers.number import Tagger
from enforcer.subscribers.sessions_file import SessionsResult, load_sessions
from enforcer.subscribers.table import Session

TAGGER = Tagger(bytes(range(32)))
EXAMPLE = Path(__file__).parents[3] / "config" / "sessions.example.csv"
HEADER = "address,number,heard_at,nas\n"
HEARD = "2026-04-01T12:00:00+05:00"
GOOD = f"100.64.0.9,,{HEARD},bras\n"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str) -> Path:
        path = tmp_path / "sessions.csv"
        path.write_text(content, encoding="utf-8")
        return path

    return write


def read(path: Path, lenient: bool = False, tagger: Tagger | None = TAGGER) -> SessionsResult:
    return load_sessions(path, "PK", tagger, lenient)


def fields(session: Session) -> tuple[object, ...]:
    return (session.key, session.addresses, session.tag, session.heard_at, session.nas)


def test_the_example_loads() -> None:
    result = read(EXAMPLE)
    assert [*result.problems, *result.notices] == []
    assert not result.refused
    assert len(result.sessions) == 3


def test_every_field(write: Write) -> None:
    path = write(f"{HEADER}100.64.0.17 2001:db8:a:17::/64,0300 1234567,{HEARD},ggsn-1\n{GOOD}")
    heard_at = datetime.fromisoformat(HEARD).timestamp()
    one, two = read(path).sessions
    assert fields(one) == (
        f"{path}:2", (ip_network("100.64.0.17"), ip_network("2001:db8:a:17::/64")), TAGGER.tag("+923001234567"),
        heard_at, "ggsn-1",
    )  # fmt: skip
    assert fields(two) == (f"{path}:3", (ip_network("100.64.0.9"),), None, heard_at, "bras")


def test_the_column_nas_may_be_left_out(write: Write) -> None:
    (session,) = read(write(f"heard_at;number;address\n{HEARD};;100.64.0.9\n")).sessions
    assert session.nas is None


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (f",,{HEARD},", "address", None, "is missing: expected the addresses and prefixes of the session"),
        (f"100.64.0.17 100.64.0.1/24,,{HEARD},", "address", "100.64.0.1/24",
            "host bits are set: write 100.64.0.0/24 for the whole prefix, or 100.64.0.1 for the one address"),
        (f"0300 1234567,,{HEARD},", "address", "…67",
            "has what looks like a number in it: expected only addresses"),
        (f"100.64.0.300,,{HEARD},", "address", "100.64.0.300",
            "not an address: expected IPv4 or IPv6, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48"),
        (f"::/0,,{HEARD},", "address", "::/0",
            "the prefix is too broad: /16 is the shortest accepted for IPv6; list the holder's own prefixes"),
        (f"100.64.0.17,021 34567890,{HEARD},", "number", "…90",
            "…90 is not a mobile number but of the kind 'fixed line': only mobile numbers register"),
        ("100.64.0.17,,,", "heard_at", None, "is missing: expected when the session was last heard of"),
        ("100.64.0.17,,2026-04-01,", "heard_at", "2026-04-01",
            "expected an RFC 3339 date-time with its offset (2025-07-01T09:00:00+05:00)"),
        ("100.64.0.17,,2026-04-01T12:00:00,", "heard_at", "2026-04-01T12:00:00",
            "the date-time has no offset: write it with Z or +HH:MM at its end"),
        (f"100.64.0.17,,{HEARD},a b", "nas", "a b", "expected 1 to 64 ASCII characters without blanks"),
        (f"100.64.0.17,,{HEARD}", None, None, "the row has 3 cells, the header 4: is a ',' missing, "
            "or a cell with ',' in it not quoted?"),
    ],
)  # fmt: skip
def test_an_error_in_a_field(write: Write, row: str, column: str | None, value: str | None, message: str) -> None:
    path = write(f"{HEADER}{GOOD}{row}\n")
    result = read(path)
    assert result.refused
    assert result.sessions == []
    assert result.problems[0] == Problem(str(path), 3, column, value, message)
    lenient = read(path, lenient=True)
    assert not lenient.refused
    assert [session.key for session in lenient.sessions] == [f"{path}:2"]


def test_every_bad_row_is_told(write: Write) -> None:
    result = read(write(f"{HEADER}x,1,y,\n{GOOD}z,,{HEARD},\n"))
    assert [(problem.line, problem.column) for problem in result.problems] == [
        (2, "address"), (2, "number"), (2, "heard_at"), (4, "address"),
    ]  # fmt: skip


def test_an_unusable_file(write: Write, tmp_path: Path) -> None:
    for path, message in {
        tmp_path / "none.csv": "does not exist: check the path in the configuration",
        tmp_path: "is a directory: name the file in it",
    }.items():
        assert read(path, lenient=True).problems == [Problem(str(path), None, None, None, message, fatal=True)]
        assert read(path, lenient=True).refused
    path = write("address,msisdn,heard_at\n")
    expected = "unknown column 'msisdn': did you mean 'number'? known columns are address, number, nas, heard_at"
    assert read(path, lenient=True).problems == [
        Problem(str(path), 1, "msisdn", None, expected, fatal=True),
        Problem(str(path), 1, None, None, "the header lacks 'number'", fatal=True),
    ]


def test_a_file_without_a_session_is_told_and_used(write: Write) -> None:
    path = write(HEADER)
    result = read(path)
    assert not result.refused
    assert [str(notice) for notice in result.notices] == [
        f"{path}: the file has no session: nobody can be told apart"
    ]


def test_numbers_need_a_key(write: Write) -> None:
    path = write(f"{HEADER}100.64.0.17,03001234567,{HEARD},\n")
    expected = "numbers cannot be used without a key file: configure one"
    assert read(path, tagger=None).problems == [Problem(str(path), 2, "number", "…67", expected)]
    assert not read(write(HEADER + GOOD), tagger=None).refused


def test_no_raw_number_stays_anywhere(write: Write) -> None:
    path = write(
        f"{HEADER}100.64.0.17,0300 1234567,{HEARD},n\n100.64.0.18,0300 12345678,{HEARD},\n"
        f"0300 1234567,,03001234567,03001234567\n"
    )
    for lenient in (False, True):
        result = read(path, lenient=lenient)
        for blob in (repr(result).encode(), pickle.dumps(result), *(str(p).encode() for p in result.problems)):
            assert b"1234567" not in blob
    assert len(result.sessions) == 1
