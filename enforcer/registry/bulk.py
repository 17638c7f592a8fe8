"""Many plain rows at once: what nothing is to be said of needs no row, and a list is of little else.

Each column is read by its distinct values where they are few. A row with anything in it that ``Interpreter`` would
tell of, or that only it can read, is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import tzinfo
from math import nan
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.csv_rows import Block
from enforcer.registry.dates import parse_end, parse_start
from enforcer.registry.entries import ID, ID_LENGTH, IDENTITY_CARD, NOTE_LENGTH, Interpreter, is_number
from enforcer.registry.guards import plain_identity
from enforcer.registry.registrations import NO_CONDITIONS, TAG, Places, Registrations, halves, hashes, id_column
from enforcer.subscribers.number import Tagger, normalise_all, redact

Cell = TypeVar("Cell", bound=Hashable)

_NO_FORM = 254
_NOBODY = bytes(16)
_REVOCATION = ("revokes", "reason", "notice_date", "effective_date")
_KINDS = {"company": 0, "freelancer": 1}
_SHORTEST = 7
"""Characters of the shortest number read here: of a longer one the last two digits may always be shown."""


class _Identities(NamedTuple):
    """Of each row the form, 16 bytes, and the last two digits of a number; and the former tags with their rows."""

    form: list[int]
    octets: list[bytes]
    digits: list[int]
    former: list[tuple[int, bytes]]


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
        high, low = halves(b"".join(identities.octets))
        nothing = np.full(len(rows), nan)
        place = {row: at for at, row in enumerate(rows)} if identities.former else {}
        former = [(tag, place[row]) for row, tag in identities.former if row in place]
        registrations = Registrations(
            id=id_column(chosen),
            id_hash=hashes(chosen),
            kind=kinds[plain],
            form=np.array(identities.form, np.uint8)[plain],
            high=high[plain],
            low=low[plain],
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
        return registrations, sorted(others), np.array(identities.digits, np.uint8)[plain]

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
    ) -> _Identities:
        count = len(ids)
        found = _Identities([_NO_FORM] * count, [_NOBODY] * count, [0] * count, [])
        for row, kind in enumerate(kinds):
            if kind == 0 and not numbers[row]:
                network = plain_identity(addresses[row])
                if network is not None:
                    found.form[row], found.octets[row] = network
        if self._tagger is not None:
            freelancers = [
                row
                for row, kind in enumerate(kinds)
                if kind == 1 and not addresses[row] and len(numbers[row]) >= _SHORTEST
            ]
            e164s = normalise_all([numbers[row] for row in freelancers], self._region)
            tagged: list[int] = []
            good: list[str] = []
            for row, e164 in zip(freelancers, e164s, strict=True):
                if e164 is not None and (ids[row][-2:] != e164[-2:] or not is_number(ids[row], e164)):
                    tagged.append(row)
                    good.append(e164)
            for row, tag, e164 in zip(tagged, self._tagger.tags(good), good, strict=True):
                found.form[row], found.octets[row], found.digits[row] = TAG, tag, int(e164[-2:])
            if self._tagger.has_former_keys:
                former = map(self._tagger.former_tags, good)
                found.former.extend((row, tag) for row, tags in zip(tagged, former, strict=True) for tag in tags)
        others.update(row for row, form in enumerate(found.form) if form == _NO_FORM)
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
