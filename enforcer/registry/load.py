"""The list from its files: CSV and YAML, any number of them, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import phonenumbers

from enforcer.problems import Findings, Notice, Problem
from enforcer.registry import csv_rows, yaml_rows
from enforcer.registry.checks import Entry, apply_revocations, unique_id, without_duplicates
from enforcer.registry.columns import REGISTRATION
from enforcer.registry.entries import Interpreter, Revoked
from enforcer.registry.files import read_file
from enforcer.registry.model import Registration
from enforcer.registry.rows import Row
from enforcer.subscribers.number import Tagger, masked

_READERS = {".csv": csv_rows.read_rows, ".yaml": yaml_rows.read_rows, ".yml": yaml_rows.read_rows}


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The list, and everything there is to say about its files.

    When ``refused`` the files must not be used and ``registrations`` is empty: keep the list in force.
    """

    registrations: list[Registration]
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
    list_ = _List(Interpreter(region, timezone, tagger, findings), findings)
    for path in paths:
        list_.read(path)
    entries = list_.finished()
    if not entries and not findings.problems:
        findings.fatal(
            ", ".join(map(str, paths)), None, "no entry in the list: an empty one would leave nobody registered"
        )
    refused = not entries or any(problem.fatal or not lenient for problem in findings.problems)
    registrations = [] if refused else [entry.registration for entry in entries]
    return LoadResult(registrations, findings.problems, findings.notices, refused)


class _List:
    """The rows of all files on their way to one list."""

    def __init__(self, interpreter: Interpreter, findings: Findings) -> None:
        self._interpreter = interpreter
        self._findings = findings
        self._entries: list[Entry] = []
        self._revoked: list[Revoked] = []
        self._ids: dict[str, str] = {}
        self._revoked_ids: dict[str, str] = {}

    def read(self, path: Path) -> None:
        data = read_file(path, self._findings)
        if data is None:
            return
        read_rows = _READERS.get(path.suffix.lower())
        if read_rows is None:
            self._findings.fatal(
                str(path), None, "unknown kind of file: expected a name ending in .csv, .yaml or .yml"
            )
            return
        problems = len(self._findings.problems)
        rows = 0
        for row in read_rows(data, str(path), REGISTRATION, self._findings):
            rows += 1
            if "revokes" in row.cells:
                self._take_revocation(row)
            else:
                self._take_registration(row)
        if rows == 0 and len(self._findings.problems) == problems:
            self._findings.fatal(str(path), None, "the file has no entry: expected at least one row")

    def finished(self) -> list[Entry]:
        """The entries, less those that cannot stand beside the others."""
        entries = apply_revocations(self._entries, self._revoked, self._ids, self._findings)
        return without_duplicates(entries, self._findings)

    def _take_registration(self, row: Row) -> None:
        first = unique_id(row, "id", self._ids, self._findings)
        registration = None if row.bad else self._interpreter.registration(row)
        if registration is None or not first:
            return
        if registration.network is not None:
            column, shown = "address", str(registration.network)
        else:
            column, shown = "number", masked(row.cells["number"])
        self._entries.append(Entry(registration, row.file, row.line_of(column), shown))

    def _take_revocation(self, row: Row) -> None:
        first = unique_id(row, "revokes", self._revoked_ids, self._findings)
        revoked = None if row.bad else self._interpreter.revocation(row)
        if revoked is not None and first:
            self._revoked.append(revoked)
