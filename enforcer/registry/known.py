"""What a list's lines were read as, so that of a list read again only the lines that are new are read.

Of a line, Python's hash of it is kept: 64 bits of SipHash under a key that each process draws anew. Numbers cannot
be told from it without that key, as they cannot from their tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.csv_rows import Header
from enforcer.registry.registrations import Registrations
from enforcer.subscribers.number import Tagger


class Settings(NamedTuple):
    """What a line is read by, beside its file's header; ``keys`` tell the keys of the tags apart."""

    region: str
    timezone: tzinfo
    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, region: str, timezone: tzinfo, tagger: Tagger | None) -> Settings:
        """The settings of a load."""
        return cls(region, timezone, () if tagger is None else (tagger.tag("+"), *tagger.former_tags("+")))


@dataclass(frozen=True, slots=True, eq=False)
class KnownLines:
    """The lines of one file: their hashes, and the row each became; -1 for what has to be read again."""

    header: Header
    hashes: NDArray[np.int64]
    rows: NDArray[np.int32]


class Search:
    """Finds the lines of a file among those known of it, from the first on."""

    def __init__(self, known: KnownLines) -> None:
        self._known = known
        self._next = 0
        self._order: NDArray[np.intp] | None = None

    def rows_of(self, hashes: NDArray[np.int64]) -> NDArray[np.int32]:
        """The row of each of the next lines, by their hashes; -1 for one that is not known."""
        known = self._known
        expected = slice(self._next, self._next + len(hashes))
        if np.array_equal(known.hashes[expected], hashes):
            self._next = expected.stop
            return known.rows[expected]
        if self._order is None:
            self._order = np.argsort(known.hashes)
        places = self._order.take(np.searchsorted(known.hashes, hashes, sorter=self._order), mode="clip")
        found = known.hashes[places] == hashes
        if found.any():
            last = int(np.flatnonzero(found)[-1])
            self._next = int(places[last]) + len(hashes) - last
        return np.where(found, known.rows[places], np.int32(-1))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A list as it was read: its lines by file, and their rows; ``digits`` as in ``Part``."""

    settings: Settings
    files: Mapping[str, KnownLines]
    registrations: Registrations
    digits: NDArray[np.uint8]

    def lines(self, file: str, header: Header, settings: Settings) -> KnownLines | None:
        """The lines of a file that has this header; None when they may be read otherwise now."""
        known = self.files.get(file)
        return known if known is not None and known.header == header and self.settings == settings else None


def line_hashes(lines: Iterable[bytes]) -> NDArray[np.int64]:
    """The hashes of lines."""
    return np.fromiter(map(hash, lines), np.int64)
