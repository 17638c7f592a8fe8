"""Sets of addresses and prefixes in arrays: a million addresses in eight megabytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Set
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enforcer.registry.model import Network
from enforcer.registry.registrations import HALF, TAG, V6, form_of, network_of

_FEW = 64
"""An array this many times shorter than another is merged into it without sorting anything."""

_Keys = NDArray[Any]


class Networks(Set[Network]):
    """A set of networks, never changed. ``keys`` are the members' addresses by form, each array ascending.

    A key is the low half of an IPv4 address, the high half of an IPv6 prefix of up to 64 bits, and else the 16
    bytes of the address: what ``Registrations`` calls form and halves.
    """

    __slots__ = ("keys",)

    def __init__(self, keys: Mapping[int, _Keys]) -> None:
        self.keys = {form: keys[form] for form in sorted(keys) if len(keys[form])}

    @classmethod
    def of(cls, networks: Iterable[Network]) -> Networks:
        """The set of some networks."""
        if isinstance(networks, Networks):
            return networks
        found: dict[int, list[int]] = {}
        for network in networks:
            found.setdefault(form_of(network), []).append(int(network.network_address))
        keys: dict[int, _Keys] = {}
        for form, numbers in found.items():
            high = np.array([number >> 64 for number in numbers], np.uint64)
            low = np.array([number & HALF for number in numbers], np.uint64)
            keys[form] = _keys(form, high, low)
        return cls(keys)

    @classmethod
    def of_columns(cls, form: NDArray[np.uint8], high: NDArray[np.uint64], low: NDArray[np.uint64]) -> Networks:
        """The set of the networks among some identities."""
        keys: dict[int, _Keys] = {}
        for one in np.flatnonzero(np.bincount(form, minlength=1)).tolist():
            if one != TAG:
                rows = form == one
                keys[one] = _keys(one, high[rows], low[rows])
        return cls(keys)

    def __len__(self) -> int:
        return sum(map(len, self.keys.values()))

    def __iter__(self) -> Iterator[Network]:
        for form, keys in self.keys.items():
            for address in addresses(form, keys):
                number = int.from_bytes(address, "big")
                yield network_of(form, number >> 64, number & HALF)

    def __contains__(self, network: object) -> bool:
        if not isinstance(network, IPv4Network | IPv6Network) or form_of(network) not in self.keys:
            return False
        # In Python's own terms: NumPy keeps small arrays' memory, and what was asked about in it, for the next.
        form = form_of(network)
        keys, number = self.keys[form], int(network.network_address)
        if form <= V6 + 64:
            halves = keys.data
            half = number if form < V6 else number >> 64
            place = bisect_left(halves, half)
            return place < len(halves) and bool(halves[place] == half)
        octets, wanted = keys.view(np.uint8).data, network.network_address.packed

        def key(place: int) -> bytes:
            return bytes(octets[16 * place : 16 * place + 16])

        place = bisect_left(range(len(keys)), wanted, key=key)
        return place < len(keys) and key(place) == wanted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Networks):
            return super().__eq__(other)
        return self.keys.keys() == other.keys.keys() and all(
            np.array_equal(keys, other.keys[form]) for form, keys in self.keys.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Set[Any]) -> Networks:
        keys = dict(self.keys)
        for form, more in Networks.of(other).keys.items():
            keys[form] = _union(keys[form], more) if form in keys else more
        return Networks(keys)

    def __sub__(self, other: Set[Any]) -> Networks:
        keys = dict(self.keys)
        for form, fewer in Networks.of(other).keys.items():
            if form in keys:
                keys[form] = _difference(keys[form], fewer)
        return Networks(keys)

    def outermost(self) -> Networks:
        """The members that no other covers."""
        keys: dict[int, _Keys] = {}
        for form, inner in self.keys.items():
            for outer in self.keys:
                if outer < form and (outer < V6) == (form < V6):
                    inner = inner[~np.isin(_widened(form, inner, outer), self.keys[outer])]
            keys[form] = inner
        return Networks(keys)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> Networks:  # type: ignore[override]
        return cls.of(it)


def addresses(form: int, keys: _Keys) -> list[bytes]:
    """The addresses that keys stand for: 4 or 16 bytes, network order."""
    if form < V6:
        found: list[bytes] = keys.astype(">u4").view("V4").tolist()
    elif form <= V6 + 64:
        whole = np.zeros((len(keys), 2), ">u8")
        whole[:, 0] = keys
        found = whole.view("V16").ravel().tolist()
    else:
        found = keys.view("V16").tolist()
    return found


def _keys(form: int, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> _Keys:
    if form < V6:
        return _unique(low)
    if form <= V6 + 64:
        return _unique(high)
    # NumPy takes trailing NULs for padding: of strings of one length, that tells no two apart any less.
    return _unique(np.stack((high, low), axis=1).astype(">u8").view("S16").ravel())


def _unique(keys: _Keys) -> _Keys:
    # numpy.unique goes by way of a hash table, which takes ten times as long.
    keys = np.sort(keys)
    return keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if len(keys) else keys


def _widened(form: int, keys: _Keys, outer: int) -> _Keys:
    """The keys of the prefixes of form ``outer`` around members of another form, one for each."""
    length, bits = (outer, 32) if form < V6 else (min(outer - V6, 64), 64)
    if form <= V6 + 64:
        halves = keys
    elif outer <= V6 + 64:
        halves = keys.view(">u8")[::2].astype(np.uint64)
    else:
        low = keys.view(">u8").reshape(-1, 2) & np.array([HALF, HALF << V6 + 128 - outer & HALF], ">u8")
        whole: _Keys = low.astype(">u8").view("S16").ravel()
        return whole
    wide: _Keys = halves & np.uint64(HALF << bits - length & HALF)
    return wide


def _union(one: _Keys, other: _Keys) -> _Keys:
    if len(one) < len(other):
        one, other = other, one
    if len(other) * _FEW > len(one):
        return np.union1d(one, other)
    places = np.searchsorted(one, other)
    new = one.take(places, mode="clip") != other
    return np.insert(one, places[new], other[new])


def _difference(one: _Keys, other: _Keys) -> _Keys:
    if len(other) * _FEW > len(one):
        return np.setdiff1d(one, other, assume_unique=True)
    places = np.searchsorted(one, other)
    return np.delete(one, places[(places < len(one)) & (one.take(places, mode="clip") == other)])
