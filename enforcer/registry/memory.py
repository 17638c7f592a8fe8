"""What vanished from the list goes on counting for a while.

A list may come without an entry by mistake: a lost row, a wrong export, a changed address. Only an explicit
revocation ends a registration early, so whatever a new list no longer grants is kept as it was, marked with
the time of its disappearance, until nothing depends on it any more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.difference import partners, rows_with_ids
from enforcer.registry.model import Network, Registration, Revocation
from enforcer.registry.registrations import Registrations

KEPT_GRACES = 2
"""How many grace periods an entry that ended is remembered: one in which it still counts, and one more in
which a refusal can still be explained by it and a longer grace still be configured."""


def remember(previous: Registrations, loaded: Registrations, now: float, grace: float) -> Registrations:
    """The ``loaded`` list, followed by the entries of the ``previous`` one that it does not continue.

    A loaded entry continues a previous one when it has its id and grants at least as much: the same number or
    address, every protocol, peer and moment. A previous entry that is not continued gets ``vanished_at``
    (``now``, or the earlier time it has already) and the revocation of its id, if the list has one; continued
    again, it is forgotten in favour of the loaded one. ``now`` is in seconds since the epoch (UTC), ``grace`` in
    seconds. Entries are forgotten ``KEPT_GRACES`` grace periods after they ended, and one after their
    revocation took effect.
    """
    # What is the same is continued: that it has ended since, or vanished before, takes nothing away.
    changed = np.flatnonzero(partners(previous, loaded) < 0)
    of_id = {loaded.id_at(row): row for row in rows_with_ids(loaded, previous.id_hash[changed]).tolist()}
    old_entry, new_entry = previous.reader(), loaded.reader()
    gone: list[int] = []
    revocations: dict[int, Revocation] = {}
    for row in changed.tolist():
        same_id = of_id.get(previous.id_at(row))
        if same_id is not None:
            new = new_entry(same_id)
            if continues(old_entry(row), new, now):
                continue
            if new.revocation is not None:
                revocations[len(gone)] = new.revocation
        gone.append(row)
    if not gone:
        return loaded
    vanished = previous.take(np.array(gone))
    vanished = replace(
        vanished,
        vanished_at=np.where(np.isnan(vanished.vanished_at), now, vanished.vanished_at),
        revocations={**vanished.revocations, **revocations},
    )
    kept = np.flatnonzero(~_forgotten(vanished, now, grace))
    return Registrations.concatenated([loaded, vanished.take(kept)]) if len(kept) else loaded


def continues(old: Registration, new: Registration, now: float) -> bool:
    """Whether ``new`` grants everything that ``old`` does at ``now`` and later, up to the expiry of ``new``.

    An expiry moved to an earlier day still ahead, or not before the end that ``old`` had, is the list's right:
    it is followed by grace. One moved into the past would leave none, so it does not continue.
    """
    if not _same_number(old, new) or not _covers(old.network, new.network):
        return False
    if new.protocols and not (old.protocols and old.protocols <= new.protocols):
        return False
    if new.peers and not (
        old.peers and all(any(_covers(peer, other) for other in new.peers) for peer in old.peers)
    ):
        return False
    began = old.valid_from is None or old.valid_from <= now
    if began and new.valid_from is not None and new.valid_from > now:
        return False
    if new.valid_to is None or new.valid_to >= now:
        return True
    end = old.ends_at()
    return end is not None and new.valid_to >= end


def _same_number(old: Registration, new: Registration) -> bool:
    return old.tag == new.tag or old.tag in new.former_tags


def _covers(inner: Network | None, outer: Network | None) -> bool:
    if inner is None or outer is None:
        return inner is outer
    if inner.version != outer.version or outer.prefixlen > inner.prefixlen:
        return False
    shift = inner.max_prefixlen - outer.prefixlen
    return int(inner.network_address) >> shift == int(outer.network_address) >> shift


def _forgotten(entries: Registrations, now: float, grace: float) -> NDArray[np.bool_]:
    # A comparison with NaN is false: what does not end is not forgotten.
    return (now >= entries.revoked_at() + grace) | (now >= entries.ends_at() + KEPT_GRACES * grace)
