"""The list as it is asked: by address, by tag, by id."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.index import Index
from enforcer.registry.model import Network, Registration, Status
from enforcer.registry.networks import Networks
from enforcer.registry.registrations import HALF, STATUSES, TAG, V6, Registrations, form_of, halves


class Registry:
    """The registrations of one load of the list, remembered ones included; never changed, only replaced.

    ``as_of`` is when the list was last known to be good, in seconds since the epoch (UTC); None while no list
    has been loaded: then nobody can be said not to be on it.
    """

    __slots__ = ("_entry", "_index", "_near4", "_near6", "_wide4", "_wide6", "as_of", "registrations")

    def __init__(self, registrations: Iterable[Registration], as_of: float | None) -> None:
        self.as_of = as_of
        self.registrations = rows = Registrations.of(registrations)
        self._entry = rows.reader()
        high, low = halves(rows.former.tobytes())
        self._index = Index(
            np.concatenate((rows.form, np.full(len(high), TAG, np.uint8))),
            np.concatenate((rows.high, high)),
            np.concatenate((rows.low, low)),
        )
        self._near4, self._wide4 = _lengths(rows, 0, 32, 16, rows.low >> np.uint64(16))
        self._near6, self._wide6 = _lengths(rows, V6, 128, 32, rows.high >> np.uint64(32))

    def match_address(self, address: bytes) -> list[Registration]:
        """Every entry covering ``address`` (4 or 16 bytes, network order), most specific first, any status."""
        number = int.from_bytes(address, "big")
        rows, found = self._index.rows, []
        if len(address) == 4:
            for form, ones in self._near4.get(number >> 16, self._wide4):
                found += rows(form, 0, number & ones)
        else:
            for form, ones in self._near6.get(number >> 96, self._wide6):
                prefix = number & ones
                found += rows(form, prefix >> 64, prefix & HALF)
        return list(map(self._entry, found)) if found else []

    def match_tag(self, tag: bytes) -> list[Registration]:
        """Every entry of the number with this tag, at any status."""
        found = self.rows_of_tag(tag)
        return list(map(self._entry, found)) if found else []

    def rows_of_tag(self, tag: bytes) -> list[int]:
        """The rows of ``registrations`` with the number of this tag, ascending."""
        number = int.from_bytes(tag, "big")
        found = self._index.rows(TAG, number >> 64, number & HALF)
        count = len(self.registrations)
        if not found or found[-1] < count:
            return found
        return sorted(row if row < count else int(self.registrations.former_row[row - count]) for row in found)

    def at(self, network: Network) -> tuple[Registration, ...]:
        """Every entry of exactly this address or prefix, at any status."""
        number = int(network.network_address)
        return tuple(map(self._entry, self._index.rows(form_of(network), number >> 64, number & HALF)))

    def by_id(self, id: str) -> Registration | None:
        """The entry with this id; the one on the list before one that vanished from it."""
        entries = [self._entry(row) for row in self.registrations.rows_of(id)]
        on_list = [entry for entry in entries if entry.vanished_at is None]
        return on_list[0] if on_list else entries[-1] if entries else None

    def __len__(self) -> int:
        return len(self.registrations)

    def __iter__(self) -> Iterator[Registration]:
        return iter(self.registrations)

    def census(self, now: float, grace: float) -> dict[Status, int]:
        """How many entries stand how at ``now``; ``grace`` in seconds. Every status has its count."""
        counts = np.bincount(self.registrations.statuses(now, grace), minlength=len(STATUSES)).tolist()
        return dict(zip(STATUSES, counts, strict=True))

    def expiring(self, now: float, within: float) -> list[Registration]:
        """Entries current at ``now`` that end, by expiry or revocation, within the next ``within`` seconds.

        Soonest first.
        """
        rows = self.registrations
        end = np.fmin(rows.ends_at(), rows.revoked_at())
        ending = np.flatnonzero((end <= now + within) & rows.counting(now, 0.0))
        return [self._entry(row) for row in ending[np.argsort(end[ending], kind="stable")].tolist()]

    def unconditional_networks(self, now: float, grace: float) -> Networks:
        """Every network with an entry that is registered at ``now`` for all protocols and peers.

        Entries are independent: one that is registered is enough, whatever others say of the same address.
        Networks may cover one another.
        """
        rows = self.registrations
        chosen = rows.counting(now, grace) & rows.unconditional()
        return Networks.of_columns(rows.form[chosen], rows.high[chosen], rows.low[chosen])

    def next_change(self, now: float, grace: float) -> float:
        """When, after ``now``, the clock alone next changes how an entry stands; infinity when never."""
        return float(np.min(self.registrations.next_changes(now, grace), initial=math.inf))

    def ending(self, now: float, grace: float, within: float) -> dict[Status, int]:
        """How many current entries, and how many in grace, stand otherwise in less than ``within`` seconds."""
        rows = self.registrations
        soon = rows.next_changes(now, grace) - now < within
        counts = np.bincount(rows.statuses(now, grace)[soon], minlength=len(STATUSES)).tolist()
        return {status: counts[STATUSES.index(status)] for status in (Status.CURRENT, Status.GRACE)}


_Lengths = tuple[tuple[int, int], ...]
"""Forms, each with the mask of its prefixes, most specific first."""


def _lengths(
    rows: Registrations, least: int, bits: int, first: int, near: NDArray[np.uint64]
) -> tuple[dict[int, _Lengths], _Lengths]:
    """The lengths to ask for by the ``first`` bits of an address, ``near`` being the rows'; and for all others.

    Most addresses lie where nothing is registered, or only prefixes of one length: the fewer questions the better.
    Prefixes with fewer bits than those reach beyond, and are asked for everywhere.
    """
    masks = {least + length: (1 << bits) - (1 << bits - length) for length in range(bits + 1)}
    there = [form for form in np.flatnonzero(np.bincount(rows.form, minlength=1)).tolist() if form in masks]
    wide = [form for form in there if form - least < first]
    found: dict[int, list[int]] = {}
    for form in there:
        if form not in wide:
            for place in np.unique(near[rows.form == form]).tolist():
                found.setdefault(place, []).append(form)
    made: dict[tuple[int, ...], _Lengths] = {}

    def lengths(forms: list[int]) -> _Lengths:
        return made.setdefault(tuple(forms), tuple((form, masks[form]) for form in reversed(forms)))

    return {place: lengths(wide + forms) for place, forms in found.items()}, lengths(wide)
