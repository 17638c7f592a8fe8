"""Rows on their way to a list: registrations, and what is needed only to tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.model import Registration
from enforcer.registry.registrations import TAG, Registrations, network_of

_NOT_SHOWN = 255


class Entry(NamedTuple):
    """A registration, the lines of its id and of its address or number, and its number masked."""

    registration: Registration
    id_line: int
    line: int
    shown: str


class BadRow(NamedTuple):
    """A row that is no registration but has an id. ``number`` is its file's place among the files read."""

    id: str
    file: str
    number: int
    line: int
    id_line: int


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Registrations in columns, with the lines of their ids and of their addresses or numbers.

    ``digits`` are the last two digits of a number as one number. ``file`` is the place of each row's file among
    the files read.
    """

    registrations: Registrations
    id_line: NDArray[np.uint32]
    line: NDArray[np.uint32]
    digits: NDArray[np.uint8]
    file: NDArray[np.uint32]

    @classmethod
    def plain(cls, registrations: Registrations, digits: NDArray[np.uint8], file: int) -> Part:
        """Rows that stand on one line each."""
        line = registrations.line
        return cls(registrations, line, line, np.frombuffer(digits, np.uint8), np.full(len(line), file, np.uint32))

    @classmethod
    def of(cls, entries: Sequence[Entry], file: int) -> Part:
        """Rows read one by one."""
        digits = [int(entry.shown[1:] or _NOT_SHOWN) for entry in entries]
        return cls(
            Registrations.of(entry.registration for entry in entries),
            np.array([entry.id_line for entry in entries], np.uint32),
            np.array([entry.line for entry in entries], np.uint32),
            np.array(digits, np.uint8),
            np.full(len(entries), file, np.uint32),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[Part]) -> Part:
        """All rows of some parts, in order."""
        if not parts:
            return cls.of((), 0)
        return cls(
            Registrations.concatenated([part.registrations for part in parts]),
            np.concatenate([part.id_line for part in parts]),
            np.concatenate([part.line for part in parts]),
            np.concatenate([part.digits for part in parts]),
            np.concatenate([part.file for part in parts]),
        )

    def take(self, rows: NDArray[np.intp]) -> Part:
        """These rows, in the order given."""
        return Part(
            self.registrations.take(rows), self.id_line[rows], self.line[rows], self.digits[rows], self.file[rows]
        )

    def moved(self, line: NDArray[np.uint32]) -> Part:
        """The rows, which stand on one line each, on other lines."""
        return replace(self, registrations=replace(self.registrations, line=line), id_line=line, line=line)

    def __len__(self) -> int:
        return len(self.registrations)

    def place(self, row: int) -> tuple[str, int]:
        """The file and the line of a row's address or number."""
        registrations = self.registrations
        return registrations.sources[registrations.source[row]], int(self.line[row])

    def shown(self, row: int) -> str:
        """A row's address, or its number masked."""
        registrations = self.registrations
        form = int(registrations.form[row])
        if form != TAG:
            return str(network_of(form, int(registrations.high[row]), int(registrations.low[row])))
        digits = int(self.digits[row])
        return "…" if digits == _NOT_SHOWN else f"…{digits:02}"
