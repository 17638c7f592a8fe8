"""The kernel's sets: what is let go without asking user space, and how they are brought up to date.

They are a cache of "registered without conditions" and "exempt". Single addresses live in hash sets, to which one
is added in milliseconds; prefixes in interval sets, which are cheaper to load whole. No element has a timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

from enforcer.exemptions import Exemptions
from enforcer.gateway.ruleset import (
    ADDRESS_SETS,
    INTERVAL_SETS,
    MASKED_SETS,
    TABLE,
    elements,
    set_for,
)
from enforcer.registry.lookup import Registry
from enforcer.subscribers.table import SessionTable

Network = IPv4Network | IPv6Network
Contents = dict[str, frozenset[Network]]


def desired(
    registry: Registry, sessions: SessionTable, exemptions: Exemptions, now: float, grace: float
) -> Contents:
    """What the sets should hold at ``now`` (epoch seconds); ``grace`` in seconds."""
    registered: list[Network] = list(registry.unconditional_networks(now, grace))
    for session in sessions.live(now):
        entries = registry.match_tag(session.tag) if session.tag is not None else []
        if any(entry.unconditional and entry.counts(now, grace) for entry in entries):
            registered.extend(session.addresses)
    exempt: list[Network] = [*exemptions.prefixes, *map(_single, exemptions.addresses)]
    return _sorted_into_sets(registered, exempt)


class KernelSets:
    """Remembers what the kernel holds and says which statements bring it to something else.

    The statements count as done only when ``done`` says so: a transaction the kernel refuses changes nothing.
    """

    def __init__(self) -> None:
        self._held: Contents = {}

    def fill(self, contents: Contents) -> str:
        """The statements that fill sets that are empty, as in a table just made."""
        return _text(line for name, networks in contents.items() for line in elements(name, networks))

    def update(self, contents: Contents) -> str:
        """The statements, one transaction, that bring the sets to ``contents``; empty when they are there."""
        lines: list[str] = []
        for name, networks in contents.items():
            held = self._held[name]
            if networks == held:
                continue
            if name in INTERVAL_SETS:
                lines.append(f"flush set {TABLE} {name}")
                lines.extend(elements(name, networks))
            else:
                lines.extend(elements(name, held - networks, "delete"))
                lines.extend(elements(name, networks - held))
        return _text(lines)

    def done(self, contents: Contents) -> None:
        """The kernel holds ``contents`` now."""
        self._held = contents


def _sorted_into_sets(registered: Iterable[Network], exempt: Iterable[Network]) -> Contents:
    found: dict[str, set[Network]] = {
        name: set() for name in (*ADDRESS_SETS, *MASKED_SETS.values(), *INTERVAL_SETS)
    }
    for kind, networks in (("registered", registered), ("exempt", exempt)):
        for network in networks:
            found[set_for(kind, network)].add(network)
    for name in INTERVAL_SETS:
        # An interval set takes no overlaps.
        found[name] = set(collapse_addresses(found[name]))  # type: ignore[type-var]
    return {name: frozenset(members) for name, members in found.items()}


def _single(address: bytes) -> Network:
    return ip_network(IPv4Address(address) if len(address) == 4 else IPv6Address(address))


def _text(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)
