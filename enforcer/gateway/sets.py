"""The kernel's sets: what is let go without asking user space, and how they are brought up to date.

They are a cache of "registered without conditions" and "exempt". Single addresses live in hash sets, to which one
is added in milliseconds; prefixes in interval sets, which are cheaper to load whole. No element has a timeout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_network

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.gateway.ruleset import (
    ADDRESS_SETS,
    INTERVAL_SETS,
    MASKED_SETS,
    TABLE,
    elements,
    set_for,
)
from enforcer.lists import Lists
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Network, Registration
from enforcer.subscribers.table import SessionTable

Kind = str
"""registered or exempt."""


def registered(registry: Registry, sessions: SessionTable, now: float, grace: float) -> set[Network]:
    """What the kernel lets go by itself at ``now`` (epoch seconds): registered without conditions.

    ``grace`` in seconds.
    """
    found = set(registry.unconditional_networks(now, grace))
    for session in sessions.live(now):
        if session.tag is not None and unconditional(registry.match_tag(session.tag), now, grace):
            found.update(session.addresses)
    return found


def unconditional(entries: Iterable[Registration], now: float, grace: float) -> bool:
    """Whether one of the entries registers its holder at ``now`` for every protocol and peer."""
    return any(entry.unconditional and entry.counts(now, grace) for entry in entries)


def exempt(exemptions: Exemptions) -> set[Network]:
    """What is left alone for everyone: prefixes, and addresses of names."""
    return {*exemptions.prefixes, *map(_single, exemptions.addresses)}


class KernelSets:
    """Remembers what the kernel should hold, and says which statements bring it there."""

    def __init__(self) -> None:
        self._members: dict[str, set[Network]] = {name: set() for name in _ALL}

    def fill(self) -> str:
        """The statements that fill sets that are empty, as in a table just made."""
        return _text(line for name in _ALL for line in elements(name, self._intervals(name)))

    def refill(self) -> str:
        """The statements, one transaction, that bring the sets here from any state."""
        return _text(f"flush set {TABLE} {name}" for name in _ALL) + self.fill()

    def replace(self, kind: Kind, networks: Iterable[Network]) -> str:
        """The statements that make ``networks`` all that is of a kind; empty when they are."""
        wanted: dict[str, set[Network]] = {name: set() for name in _ALL if name.startswith(kind)}
        for network in networks:
            wanted[set_for(kind, network)].add(network)
        return self._become(wanted)

    def become(self, other: KernelSets) -> str:
        """The statements that lead from here to what ``other`` holds."""
        return self._become(other._members)

    def _become(self, wanted: dict[str, set[Network]]) -> str:
        return _text(
            line
            for name, members in wanted.items()
            for line in self._change(name, members - self._members[name], self._members[name] - members)
        )

    def copy(self) -> KernelSets:
        """Another that holds the same."""
        made = KernelSets()
        made._members = {name: set(members) for name, members in self._members.items()}
        return made

    def change(self, kind: Kind, add: Iterable[Network], remove: Iterable[Network]) -> str:
        """The statements that add some networks of a kind and remove others; empty when nothing changes."""
        changes: dict[str, tuple[set[Network], set[Network]]] = {}
        for position, networks in enumerate((add, remove)):
            for network in networks:
                changes.setdefault(set_for(kind, network), (set(), set()))[position].add(network)
        return _text(
            line
            for name, (more, fewer) in changes.items()
            for line in self._change(name, more - self._members[name], fewer & self._members[name])
        )

    def _change(self, name: str, more: set[Network], fewer: set[Network]) -> Iterator[str]:
        if not more and not fewer:
            return
        self._members[name] |= more
        self._members[name] -= fewer
        if name in INTERVAL_SETS:
            yield f"flush set {TABLE} {name}"
            yield from elements(name, self._intervals(name))
        else:
            yield from elements(name, fewer, "delete")
            yield from elements(name, more)

    def _intervals(self, name: str) -> Iterable[Network]:
        # An interval set takes no overlaps.
        members = self._members[name]
        return collapse_addresses(members) if name in INTERVAL_SETS else members  # type: ignore[type-var]


def statements(config: Config, lists: Lists, exemptions: Exemptions, now: float) -> str:
    """What fills the sets of a table just made from lists at ``now``, epoch seconds."""
    sets = KernelSets()
    sets.replace("registered", registered(lists.registry, lists.sessions, now, float(config.registry.grace)))
    sets.replace("exempt", exempt(exemptions))
    return sets.fill()


_ALL = (*ADDRESS_SETS, *MASKED_SETS.values(), *INTERVAL_SETS)


def _single(address: bytes) -> Network:
    return ip_network(IPv4Address(address) if len(address) == 4 else IPv6Address(address))


def _text(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)
