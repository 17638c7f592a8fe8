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
        return cls(region, timezone, () if tagger is None else tagger.all_tags(["+"])[0])


@dataclass(frozen=True, slots=True, eq=False)
class KnownLines:
    """The lines of one file of which nothing was told: their hashes, ascending, and the rows they became."""

    header: Header
    hashes: NDArray[np.int64]
    rows: NDArray[np.uint32]

    def rows_of(self, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each line, by the hashes of the lines; -1 for one that is not known."""
        if not len(self.hashes):
            return np.full(len(hashes), -1)
        places = np.searchsorted(self.hashes, hashes)
        found = self.hashes.take(places, mode="clip") == hashes
        return np.where(found, self.rows.take(places, mode="clip").astype(np.int64), -1)


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
