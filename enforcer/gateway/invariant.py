"""Does the kernel hold what the daemon wants it to? The comparison of the two, set by set.

The kernel is read in a thread of its own while the daemon goes on writing, so what differs is suspected only: the
one writer looks at each suspect again before it repairs anything. Reading a million addresses takes some seconds
of the kernel's time; nothing is read while nobody but the daemon has written (``nf_tables.generation``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from enforcer.gateway import nf_tables
from enforcer.gateway.nft import CommandError, foreseen
from enforcer.gateway.ruleset import INTERVAL_SETS
from enforcer.gateway.sets import KernelSets
from enforcer.registry.model import Network
from enforcer.registry.networks import Networks
from enforcer.registry.registrations import V6

FEW = 4096
"""Suspects of a set looked at one by one; where there are more, the whole set is written anew."""

SHARE = 20.0
"""A comparison is followed by a pause of so many times its own length: it takes a twentieth of a core at most."""

Range = tuple[int, int]
"""First and last address."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """What one set seemed to lack of ``wanted``, and to hold besides; ``whole`` when it is to be written anew."""

    name: str
    wanted: Networks
    missing: Networks
    extra: Networks
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found, begun at ``basis`` (the caller's word for when), or why it could not be made."""

    basis: int
    suspects: tuple[Suspects, ...]
    error: CommandError | None


@dataclass(frozen=True, slots=True)
class Repair:
    """The statements that put right what differs; ``complete`` unless a suspect could not be looked at."""

    text: str
    missing: int
    extra: int
    complete: bool


class Comparison:
    """Compares in the background, one at a time; ``deliver`` gets each result in that thread."""

    def __init__(self, deliver: Callable[[Compared], None]) -> None:
        self._deliver = deliver
        self._thread: threading.Thread | None = None
        self._free_at = float("-inf")

    def begin(self, members: Mapping[str, Networks], basis: int) -> bool:
        """Compare the kernel with the members of each set, unless one is under way or was just made."""
        if (self._thread is not None and self._thread.is_alive()) or time.monotonic() < self._free_at:
            return False
        self._thread = threading.Thread(target=self._compare, args=(members, basis), name="compare", daemon=True)
        self._thread.start()
        return True

    def _compare(self, members: Mapping[str, Networks], basis: int) -> None:
        began = time.monotonic()
        try:
            result = Compared(basis, tuple(suspects(members)), None)
        except Exception as error:
            result = Compared(basis, (), foreseen(error))
        ended = time.monotonic()
        self._free_at = ended + SHARE * (ended - began)
        self._deliver(result)


def suspects(members: Mapping[str, Networks]) -> Iterator[Suspects]:
    """The sets in which the kernel seems to hold something else than ``members``. Raises CommandError."""
    for name, wanted in members.items():
        if name in INTERVAL_SETS:
            bits = 128 if "6" in name else 32
            if union(_ranges(wanted)) != covered(nf_tables.points(name), bits):
                yield Suspects(name, wanted, _NOTHING, _NOTHING, whole=True)
            continue
        form = _form(name)
        expected = wanted.keys.get(form, keys(form, b""))
        found = keys(form, nf_tables.addresses(name, 4 if form < V6 else 16))
        if len(found) == len(expected) and np.array_equal(found, expected):
            continue
        missing = Networks({form: np.setdiff1d(expected, found, assume_unique=True)})
        extra = Networks({form: np.setdiff1d(found, expected, assume_unique=True)})
        yield Suspects(name, wanted, missing, extra, len(missing) + len(extra) > FEW)


def confirmed(suspects: Iterable[Suspects], sets: KernelSets) -> Repair:
    """How to repair what still differs from ``sets``; asked by the one writer. Raises CommandError."""
    text, lacking, besides, complete = "", 0, 0, True
    members = sets.members
    for suspect in suspects:
        name = suspect.name
        if name in INTERVAL_SETS:
            if members[name] is suspect.wanted:
                text += sets.refill_one(name)
                lacking += 1
            else:
                complete = False
            continue
        gone = suspect.missing - members[name]
        missing = Networks.of(one for one in _some(suspect.missing - gone) if not _holds(name, one))
        extra = Networks.of(one for one in _some(suspect.extra - members[name]) if _holds(name, one))
        if missing or extra:
            text += sets.refill_one(name) if suspect.whole else sets.repair(name, missing, extra)
        lacking, besides = lacking + len(missing), besides + len(extra)
    return Repair(text, lacking, besides, complete)


def _some(networks: Iterable[Network]) -> Iterator[Network]:
    return islice(networks, FEW)


def _holds(name: str, network: Network) -> bool:
    return nf_tables.holds(name, network.network_address.packed)


def keys(form: int, addresses: bytes) -> Any:
    """Addresses in network order as ``Networks`` keeps them, ascending and each once; one kind of network only."""
    if form < V6:
        return _ascending(np.frombuffer(addresses, ">u4").astype(np.uint64))
    if form <= V6 + 64:
        return _ascending(np.frombuffer(addresses, ">u8")[::2].astype(np.uint64))
    return _ascending(np.frombuffer(addresses, "S16").copy())


def _ascending(some: Any) -> Any:
    # Not numpy.unique, which lets no other thread run for half a second over a million; this sorts beside them.
    some.sort()
    return some[np.append(True, some[1:] != some[:-1])] if len(some) else some


def union(ranges: Iterable[Range]) -> list[Range]:
    """The same addresses in as few ranges as can be, ascending."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def covered(points: Iterable[nf_tables.Point], bits: int) -> list[Range]:
    """What the elements of an interval set cover, as ``union`` puts it.

    One that nothing ends goes up to the last address; an end that nothing begins is the kernel's mark for the gap
    below the first interval.
    """
    found: list[Range] = []
    begun: int | None = None
    # At the same address one interval ends before the next begins.
    for address, is_end in sorted(points, key=lambda point: (point[0], not point[1])):
        if begun is not None:
            found.append((begun, address - 1))
        begun = None if is_end else address
    if begun is not None:
        found.append((begun, (1 << bits) - 1))
    return union(found)


def _ranges(networks: Networks) -> Iterator[Range]:
    for network in networks.outermost():
        first = int(network.network_address)
        yield first, first + (1 << network.max_prefixlen - network.prefixlen) - 1


def _form(name: str) -> int:
    """The form of the networks in a hash set: single addresses, or prefixes of the length in its name."""
    length = name.rpartition("_")[2]
    if length.isdecimal():
        return V6 + int(length)
    return V6 + 128 if name.endswith("6") else 32


_NOTHING = Networks({})
