"""Errors of lines and of whole files: their line, column and wording, and what a lenient load makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enforcer.problems import Problem
from enforcer.registry.load import load
from tests.unit.registry.lists import (
    FREELANCER,
    GOOD,
    HEADER,
    KARACHI,
    TAGGER,
    YAML_ROW,
    Write,
    csv,
    only,
    read,
    row,
)

# Errors of rows and cells as such.


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (b'C-1,"company,198.51.100.7', None, "a quote is opened and not closed on the same line: "
            "close it, without line breaks inside"),
        (b'C-1,"com"pany,198.51.100.7', None, "not a row of CSV: ',' expected after '\"'"),
        (b"C-1,company", None, "the row has 2 cells, the header 3: is a ',' missing, "
            "or a cell with ',' in it not quoted?"),
        (b"C-1,company,198.51.100.7,", None, "the row has 4 cells, the header 3: is a ',' missing, "
            "or a cell with ',' in it not quoted?"),
        (b"C-\xe9,company,198.51.100.7", "id", "not UTF-8 (byte 0xE9): save the file as UTF-8"),
        (b"C-1,company,198.51.\x00100.7", "address", "a NUL byte: the file is damaged or not a text file"),
        (b"C-1,comp\x1b[2Jany,198.51.100.7", "holder", "the control character U+001B is not allowed: remove it"),
    ],
)  # fmt: skip
def test_an_error_in_a_line_of_csv(write: Write, line: bytes, column: str | None, message: str) -> None:
    path = write(b"id,holder,address\n" + line + b"\nC-2,company,198.51.100.8\n")
    assert only(read(path)) == Problem(str(path), 2, column, None, message)
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["C-2"]


# Errors of whole files: not even a lenient load goes on.

KNOWN = ", ".join(HEADER.split(","))


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"", None, None, "the file is empty: expected a header and at least one row"),
        (b" \n\n", None, None, "the file is empty: expected a header and at least one row"),
        (b"# only\n# comments\n", None, None, "the file is empty: expected a header and at least one row"),
        (HEADER.encode(), None, None, "the file has no entry: expected at least one row"),
        (
            b"C-1,company,198.51.100.7\n", 1, None,
            f"the header is missing: the first line must name the columns, separated by ',' or ';': {KNOWN}",
        ),
        (b"id,holder\nC-1,company\n", 1, None, "the header lacks 'address' or 'number'"),
        (b"address,note\n198.51.100.7,x\n", 1, None, "the header lacks 'id', 'holder'"),
        (
            b"id,holder,adress\nC-1,company,198.51.100.7\n", 1, "adress",
            f"unknown column 'adress': did you mean 'address'? known columns are {KNOWN}",
        ),
        (
            b"id,holder,address,MSISDN\nC-1,company,198.51.100.7,\n", 1, "msisdn",
            f"unknown column 'msisdn': did you mean 'number'? known columns are {KNOWN}",
        ),
        (
            b"id,holder,address,qqq\nC-1,company,198.51.100.7,\n", 1, "qqq",
            f"unknown column 'qqq': known columns are {KNOWN}",
        ),
        (b"id,holder,address,id\nC,company,198.51.100.7,C\n", 1, "id", "the column stands twice in the header: "
            "keep one"),
        (b"id,holder,,address\nC,company,,198.51.100.7\n", 1, None, "column 3 of the header has no name: "
            "name or remove it"),
        ("id,holder,address\n".encode("utf-16"), None, None, "the file is UTF-16: save it as UTF-8 "
            "('CSV UTF-8' in spreadsheets)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True])
def test_an_unusable_csv(
    write: Write, content: bytes, line: int | None, column: str | None, message: str, lenient: bool
) -> None:
    path = write(content)
    result = read(path, lenient=lenient)
    assert result.refused
    assert result.registrations == []
    assert result.problems[0] == Problem(str(path), line, column, None, message, fatal=True)


def test_a_wrong_header_does_not_hide_wrong_rows(write: Write) -> None:
    result = read(write("id,holder,adress,address\nC-1,company,,nowhere\n"))
    assert [(problem.line, problem.column) for problem in result.problems] == [(1, "adress"), (2, "address")]


EXPECTED = "expected a mapping with the key 'registrations' and a list of rows under it"


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"# nothing\n", None, None, f"the file is empty: {EXPECTED}"),
        (b"---\n...\n", None, None, f"the file is empty: {EXPECTED}"),
        (b"registrations:\n", None, None, "the file has no entry: expected at least one row"),
        (b"- id: C-1\n", 1, None, EXPECTED),
        (b"entries: []\n", 1, "entries", EXPECTED),
        (b"registrations: 5\n", 1, "registrations", "expected a list of rows, each starting with '- '"),
        (f"registrations:\n{YAML_ROW}registrations: []\n".encode(), 3, "registrations",
            "the key 'registrations' stands twice"),
        (f"registrations:\n{YAML_ROW}---\nx\n".encode(), 3, None,
            "a second document: expected only one in the file"),
        (b"registrations:\n- id: [\n", 3, None, "not YAML: did not find expected node content"),
        (b"registrations:\n- id: C-\xe9\n", 2, None, "not UTF-8 (byte 0xE9): save the file as UTF-8"),
        (b"registrations:\n- id: C-\0\n", 2, None, "a NUL byte: the file is damaged or not a text file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True])
def test_an_unusable_yaml(
    write: Write, content: bytes, line: int | None, column: str | None, message: str, lenient: bool
) -> None:
    path = write(content, "list.yml")
    result = read(path, lenient=lenient)
    assert result.refused
    assert result.registrations == []
    assert result.problems[0] == Problem(str(path), line, column, None, message, fatal=True)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("- 5\n", 3, None, "expected a row: a mapping of fields, such as 'id: ...'"),
        ("- id: A\n  id: B\n", 4, "id", "the field stands twice in the row that starts on line 3"),
        ("- id: A\n  holder: {a: b}\n", 4, "holder", "expected a plain value"),
        ("- id: A\n  protocols: {a: b}\n", 4, "protocols", "expected a plain value or a list of them"),
        ("- id: A\n  peers: [[a]]\n", 4, "peers", "expected a list of plain values"),
        ("- id: A\n  note: \"a\\eb\"\n", 4, "note", "the control character U+001B is not allowed: remove it"),
        ("- id: A\n  adress: b\n", 4, "adress", f"unknown column 'adress': did you mean 'address'? "
            f"known columns are {KNOWN}"),
        ("- id: A\n  [a]: b\n", 4, None, "expected the name of a field"),
    ],
)  # fmt: skip
def test_an_error_in_a_row_of_yaml(write: Write, text: str, line: int, column: str | None, message: str) -> None:
    path = write(f"registrations:\n{YAML_ROW}{text}", "list.yaml")
    assert only(read(path)) == Problem(str(path), line, column, None, message)
    assert [entry.id for entry in read(path, lenient=True).registrations] == ["C-1"]


def test_deeply_nested_yaml_is_an_error_like_any_other(write: Write) -> None:
    result = read(write("registrations: " + "[" * 20_000, "list.yaml"))
    assert result.refused
    assert result.problems[-1].fatal


def test_files_that_cannot_be_read(tmp_path: Path, write: Write) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "self.csv").symlink_to(tmp_path / "self.csv")
    told = {
        tmp_path / "none.csv": "does not exist: check the path in the configuration",
        tmp_path / "folder.csv": "is a directory: name the file in it",
        tmp_path / "fifo.csv": "is not a regular file: name a file on disk",
        tmp_path / "self.csv": "cannot be read: Too many levels of symbolic links; check its owner and mode",
        write("x", "list.xlsx"): "unknown kind of file: expected a name ending in .csv, .yaml or .yml",
    }
    good = write(csv(row(**GOOD)))
    for path, message in told.items():
        result = read(path, good, lenient=True)
        assert result.refused
        assert result.problems == [Problem(str(path), None, None, None, message, fatal=True)]


def test_a_lenient_load_without_one_good_row_is_refused(write: Write) -> None:
    assert read(write(csv(row(**{**GOOD, "holder": "x"}))), lenient=True).refused


def test_numbers_need_a_key(write: Write) -> None:
    path = write(csv(row(**FREELANCER)))
    expected = "numbers cannot be used without a key file: configure one"
    assert only(read(path, tagger=None)) == Problem(str(path), 2, "number", "…67", expected)


def test_an_unknown_region_is_refused_at_once(write: Write) -> None:
    with pytest.raises(ValueError, match="unknown region 'ZZ': expected an ISO 3166-1 alpha-2 code"):
        load([write(csv(row(**GOOD)))], "ZZ", KARACHI, TAGGER, False)
