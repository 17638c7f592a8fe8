"""Values by prefix: what is said of an address by every prefix that covers it."""

from __future__ import annotations

from typing import Generic, TypeVar

from enforcer.registry.model import Network

Value = TypeVar("Value")


class _Several(tuple[Value, ...]):
    """More values than one at a prefix: one, which is what most have, stands there by itself."""

    __slots__ = ()


class PrefixMap(Generic[Value]):
    """One hash table for each prefix length in use.

    A lookup costs one probe for each length, whatever the number of entries; lists have few lengths. Several
    values may stand at one prefix.
    """

    __slots__ = ("_v4", "_v6")

    def __init__(self) -> None:
        # (host bits, table by network bits), most specific first.
        self._v4: list[tuple[int, dict[int, Value | _Several[Value]]]] = []
        self._v6: list[tuple[int, dict[int, Value | _Several[Value]]]] = []

    def add(self, network: Network, value: Value) -> None:
        """Put ``value`` at ``network``, beside what stands there already."""
        tables = self._v4 if network.version == 4 else self._v6
        shift = network.max_prefixlen - network.prefixlen
        key = int(network.network_address) >> shift
        for bits, table in tables:
            if bits == shift:
                table[key] = _Several((*_all(table[key]), value)) if key in table else value
                return
        tables.append((shift, {key: value}))
        tables.sort(key=lambda entry: entry[0])

    def remove(self, network: Network, value: Value) -> None:
        """Take ``value`` (this very object) away from ``network``. Nothing happens if it is not there."""
        tables = self._v4 if network.version == 4 else self._v6
        shift = network.max_prefixlen - network.prefixlen
        key = int(network.network_address) >> shift
        for position, (bits, table) in enumerate(tables):
            if bits == shift and key in table:
                rest = [other for other in _all(table[key]) if other is not value]
                if rest:
                    table[key] = rest[0] if len(rest) == 1 else _Several(rest)
                else:
                    del table[key]
                if not table:
                    del tables[position]
                return

    def covering(self, address: bytes) -> list[Value]:
        """The values of every prefix covering ``address`` (4 or 16 bytes, network order), most specific first."""
        found: list[Value] = []
        number = int.from_bytes(address, "big")
        for shift, table in self._v4 if len(address) == 4 else self._v6:
            hit = table.get(number >> shift)
            if hit is not None:
                found.extend(_all(hit))
        return found

    def at(self, network: Network) -> tuple[Value, ...]:
        """The values that stand at exactly this prefix."""
        shift = network.max_prefixlen - network.prefixlen
        for bits, table in self._v4 if network.version == 4 else self._v6:
            if bits == shift:
                hit = table.get(int(network.network_address) >> shift)
                return () if hit is None else _all(hit)
        return ()

    def around(self, network: Network) -> list[Value]:
        """The values of every strictly broader prefix that covers ``network``, most specific first."""
        found: list[Value] = []
        shift = network.max_prefixlen - network.prefixlen
        number = int(network.network_address)
        for bits, table in self._v4 if network.version == 4 else self._v6:
            if bits > shift and (hit := table.get(number >> bits)) is not None:
                found.extend(_all(hit))
        return found


def _all(hit: Value | _Several[Value]) -> tuple[Value, ...]:
    return hit if isinstance(hit, _Several) else (hit,)
