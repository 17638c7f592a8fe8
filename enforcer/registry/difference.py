"""Which rows of one list stand unchanged in another: of a million, mostly all but a few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.registrations import Registrations

_Rows = NDArray[np.intp] | slice
_FEW = 10_000
"""Rows that are searched as fast as they are compared where they might stand."""

_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)


def partners(before: Registrations, after: Registrations) -> NDArray[np.intp]:
    """For each row, the row of ``after`` with its id, address or number, dates and conditions; -1 for none.

    Rows of one list differ in these.
    """
    found = np.full(len(before), -1, np.intp)
    codes = _common_conditions(before, after)
    # Lists mostly come in the order they had: what stands where it stood, from the first or the last on, is not
    # searched.
    shortest = min(len(before), len(after))
    free = np.ones(len(after), np.bool_)
    for shift in (0, len(after) - len(before)):
        start = max(0, -shift)
        rows, rows_after = slice(start, start + shortest), slice(start + shift, start + shift + shortest)
        same = _same(before, after, rows, rows_after, codes) & (found[rows] < 0)
        found[rows][same] = np.flatnonzero(same) + start + shift
        free[rows_after][same] = False
        if np.count_nonzero(found < 0) < _FEW:
            break
    old, new = np.flatnonzero(found < 0), np.flatnonzero(free)
    if len(old) and len(new):
        keys = _keys(after, codes[1], new)
        order = np.argsort(keys)
        place = np.searchsorted(keys, _keys(before, codes[0], old), sorter=order)
        candidate = new[order.take(place, mode="clip")]
        same = _same(before, after, old, candidate, codes)
        found[old[same]] = candidate[same]
    return found


def rows_with_ids(registrations: Registrations, hashes: NDArray[np.int64]) -> NDArray[np.intp]:
    """The rows whose id has one of some hashes, ascending: all of those ids, and hardly ever one of another."""
    return np.flatnonzero(np.isin(registrations.id_hash, hashes))


def _same(
    before: Registrations,
    after: Registrations,
    old: _Rows,
    new: _Rows,
    codes: tuple[NDArray[np.uint32], NDArray[np.uint32]],
) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = before.id[old] == after.id[new]
    for name in ("form", "high", "low"):
        same &= getattr(before, name)[old] == getattr(after, name)[new]
    for name in ("valid_from", "valid_to"):
        one, other = getattr(before, name)[old], getattr(after, name)[new]
        same &= (one == other) | (np.isnan(one) & np.isnan(other))
    same &= codes[0][old] == codes[1][new]
    return same


def _keys(
    registrations: Registrations, condition: NDArray[np.uint32], rows: NDArray[np.intp]
) -> NDArray[np.uint64]:
    """A number for each row: of different ones seldom the same."""
    key = registrations.id_hash[rows].view(np.uint64)
    for column in (
        registrations.form, registrations.high, registrations.low, registrations.valid_from.view(np.uint64),
        registrations.valid_to.view(np.uint64), condition,
    ):  # fmt: skip
        key = (key ^ column[rows]) * _ODD
        key ^= key >> np.uint64(29)
    return key


def _common_conditions(
    before: Registrations, after: Registrations
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The column ``condition`` of both, with the same code for the same conditions."""
    places = {conditions: place for place, conditions in enumerate(before.conditions)}
    codes = [places.setdefault(conditions, len(places)) for conditions in after.conditions]
    return before.condition, np.array(codes, np.uint32)[after.condition]
