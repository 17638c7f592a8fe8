"""The list as it is asked: by address, by tag, by id."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from enforcer.registry.model import Network, Registration, Status
from enforcer.registry.prefixes import PrefixMap


class Registry:
    """The registrations of one load of the list, remembered ones included; never changed, only replaced.

    ``as_of`` is when the list was last known to be good, in seconds since the epoch (UTC); None while no list
    has been loaded: then nobody can be said not to be on it.
    """

    __slots__ = ("_by_address", "_by_id", "_by_tag", "_registrations", "as_of")

    def __init__(self, registrations: Iterable[Registration], as_of: float | None) -> None:
        self.as_of = as_of
        self._registrations = tuple(registrations)
        self._by_id: dict[str, Registration] = {}
        self._by_tag: dict[bytes, tuple[Registration, ...]] = {}
        self._by_address: PrefixMap[Registration] = PrefixMap()
        for registration in self._registrations:
            known = self._by_id.get(registration.id)
            if known is None or known.vanished_at is not None:
                self._by_id[registration.id] = registration
            if registration.network is not None:
                self._by_address.add(registration.network, registration)
            elif registration.tag is not None:
                for tag in (registration.tag, *registration.former_tags):
                    self._by_tag[tag] = (*self._by_tag.get(tag, ()), registration)

    def match_address(self, address: bytes) -> list[Registration]:
        """Every entry covering ``address`` (4 or 16 bytes, network order), most specific first, any status."""
        return self._by_address.covering(address)

    def match_tag(self, tag: bytes) -> list[Registration]:
        """Every entry of the number with this tag, at any status."""
        return list(self._by_tag.get(tag, ()))

    def at(self, network: Network) -> tuple[Registration, ...]:
        """Every entry of exactly this address or prefix, at any status."""
        return self._by_address.at(network)

    def by_id(self, id: str) -> Registration | None:
        """The entry with this id; the one on the list before one that vanished from it."""
        return self._by_id.get(id)

    def __len__(self) -> int:
        return len(self._registrations)

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._registrations)

    def census(self, now: float, grace: float) -> dict[Status, int]:
        """How many entries stand how at ``now``; ``grace`` in seconds. Every status has its count."""
        counts = dict.fromkeys(Status, 0)
        for registration in self._registrations:
            counts[registration.status(now, grace)] += 1
        return counts

    def expiring(self, now: float, within: float) -> list[Registration]:
        """Entries current at ``now`` that end, by expiry or revocation, within the next ``within`` seconds.

        Soonest first.
        """
        ending: list[tuple[float, Registration]] = []
        for registration in self._registrations:
            end = registration.ends_at()
            if registration.revocation is not None:
                effective = registration.revocation.effective_at
                end = effective if end is None else min(end, effective)
            if end is None or end > now + within:
                continue
            if registration.status(now, 0.0) is Status.CURRENT:
                ending.append((end, registration))
        ending.sort(key=lambda pair: pair[0])
        return [registration for _, registration in ending]

    def unconditional_networks(self, now: float, grace: float) -> Iterator[Network]:
        """Every network, once, with an entry that is registered at ``now`` for all protocols and peers.

        Entries are independent: one that is registered is enough, whatever others say of the same address.
        Networks may cover one another.
        """
        seen: set[tuple[int, int, int]] = set()
        for registration in self._registrations:
            network = registration.network
            if network is None or not registration.unconditional:
                continue
            if not registration.counts(now, grace):
                continue
            key = (network.version, int(network.network_address), network.prefixlen)
            if key not in seen:
                seen.add(key)
                yield network

    def next_change(self, now: float, grace: float) -> float:
        """When, after ``now``, the clock alone next changes how an entry stands; infinity when never."""
        later = (at for entry in self._registrations for at in entry.changes(grace) if at > now)
        return min(later, default=math.inf)
