"""The list from its files: CSV and YAML, any number of them, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import numpy as np
import phonenumbers
from numpy.typing import NDArray

from enforcer.problems import Findings, Notice, Problem
from enforcer.registry import csv_rows, yaml_rows
from enforcer.registry.bulk import Bulk
from enforcer.registry.checks import apply_revocations, unique_revocation, with_unique_ids, without_duplicates
from enforcer.registry.columns import REGISTRATION
from enforcer.registry.csv_rows import Block, Header
from enforcer.registry.entries import Interpreter, Revoked
from enforcer.registry.files import read_file
from enforcer.registry.known import Known, KnownLines, Search, Settings, line_hashes
from enforcer.registry.parts import BadRow, Entry, Part
from enforcer.registry.registrations import Registrations
from enforcer.registry.rows import Row
from enforcer.subscribers.number import Tagger, masked

_AT_ONCE = 4096
"""Entries made one by one before they are put in columns."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The list, and everything there is to say about its files.

    When ``refused`` the files must not be used and ``registrations`` is empty: keep the list in force. ``known``
    is for the next load to go on from.
    """

    registrations: Registrations
    problems: list[Problem]
    notices: list[Notice]
    refused: bool
    known: Known | None


def load(
    paths: Sequence[Path],
    region: str,
    timezone: tzinfo,
    tagger: Tagger | None,
    lenient: bool,
    known: Known | None = None,
) -> LoadResult:
    """Read the list from ``paths`` (``.csv``, ``.yaml`` or ``.yml``); errors are collected, never raised.

    ``region`` is where local numbers belong (ISO 3166-1 alpha-2); ``timezone`` is where days begin and end;
    ``tagger`` may be None for a list without numbers. One problem refuses the list whole. When ``lenient``
    only the rows with problems are left out, and only a file that is unusable as a whole refuses the list. Lines
    that are ``known`` are not read again.

    Raises ValueError for an unknown region.
    """
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"unknown region {region!r}: expected an ISO 3166-1 alpha-2 code such as 'PK'")
    findings = Findings()
    interpreter = Interpreter(region, timezone, tagger, findings)
    bulk = Bulk(region, timezone, tagger, interpreter)
    list_ = _List(interpreter, bulk, findings, Settings.of(region, timezone, tagger), known)
    for path in paths:
        list_.read(path)
    part = list_.finished()
    registrations = part.registrations
    if not registrations and not findings.problems:
        findings.fatal(
            ", ".join(map(str, paths)), None, "no entry in the list: an empty one would leave nobody registered"
        )
    refused = not registrations or any(problem.fatal or not lenient for problem in findings.problems)
    if refused:
        return LoadResult(Registrations.of(()), findings.problems, findings.notices, True, None)
    return LoadResult(registrations, findings.problems, findings.notices, False, list_.known(part))


class _Lines:
    """The lines of one CSV file: their hashes, and which of them the next load must read again."""

    def __init__(self, file: str, number: int) -> None:
        self.file = file
        self.number = number
        self.header: Header | None = None
        self.first = 0
        self.hashes: list[NDArray[np.int64]] = []
        self.told: list[int] = []

    def known(self, part: Part) -> KnownLines | None:
        """What became of them in the list."""
        if self.header is None:
            return None
        rows = np.flatnonzero((part.file == self.number) & ~np.isin(part.registrations.line, self.told))
        hashes = np.concatenate(self.hashes)
        of_lines = np.full(len(hashes), -1, np.int32)
        of_lines[part.registrations.line[rows] - self.first] = rows
        return KnownLines(self.header, hashes, of_lines)


class _List:
    """The rows of all files on their way to one list."""

    def __init__(
        self, interpreter: Interpreter, bulk: Bulk, findings: Findings, settings: Settings, known: Known | None
    ) -> None:
        self._interpreter = interpreter
        self._bulk = bulk
        self._findings = findings
        self._settings = settings
        self._known = known
        self._lines: list[_Lines] = []
        self._parts: list[Part] = []
        self._entries: list[Entry] = []
        self._bad: list[BadRow] = []
        self._revoked: list[Revoked] = []
        self._revoked_ids: dict[str, str] = {}
        self._problems_before: list[int] = []

    def read(self, path: Path) -> None:
        self._problems_before.append(len(self._findings.problems))
        data = read_file(path, self._findings)
        if data is None:
            return
        kind = path.suffix.lower()
        if kind not in (".csv", ".yaml", ".yml"):
            self._findings.fatal(
                str(path), None, "unknown kind of file: expected a name ending in .csv, .yaml or .yml"
            )
            return
        problems = len(self._findings.problems)
        rows = self._csv(data, str(path)) if kind == ".csv" else self._yaml(data, str(path))
        if rows == 0 and len(self._findings.problems) == problems:
            self._findings.fatal(str(path), None, "the file has no entry: expected at least one row")

    def finished(self) -> Part:
        """The entries, less those that cannot stand beside the others."""
        part = Part.concatenated(self._parts)
        part = with_unique_ids(part, self._bad, self._problems_before, self._findings)
        part = apply_revocations(part, self._revoked, self._bad, self._findings)
        return without_duplicates(part, self._findings)

    def known(self, part: Part) -> Known:
        """The finished list, for the next load."""
        files = {lines.file: known for lines in self._lines if (known := lines.known(part)) is not None}
        return Known(self._settings, files, part.registrations, part.digits)

    def _csv(self, data: bytes, file: str) -> int:
        lines = _Lines(file, len(self._problems_before) - 1)
        self._lines.append(lines)
        search: Search | None = None
        before: list[tuple[NDArray[np.int32], NDArray[np.uint32]]] = []
        parts: list[Part] = []
        rows = 0
        for block in csv_rows.read_blocks(data, file, REGISTRATION, self._findings):
            if lines.header is None:
                lines.header, lines.first = block.header, block.numbers[0]
                known = None if self._known is None else self._known.lines(file, block.header, self._settings)
                search = None if known is None else Search(known)
            hashes = line_hashes(block.lines)
            lines.hashes.append(hashes)
            if search is not None:
                old = search.rows_of(hashes)
                there = old >= 0
                before.append((old[there], block.column_of_numbers()[there]))
                rows += len(before[-1][0])
                block = block.some(np.flatnonzero(~there).tolist())
            if block.lines:
                rows += self._block(block, lines, parts)
        if self._known is not None and before:
            chosen, line = (np.concatenate(columns) for columns in zip(*before, strict=True))
            parts = [self._merged(self._known, chosen, line, lines.number, parts)]
        self._parts += parts
        return rows

    def _merged(
        self, known: Known, chosen: NDArray[np.int32], line: NDArray[np.uint32], file: int, fresh: list[Part]
    ) -> Part:
        """Rows that were read before, which stand on other lines now, and those that were read anew."""
        count = len(known.digits)
        rows = chosen.astype(np.intp)
        if fresh:
            whole = Part.concatenated([Part.plain(known.registrations[:count], known.digits, file), *fresh])
            rows = np.concatenate((rows, np.arange(count, len(whole))))
            line = np.concatenate((line, whole.registrations.line[count:]))
            order = np.argsort(line, kind="stable")
            return whole.take(rows[order]).moved(line[order])
        return Part.plain(known.registrations.take(rows), known.digits[rows], file).moved(line)

    def _block(self, block: Block, lines: _Lines, parts: list[Part]) -> int:
        plain, others, digits = self._bulk.read(block)
        rows = len(plain)
        for place in others:
            told = len(self._findings.problems), len(self._findings.notices)
            row = block.row(place, self._findings)
            if row is not None:
                rows += 1
                self._take(row)
            if told != (len(self._findings.problems), len(self._findings.notices)):
                lines.told.append(block.numbers[place])
        found = [Part.plain(plain, digits, lines.number)] if len(plain) else []
        if self._entries:
            found.append(self._made())
            both = Part.concatenated(found)
            found = [both.take(np.argsort(both.registrations.line, kind="stable"))]
        parts += found
        return rows

    def _yaml(self, data: bytes, file: str) -> int:
        rows = 0
        for row in yaml_rows.read_rows(data, file, REGISTRATION, self._findings):
            rows += 1
            self._take(row)
            if len(self._entries) == _AT_ONCE:
                self._parts.append(self._made())
        self._parts.append(self._made())
        return rows

    def _made(self) -> Part:
        """The entries made one by one since last asked."""
        entries, self._entries = self._entries, []
        return Part.of(entries, len(self._problems_before) - 1)

    def _take(self, row: Row) -> None:
        if "revokes" in row.cells:
            self._take_revocation(row)
            return
        registration = None if row.bad else self._interpreter.registration(row)
        if registration is not None:
            column = "number" if registration.network is None else "address"
            shown = masked(row.cells["number"]) if registration.network is None else ""
            self._entries.append(Entry(registration, row.line_of("id"), row.line_of(column), shown))
        elif (id := row.cells.get("id")) is not None:
            file = len(self._problems_before) - 1
            self._bad.append(BadRow(id, row.file, file, row.line, row.line_of("id")))

    def _take_revocation(self, row: Row) -> None:
        first = unique_revocation(row, self._revoked_ids, self._findings)
        revoked = None if row.bad else self._interpreter.revocation(row)
        if revoked is not None and first:
            self._revoked.append(revoked)
