"""Rows of a CSV file (RFC 4180).

The first line that is neither empty nor a comment (``#`` first) is the header. The delimiter is ``,``, or
``;`` in a file whose header has no comma. A cell may be quoted, but holds no line break: so a quote left open
spoils its own line only. UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from enforcer.problems import Findings
from enforcer.registry.characters import unprintable
from enforcer.registry.columns import IDENTITY_MESSAGE, Columns
from enforcer.registry.rows import Row

BLOCK = 1 << 16
"""Bytes of lines taken apart at once: about a thousand, which takes a millisecond."""

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\n"


def read_rows(data: bytes, file: str, columns: Columns, findings: Findings) -> Iterator[Row]:
    """The rows of ``data``, lazily. Nothing is yielded after a fatal problem in the header."""
    for block in read_blocks(data, file, columns, findings):
        for place in range(len(block.lines)):
            row = block.row(place, findings)
            if row is not None:
                yield row


def read_blocks(data: bytes, file: str, columns: Columns, findings: Findings) -> Iterator[Block]:
    """The same rows, some thousand at a time, not yet taken apart."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        findings.fatal(file, None, "the file is UTF-16: save it as UTF-8 ('CSV UTF-8' in spreadsheets)")
        return
    header: Header | None = None
    first = 1
    start = len(BOM_UTF8) if data.startswith(BOM_UTF8) else 0
    while start < len(data):
        end = _cut(data, start, BLOCK)
        lines = data[start:end].splitlines()
        numbers: Sequence[int] = range(first, first + len(lines))
        first += len(lines)
        start = end
        if header is None:
            place = next((n for n, line in enumerate(lines) if line.strip(b" \t,;") and line[:1] != b"#"), None)
            if place is None:
                continue
            line = lines[place].decode("utf-8", "surrogateescape")
            delimiter = ";" if ";" in line and "," not in line else ","
            header = _header(_split(line, delimiter), delimiter, file, numbers[place], columns, findings)
            if header is None:
                return
            lines, numbers = lines[place + 1 :], numbers[place + 1 :]
        if lines:
            yield Block(file, header, numbers, lines)
    if header is None:
        findings.fatal(file, None, "the file is empty: expected a header and at least one row")


def _cut(data: bytes, start: int, size: int) -> int:
    """Where a block of about ``size`` bytes from ``start`` ends: behind a line's end, or at the end of all."""
    while (end := start + size) < len(data):
        for mark in (b"\n", b"\r"):
            # A CR that is the last byte may be half of a CRLF.
            cut = data.rfind(mark, start, end if mark == b"\n" else end - 1) + 1
            if cut > start:
                return cut
        size *= 2
    return len(data)


class Block:
    """Some lines of a file, with their numbers: taken apart line by line, or all at once where that is plain."""

    __slots__ = ("file", "header", "lines", "numbers")

    def __init__(self, file: str, header: Header, numbers: Sequence[int], lines: list[bytes]) -> None:
        self.file = file
        self.header = header
        self.numbers = numbers
        self.lines = lines

    def some(self, places: Sequence[int]) -> Block:
        """Those of the lines at some places."""
        numbers = [self.numbers[place] for place in places]
        return Block(self.file, self.header, numbers, [self.lines[place] for place in places])

    def column_of_numbers(self) -> NDArray[np.uint32]:
        """The numbers of the lines as an array."""
        numbers = self.numbers
        if isinstance(numbers, range):
            return np.arange(numbers.start, numbers.stop, dtype=np.uint32)
        return np.array(numbers, np.uint32)

    def row(self, place: int, findings: Findings) -> Row | None:
        """One line as a row, its problems recorded; None when it holds nothing, or nothing that can be read."""
        line = self.lines[place]
        if not line or line.startswith(b"#"):
            return None
        return _row(line.decode("utf-8", "surrogateescape"), self.file, self.numbers[place], self.header, findings)

    def cells(self) -> dict[str, list[str]] | None:
        """The fields of every line, stripped, by column.

        None when ``row`` has to look at each: a comment, a blank line, a line with too many cells or too few, bad
        quoting, bytes that are no text.
        """
        width, delimiter = self.header.width, self.header.delimiter
        whole = b"\n".join(self.lines)
        if whole.startswith((b"#", b"\n")) or whole.endswith(b"\n") or b"\n#" in whole or b"\n\n" in whole:
            return None
        try:
            text = whole.decode("utf-8")
        except UnicodeDecodeError:
            return None
        plain = whole.isascii() and not whole.translate(None, _PRINTABLE)
        if not plain and not all(map(str.isprintable, text.split("\n"))):
            return None
        if '"' not in text:
            if set(map(bytes.count, self.lines, repeat(delimiter.encode()))) != {width - 1}:
                return None
            cells = text.replace("\n", delimiter).split(delimiter)
        else:
            lines = text.split("\n")
            try:
                rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
            except csv.Error:
                return None
            # A quote that is left open goes on in the next line.
            if len(rows) != len(lines) or set(map(len, rows)) != {width}:
                return None
            cells = list(chain.from_iterable(rows))
        columns = {name: cells[place::width] for place, name in self.header.fields}
        # Of what is printable only a space can be stripped, and without quotes it stands beside a mark.
        edges = (f"{delimiter} ", f" {delimiter}", "\n ", " \n")
        if '"' in text or text[0] == " " or text[-1] == " " or any(edge in text for edge in edges):
            columns = {name: list(map(str.strip, column)) for name, column in columns.items()}
        return columns


class Header(NamedTuple):
    """Where the fields stand that are read, of ``width`` cells; every other cell is passed over."""

    fields: tuple[tuple[int, str], ...]
    width: int
    delimiter: str


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


def _header(
    cells: list[str] | str, delimiter: str, file: str, line: int, columns: Columns, findings: Findings
) -> Header | None:
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
    return Header(tuple((position, name) for name, position in fields.items()), len(found), delimiter)


def _row(line: str, file: str, number: int, header: Header, findings: Findings) -> Row | None:
    delimiter = header.delimiter
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
