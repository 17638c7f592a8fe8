"""The list from its files: CSV and YAML, any number of them, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import numpy as np
import phonenumbers

from enforcer.problems import Findings, Notice, Problem
from enforcer.registry import csv_rows, yaml_rows
from enforcer.registry.bulk import Bulk
from enforcer.registry.checks import apply_revocations, unique_revocation, with_unique_ids, without_duplicates
from enforcer.registry.columns import REGISTRATION
from enforcer.registry.entries import Interpreter, Revoked
from enforcer.registry.files import read_file
from enforcer.registry.parts import BadRow, Entry, Part
from enforcer.registry.registrations import Registrations
from enforcer.registry.rows import Row
from enforcer.subscribers.number import Tagger, masked

_FLUSH = 4096
"""Entries made one by one before they are put in columns."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The list, and everything there is to say about its files.

    When ``refused`` the files must not be used and ``registrations`` is empty: keep the list in force.
    """

    registrations: Registrations
    problems: list[Problem]
    notices: list[Notice]
    refused: bool


def load(paths: Sequence[Path], region: str, timezone: tzinfo, tagger: Tagger | None, lenient: bool) -> LoadResult:
    """Read the list from ``paths`` (``.csv``, ``.yaml`` or ``.yml``); errors are collected, never raised.

    ``region`` is where local numbers belong (ISO 3166-1 alpha-2); ``timezone`` is where days begin and end;
    ``tagger`` may be None for a list without numbers. One problem refuses the list whole. When ``lenient``
    only the rows with problems are left out, and only a file that is unusable as a whole refuses the list.

    Raises ValueError for an unknown region.
    """
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"unknown region {region!r}: expected an ISO 3166-1 alpha-2 code such as 'PK'")
    findings = Findings()
    interpreter = Interpreter(region, timezone, tagger, findings)
    list_ = _List(interpreter, Bulk(region, timezone, tagger, interpreter), findings)
    for path in paths:
        list_.read(path)
    registrations = list_.finished()
    if not registrations and not findings.problems:
        findings.fatal(
            ", ".join(map(str, paths)), None, "no entry in the list: an empty one would leave nobody registered"
        )
    refused = not registrations or any(problem.fatal or not lenient for problem in findings.problems)
    if refused:
        registrations = Registrations.of(())
    return LoadResult(registrations, findings.problems, findings.notices, refused)


class _List:
    """The rows of all files on their way to one list."""

    def __init__(self, interpreter: Interpreter, bulk: Bulk, findings: Findings) -> None:
        self._interpreter = interpreter
        self._bulk = bulk
        self._findings = findings
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

    def finished(self) -> Registrations:
        """The entries, less those that cannot stand beside the others."""
        part = Part.concatenated(self._parts)
        part = with_unique_ids(part, self._bad, self._problems_before, self._findings)
        part = apply_revocations(part, self._revoked, self._bad, self._findings)
        return without_duplicates(part, self._findings).registrations

    def _csv(self, data: bytes, file: str) -> int:
        rows = 0
        for block in csv_rows.read_blocks(data, file, REGISTRATION, self._findings):
            plain, others, digits = self._bulk.read(block)
            rows += len(plain)
            for place in others:
                row = block.row(place, self._findings)
                if row is not None:
                    rows += 1
                    self._take(row)
            self._flush(plain, digits)
        return rows

    def _yaml(self, data: bytes, file: str) -> int:
        rows = 0
        for row in yaml_rows.read_rows(data, file, REGISTRATION, self._findings):
            rows += 1
            self._take(row)
            if len(self._entries) == _FLUSH:
                self._flush()
        self._flush()
        return rows

    def _flush(self, plain: Registrations | None = None, digits: bytes = b"") -> None:
        """Put the plain rows of a block, and the entries read beside them, where they belong."""
        file = len(self._problems_before) - 1
        parts = [] if plain is None or not len(plain) else [Part.plain(plain, digits, file)]
        if self._entries:
            parts.append(Part.of(self._entries, file))
            self._entries = []
        if len(parts) == 2:
            both = Part.concatenated(parts)
            parts = [both.take(np.argsort(both.registrations.line, kind="stable"))]
        self._parts += parts

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
