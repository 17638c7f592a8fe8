"""Rows of a CSV file (RFC 4180).

The first line that is neither empty nor a comment (``#`` first) is the header. The delimiter is ``,``, or
``;`` in a file whose header has no comma. A cell may be quoted, but holds no line break: so a quote left open
spoils its own line only. UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator

from enforcer.problems import Findings
from enforcer.registry.characters import unprintable
from enforcer.registry.columns import IDENTITY_MESSAGE, Columns
from enforcer.registry.rows import Row


def read_rows(data: bytes, file: str, columns: Columns, findings: Findings) -> Iterator[Row]:
    """The rows of ``data``, lazily. Nothing is yielded after a fatal problem in the header."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        findings.fatal(file, None, "the file is UTF-16: save it as UTF-8 ('CSV UTF-8' in spreadsheets)")
        return
    text = data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    lines = enumerate(io.StringIO(text, newline=None), start=1)
    first = next(((n, text) for n, text in lines if text.strip(" \t,;\n") and not text.startswith("#")), None)
    if first is None:
        findings.fatal(file, None, "the file is empty: expected a header and at least one row")
        return
    number, line = first[0], first[1].rstrip("\n")
    delimiter = ";" if ";" in line and "," not in line else ","
    kept = _header(_split(line, delimiter), file, number, columns, findings)
    if kept is None:
        return
    for number, line in lines:
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        row = _row(line, delimiter, file, number, kept, findings)
        if row is not None:
            yield row


class _Header:
    """Where the fields stand that are read; every other cell is passed over."""

    __slots__ = ("fields", "width")

    def __init__(self, fields: list[tuple[int, str]], width: int) -> None:
        self.fields = fields
        self.width = width


def _split(line: str, delimiter: str) -> list[str] | str:
    """The cells, or what is wrong."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader((line,), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return "a quote is opened and not closed on the same line: close it, without line breaks inside"
        return f"not a row of CSV: {error}"


def _header(cells: list[str] | str, file: str, line: int, columns: Columns, findings: Findings) -> _Header | None:
    if isinstance(cells, str):
        findings.fatal(file, line, cells)
        return None
    found = [columns.canonical(cell) for cell in cells]
    if not any(name in columns.known for name in found):
        findings.fatal(
            file,
            line,
            "the header is missing: the first line must name the columns, separated by ',' or ';': "
            + ", ".join(columns.known),
        )
        return None
    fields: dict[str, int] = {}
    for position, name in enumerate(found):
        fault = unprintable(name)
        if fault is not None:
            findings.fatal(file, line, f"column {position + 1} of the header: {fault}")
        elif name in fields:
            findings.fatal(file, line, "the column stands twice in the header: keep one", name)
            return None
        elif name in columns.known:
            fields[name] = position
        elif columns.is_identity(name):
            findings.notice(file, line, name, IDENTITY_MESSAGE)
        elif not name:
            findings.fatal(file, line, f"column {position + 1} of the header has no name: name or remove it")
        else:
            findings.fatal(file, line, columns.unknown_message(name), name)
    missing = columns.missing(frozenset(fields))
    if missing is not None:
        findings.fatal(file, line, f"the header lacks {missing}")
        return None
    return _Header([(position, name) for name, position in fields.items()], len(found))


def _row(line: str, delimiter: str, file: str, number: int, header: _Header, findings: Findings) -> Row | None:
    cells = _split(line, delimiter)
    if isinstance(cells, str):
        findings.problem(file, number, None, None, cells)
        return None
    if len(cells) != header.width:
        if not line.strip(" \t,;"):
            return None
        findings.problem(
            file,
            number,
            None,
            None,
            f"the row has {len(cells)} cells, the header {header.width}: "
            f"is a '{delimiter}' missing, or a cell with '{delimiter}' in it not quoted?",
        )
        return None
    kept: dict[str, str] = {}
    for position, name in header.fields:
        cell = cells[position].strip()
        if cell:
            kept[name] = cell
    if not kept:
        return None
    bad = False
    if not line.isprintable():
        for name, cell in kept.items():
            fault = unprintable(cell)
            if fault is not None:
                findings.problem(file, number, name, None, fault)
                bad = True
    return Row(file, number, kept, None, bad)
