"""Rows of a YAML file: a mapping whose one key, ``registrations``, holds a list of rows.

A row is a mapping with the same fields as the columns of a CSV file; ``protocols`` and ``peers`` may be lists.
Scalars are taken as written: a number with leading zeros or a date needs no quotes.

The parser's events are read, not its tree: they carry line numbers, need a sixth of the time, and nesting of
any depth cannot exhaust the stack. 100,000 rows take about 2 seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from enforcer.problems import Findings
from enforcer.registry.characters import unprintable
from enforcer.registry.columns import IDENTITY_MESSAGE, Columns
from enforcer.registry.rows import Row

_TOP = "registrations"
_LISTS = frozenset({"protocols", "peers"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_EXPECTED = f"expected a mapping with the key '{_TOP}' and a list of rows under it"

_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_rows(data: bytes, file: str, columns: Columns, findings: Findings) -> Iterator[Row]:
    """The rows of ``data``, lazily. Rows before an error of YAML itself are yielded; the error is fatal."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.fatal(file, line, f"not UTF-8 (byte 0x{data[error.start]:02X}): save the file as UTF-8")
        return
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        findings.fatal(file, line, "a NUL byte: the file is damaged or not a text file")
        return
    try:
        yield from _Reader(text, file, columns, findings).rows()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        findings.fatal(file, mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        findings.fatal(file, None, f"not YAML: {error.reason}")


class _Reader:
    def __init__(self, text: str, file: str, columns: Columns, findings: Findings) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._file = file
        self._columns = columns
        self._findings = findings
        self._told: set[str] = set()

    def rows(self) -> Iterator[Row]:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent) or (
            isinstance(event, yaml.ScalarEvent) and _text(event) is None
        ):
            self._findings.fatal(self._file, None, f"the file is empty: {_EXPECTED}")
            return
        if not isinstance(event, yaml.MappingStartEvent):
            self._findings.fatal(self._file, _line(event), _EXPECTED)
            return
        seen = False
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            name = key.value if isinstance(key, yaml.ScalarEvent) else None
            if name is None:
                self._skip(key)
            value = self._next()
            if name == _TOP and not seen:
                seen = True
                yield from self._list(value)
                continue
            self._skip(value)
            told = f"the key '{_TOP}' stands twice" if name == _TOP else _EXPECTED
            self._findings.fatal(self._file, _line(key), told, name)
        if not seen:
            self._findings.fatal(self._file, _line(event), _EXPECTED)
        self._next()
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            self._findings.fatal(self._file, _line(event), "a second document: expected only one in the file")

    def _list(self, event: yaml.Event) -> Iterator[Row]:
        if isinstance(event, yaml.ScalarEvent) and _text(event) is None:
            return
        if not isinstance(event, yaml.SequenceStartEvent):
            self._skip(event)
            self._findings.fatal(
                self._file, _line(event), "expected a list of rows, each starting with '- '", _TOP
            )
            return
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            if isinstance(event, yaml.MappingStartEvent):
                yield self._row(_line(event))
                continue
            self._skip(event)
            self._problem(_line(event), None, "expected a row: a mapping of fields, such as 'id: ...'")

    def _row(self, line: int) -> Row:
        cells: dict[str, str] = {}
        lines: dict[str, int] = {}
        bad = False
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                self._skip(key)
                self._skip(self._next())
                self._problem(_line(key), None, "expected the name of a field")
                bad = True
                continue
            name = self._columns.canonical(key.value)
            value = self._next()
            if name not in self._columns.known:
                self._skip(value)
                if self._columns.is_identity(name):
                    self._tell_identity(_line(key), name)
                else:
                    self._problem(_line(key), name, self._columns.unknown_message(name))
                    bad = True
                continue
            if name in lines:
                self._skip(value)
                self._problem(_line(key), name, f"the field stands twice in the row that starts on line {line}")
                bad = True
                continue
            lines[name] = _line(key)
            text, fault = self._value(name, value)
            if fault is not None:
                self._problem(_line(key), name, fault)
                bad = True
            elif text:
                cells[name] = text
        return Row(self._file, line, cells, lines, bad)

    def _value(self, name: str, event: yaml.Event) -> tuple[str | None, str | None]:
        """The value as text, or what is wrong with it."""
        if isinstance(event, yaml.ScalarEvent):
            text = _text(event)
            return text, None if text is None else unprintable(text)
        if not isinstance(event, yaml.SequenceStartEvent) or name not in _LISTS:
            self._skip(event)
            return None, "expected a plain value" + (" or a list of them" if name in _LISTS else "")
        parts: list[str] = []
        good = True
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            text = _text(item) if isinstance(item, yaml.ScalarEvent) else None
            if text is None:
                self._skip(item)
                good = False
            else:
                parts.append(text)
        return (" ".join(parts), None) if good else (None, "expected a list of plain values")

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _skip(self, event: yaml.Event) -> None:
        """Pass over the rest of the value that ``event`` starts."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = self._next()

    def _problem(self, line: int, column: str | None, message: str) -> None:
        self._findings.problem(self._file, line, column, None, message)

    def _tell_identity(self, line: int, name: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._findings.notice(self._file, line, name, IDENTITY_MESSAGE)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    assert mark is not None  # every event of a parsed text has its mark
    return mark.line + 1


def _text(event: yaml.ScalarEvent) -> str | None:
    """The scalar's text, with single blanks for breaks; None for YAML's null."""
    value: str = event.value
    if not event.style and value in _NULLS:
        return None
    return " ".join(value.split())
