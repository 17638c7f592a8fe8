"""Many plain rows at once: what nothing is to be said of needs no row, and a list is of little else.

Each column is read by its distinct values where they are few. A row with anything in it that ``Interpreter`` would
tell of, or that only it can read, is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import tzinfo
from math import nan
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.csv_rows import Block
from enforcer.registry.dates import parse_end, parse_start
from enforcer.registry.entries import ID, ID_LENGTH, IDENTITY_CARD, NOTE_LENGTH, Interpreter, is_number
from enforcer.registry.guards import plain_identity
from enforcer.registry.registrations import NO_CONDITIONS, TAG, Places, Registrations, halves, hashes, id_column
from enforcer.subscribers.number import Tagger, normalise_all, redact

Cell = TypeVar("Cell", bound=Hashable)

_Identity = tuple[int, bytes, Sequence[bytes], int]
"""Form, 16 bytes, former tags, and the last two digits of a number."""

_NONE: _Identity = (0, bytes(16), (), 0)
_REVOCATION = ("revokes", "reason", "notice_date", "effective_date")
_KINDS = {"company": 0, "freelancer": 1}
_SHORTEST = 7
"""Characters of the shortest number read here: of a longer one the last two digits may always be shown."""


class Bulk:
    """Reads blocks. ``region``, ``timezone`` and ``tagger`` as for ``Interpreter``."""

    def __init__(self, region: str, timezone: tzinfo, tagger: Tagger | None, interpreter: Interpreter) -> None:
        self._region = region
        self._timezone = timezone
        self._tagger = tagger
        self._interpreter = interpreter

    def read(self, block: Block) -> tuple[Registrations, list[int], NDArray[np.uint8]]:
        """The plain rows; the places in the block of the others, ascending; the last digits of the plain numbers.

        Of those the last two make one number for each plain row, 0 without a number.
        """
        cells = block.cells()
        count = len(block.lines)
        if cells is None:
            return Registrations.of(()), list(range(count)), np.zeros(0, np.uint8)
        others: set[int] = set()
        for name in _REVOCATION:
            if any(column := cells.get(name, ())):
                others.update(place for place, cell in enumerate(column) if cell)
        empty = [""] * count
        ids = self._ids(cells.get("id", empty), others)
        kinds = _coded(cells.get("holder", empty), _kind, others).astype(np.uint8)
        identities = self._identities(
            ids, kinds.tolist(), cells.get("address", empty), cells.get("number", empty), others
        )
        begin = _coded(cells.get("valid_from", empty), self._date(parse_start), others)
        end = _coded(cells.get("valid_to", empty), self._date(parse_end), others)
        others.update(np.flatnonzero(end <= begin).tolist())
        limits = list(zip(cells.get("protocols", empty), cells.get("peers", empty), strict=True))
        conditions, notes = Places(NO_CONDITIONS), Places("")
        condition = _coded(limits, lambda limit: conditions[self._interpreter.conditions(*limit)], others)
        note = _coded(cells.get("note", empty), lambda text: notes[_note(text)], others)
        plain = np.ones(count, np.bool_)
        plain[list(others)] = False
        rows = np.flatnonzero(plain).tolist()
        chosen = [ids[row].encode() for row in rows]
        high, low = halves(b"".join([identities[row][1] for row in rows]))
        nothing = np.full(len(rows), nan)
        former = [(tag, at) for at, row in enumerate(rows) for tag in identities[row][2]]
        registrations = Registrations(
            id=id_column(chosen),
            id_hash=hashes(chosen),
            kind=kinds[plain],
            form=np.array([identities[row][0] for row in rows], np.uint8),
            high=high,
            low=low,
            valid_from=begin[plain],
            valid_to=end[plain],
            vanished_at=nothing,
            condition=condition[plain].astype(np.uint32),
            note=note[plain].astype(np.uint32),
            source=np.zeros(len(rows), np.uint32),
            line=block.column_of_numbers()[plain],
            conditions=tuple(conditions),
            notes=tuple(notes),
            sources=(block.file,),
            revocations={},
            former=np.array([tag for tag, _ in former], "V16"),
            former_row=np.array([at for _, at in former], np.uint32),
        )
        return registrations, sorted(others), np.array([identities[row][3] for row in rows], np.uint8)

    def _ids(self, ids: list[str], others: set[int]) -> list[str]:
        # All cells are printable: a blank is what plain ASCII may still hold that an id may not.
        whole = "\n".join(ids)
        plain = whole.isascii() and " " not in whole and all(ids) and max(map(len, ids)) <= ID_LENGTH
        if not plain or IDENTITY_CARD.search(whole):
            others.update(
                place for place, id in enumerate(ids) if not ID.fullmatch(id) or IDENTITY_CARD.fullmatch(id)
            )
        return ids

    def _identities(
        self, ids: list[str], kinds: list[int], addresses: list[str], numbers: list[str], others: set[int]
    ) -> list[_Identity]:
        found = [_NONE] * len(ids)
        companies = [row for row, kind in enumerate(kinds) if kind == 0 and not numbers[row]]
        for row, network in zip(companies, map(plain_identity, [addresses[r] for r in companies]), strict=True):
            if network is not None:
                found[row] = (*network, (), 0)
        if self._tagger is not None:
            freelancers = [
                row
                for row, kind in enumerate(kinds)
                if kind == 1 and not addresses[row] and len(numbers[row]) >= _SHORTEST
            ]
            e164s = normalise_all([numbers[row] for row in freelancers], self._region)
            tagged = [(row, e164) for row, e164 in zip(freelancers, e164s, strict=True) if e164 is not None]
            tags = self._tagger.all_tags([e164 for _, e164 in tagged])
            for (row, e164), (tag, *former) in zip(tagged, tags, strict=True):
                end = e164[-2:]
                if ids[row][-2:] != end or not is_number(ids[row], e164):
                    found[row] = (TAG, tag, former, int(end))
        others.update(row for row, identity in enumerate(found) if identity is _NONE)
        return found

    def _date(self, parse: Callable[[str, tzinfo], float]) -> Callable[[str], float]:
        return lambda text: parse(text, self._timezone) if text else nan


def _coded(cells: Sequence[Cell], read: Callable[[Cell], float], others: set[int]) -> NDArray[np.float64]:
    """What each distinct cell is read as; those of which ``read`` raises ValueError are added to ``others``."""
    codes: dict[Cell, float] = {}
    bad: set[Cell] = set()
    for cell in set(cells):
        try:
            codes[cell] = read(cell)
        except ValueError:
            bad.add(cell)
            codes[cell] = 0
    if bad:
        others.update(place for place, cell in enumerate(cells) if cell in bad)
    if len(codes) == 1:
        return np.full(len(cells), next(iter(codes.values())))
    return np.fromiter(map(codes.__getitem__, cells), np.float64, len(cells))


def _kind(text: str) -> int:
    kind = _KINDS.get(text.lower())
    if kind is None:
        raise ValueError
    return kind


def _note(text: str) -> str:
    if len(text) > NOTE_LENGTH or redact(text) != text:
        raise ValueError
    return text
