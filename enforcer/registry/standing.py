"""What follows from a list at one moment, and what that changes when another list takes its place."""

from __future__ import annotations

from collections.abc import Container, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.difference import partners, rows_with_ids
from enforcer.registry.lookup import Registry
from enforcer.registry.model import REGISTERED, Network, Status
from enforcer.registry.registrations import STATUSES, TAG, Registrations


class Tags(Container[bytes]):
    """The tags of chosen rows of a list, by the list's own index: a set of a million would take as much again."""

    __slots__ = ("_chosen", "_rows_of_tag")

    def __init__(self, registry: Registry, chosen: NDArray[np.bool_]) -> None:
        self._rows_of_tag = registry.rows_of_tag
        self._chosen = chosen.data

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, bytes) and any(self._chosen[row] for row in self._rows_of_tag(tag))


@dataclass(frozen=True, slots=True)
class Listed:
    """What follows from a list at one moment: networks and numbers registered without conditions, and until when.

    ``at`` is that moment, ``valid_until`` when the clock alone next changes any of it, both in epoch seconds.
    ``holders`` are the tags of all registered numbers, conditions or not.
    """

    networks: Set[Network]
    tags: Container[bytes]
    holders: Container[bytes]
    at: float
    valid_until: float


def listed(registry: Registry, now: float, grace: float) -> Listed:
    """What follows from a list at ``now``, epoch seconds; ``grace`` in seconds."""
    rows = registry.registrations
    holding = rows.counting(now, grace) & (rows.form == TAG)
    return Listed(
        registry.unconditional_networks(now, grace),
        Tags(registry, holding & rows.unconditional()),
        Tags(registry, holding),
        now,
        registry.next_change(now, grace),
    )


class Difference:
    """What changes when a list takes another's place."""

    def __init__(self, before: Registry, after: Registry) -> None:
        self._before, self._after = before.registrations, after.registrations
        self._old, self._new = _changed(self._before, self._after)

    def changes(self, now: float, grace: float) -> dict[str, list[str]]:
        """The ids that begin to count at ``now``, that cease to, and that go into their grace period."""
        before, after = self._before, self._after
        touched = np.concatenate((before.id_hash[self._old], after.id_hash[self._new]))
        old, new = _standing(before, touched, now, grace), _standing(after, touched, now, grace)
        counting = {id for id, statuses in old.items() if statuses & REGISTERED}
        still = {id for id, statuses in new.items() if statuses & REGISTERED}
        grace_now = {id for id, statuses in new.items() if statuses & REGISTERED == {Status.GRACE}}
        grace_then = {id for id, statuses in old.items() if statuses & REGISTERED == {Status.GRACE}}
        return {
            "added": sorted(still - counting),
            "ended": sorted(counting - still),
            "in_grace": sorted(grace_now - grace_then),
        }

    def lost(self) -> tuple[int, int]:
        """How many entries were on the list before, and how many of them it lost."""
        before, after = self._before, self._after
        on_list = np.isnan(before.vanished_at)
        perhaps = self._old[on_list[self._old]]
        remains = {
            after.id_at(row)
            for row in rows_with_ids(after, before.id_hash[perhaps]).tolist()
            if np.isnan(after.vanished_at[row])
        }
        gone = {before.id_at(row) for row in perhaps.tolist()} - remains
        return int(np.count_nonzero(on_list)), len(gone)

    def revoked(self) -> int:
        """How many entries that stood before are revoked now, at whatever date, and were not before."""
        before, after = self._before, self._after
        free = self._old[np.isinf(before.revoked_at()[self._old])]
        revoked = self._new[np.isfinite(after.revoked_at()[self._new])]
        return len({before.id_at(row) for row in free.tolist()} & {after.id_at(row) for row in revoked.tolist()})


def _changed(before: Registrations, after: Registrations) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of each list that do not stand in the other, with the same disappearance and revocation."""
    partner = partners(before, after)
    old = np.flatnonzero(partner >= 0)
    new = partner[old]
    gone, gone_after = before.vanished_at[old], after.vanished_at[new]
    same = (gone == gone_after) | (np.isnan(gone) & np.isnan(gone_after))
    same &= before.revoked_at()[old] == after.revoked_at()[new]
    return (
        np.delete(np.arange(len(before)), old[same]),
        np.delete(np.arange(len(after)), new[same]),
    )


def _standing(
    registrations: Registrations, hashes: NDArray[np.int64], now: float, grace: float
) -> dict[str, set[Status]]:
    found: dict[str, set[Status]] = {}
    rows = rows_with_ids(registrations, hashes)
    for row, status in zip(rows.tolist(), registrations.statuses(now, grace)[rows].tolist(), strict=True):
        found.setdefault(registrations.id_at(row), set()).add(STATUSES[status])
    return found
