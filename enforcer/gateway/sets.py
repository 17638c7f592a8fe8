"""The kernel's sets: what is let go without asking user space, and how they are brought up to date.

They are a cache of "registered without conditions" and "exempt". Single addresses live in hash sets, to which one
is added in milliseconds; prefixes in interval sets, which are cheaper to load whole. No element has a timeout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import chain, repeat
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.gateway.ruleset import (
    ADDRESS_SETS,
    INTERVAL_SETS,
    MASKED_SETS,
    TABLE,
    set_for,
)
from enforcer.lists import Lists
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Network, Registration
from enforcer.registry.networks import Networks, addresses
from enforcer.registry.registrations import V6, network_of
from enforcer.registry.standing import listed
from enforcer.subscribers.table import SessionTable

Kind = str
"""registered or exempt."""


def registered(registry: Registry, sessions: SessionTable, now: float, grace: float) -> Set[Network]:
    """What the kernel lets go by itself at ``now`` (epoch seconds): registered without conditions.

    ``grace`` in seconds.
    """
    follows = listed(registry, now, grace)
    held = (session.addresses for session in sessions.live(now, follows.tags))
    return follows.networks | set(chain.from_iterable(held))


def unconditional(entries: Iterable[Registration], now: float, grace: float) -> bool:
    """Whether one of the entries registers its holder at ``now`` for every protocol and peer."""
    return any(entry.unconditional and entry.counts(now, grace) for entry in entries)


def exempt(exemptions: Exemptions) -> set[Network]:
    """What is left alone for everyone: prefixes, and addresses of names."""
    return {*exemptions.prefixes, *map(_single, exemptions.addresses)}


class KernelSets:
    """Remembers what the kernel should hold, and says which statements bring it there."""

    def __init__(self) -> None:
        self._members = dict.fromkeys(_ALL, _NOTHING)

    @classmethod
    def of(cls, registered: Iterable[Network], exempt: Iterable[Network]) -> KernelSets:
        """What should hold these networks."""
        made = cls()
        made._members |= _by_set("registered", registered) | _by_set("exempt", exempt)
        return made

    @property
    def members(self) -> Mapping[str, Networks]:
        """What each set should hold: never changed, another mapping and other sets once it does."""
        return dict(self._members)

    def repair(self, name: str, missing: Networks, extra: Networks) -> str:
        """The statements that add what the kernel lacks of a set's members, and delete what it has besides."""
        return _elements(name, extra, "delete") + _elements(name, missing)

    def refill_one(self, name: str) -> str:
        """The statements, one transaction, that bring one set here from any state."""
        return _flush(name) + _elements(name, self._elements_of(name))

    def fill(self) -> str:
        """The statements that fill sets that are empty, as in a table just made."""
        return "".join(_elements(name, self._elements_of(name)) for name in _ALL)

    def refill(self) -> str:
        """The statements, one transaction, that bring the sets here from any state."""
        return "".join(map(_flush, _ALL)) + self.fill()

    def replace(self, kind: Kind, networks: Iterable[Network]) -> str:
        """The statements that make ``networks`` all that is of a kind; empty when they are."""
        return self._become({name: _NOTHING for name in _ALL if name.startswith(kind)} | _by_set(kind, networks))

    def become(self, other: KernelSets) -> str:
        """The statements that lead from here to what ``other`` holds."""
        return self._become(other._members)

    def _become(self, wanted: dict[str, Networks]) -> str:
        return "".join(
            self._change(name, members - self._members[name], self._members[name] - members)
            for name, members in wanted.items()
        )

    def copy(self) -> KernelSets:
        """Another that holds the same."""
        made = KernelSets()
        made._members = dict(self._members)
        return made

    def change(self, kind: Kind, add: Iterable[Network], remove: Iterable[Network]) -> str:
        """The statements that add some networks of a kind and remove others; empty when nothing changes."""
        # What was never registered does not come near NumPy, which keeps small arrays' memory for the next ones.
        there = (network for network in remove if network in self._members[set_for(kind, network)])
        more, fewer = _by_set(kind, add), _by_set(kind, there)
        return "".join(
            self._change(name, more.get(name, _NOTHING) - self._members[name], fewer.get(name, _NOTHING))
            for name in {**more, **fewer}
        )

    def _change(self, name: str, more: Networks, fewer: Networks) -> str:
        if not more and not fewer:
            return ""
        self._members[name] = (self._members[name] | more) - fewer
        if name in INTERVAL_SETS:
            return self.refill_one(name)
        return _elements(name, fewer, "delete") + _elements(name, more)

    def _elements_of(self, name: str) -> Networks:
        # An interval set takes no overlaps.
        members = self._members[name]
        return members.outermost() if name in INTERVAL_SETS else members


def statements(config: Config, lists: Lists, exemptions: Exemptions, now: float) -> str:
    """What fills the sets of a table just made from lists at ``now``, epoch seconds."""
    all_registered = registered(lists.registry, lists.sessions, now, float(config.registry.grace))
    return KernelSets.of(all_registered, exempt(exemptions)).fill()


_AT_ONCE = 4096
_NOTHING = Networks({})
_ALL = (*ADDRESS_SETS, *MASKED_SETS.values(), *INTERVAL_SETS)


def _single(address: bytes) -> Network:
    return ip_network(IPv4Address(address) if len(address) == 4 else IPv6Address(address))


def _by_set(kind: Kind, networks: Iterable[Network]) -> dict[str, Networks]:
    """The networks by the set of ``kind`` they belong in."""
    keys: dict[str, dict[int, Any]] = {}
    for form, some in Networks.of(networks).keys.items():
        keys.setdefault(set_for(kind, network_of(form, 0, 0)), {})[form] = some
    return {name: Networks(some) for name, some in keys.items()}


def _flush(name: str) -> str:
    return f"flush set {TABLE} {name}\n"


def _elements(name: str, networks: Networks, verb: str = "add") -> str:
    """Statements that add or delete elements of a set, a few thousand each."""
    lines: list[str] = []
    for form, keys in networks.keys.items():
        family = AF_INET if form < V6 else AF_INET6
        end = f"/{form if form < V6 else form - V6}" if name in INTERVAL_SETS else ""
        for start in range(0, len(keys), _AT_ONCE):
            some = addresses(form, keys[start : start + _AT_ONCE])
            texts = f"{end}, ".join(map(inet_ntop, repeat(family), some))
            lines.append(f"{verb} element {TABLE} {name} {{ {texts}{end} }}\n")
    return "".join(lines)
