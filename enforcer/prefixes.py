"""Lookup of addresses in a set of prefixes, most specific first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Generic, TypeVar

Value = TypeVar("Value")


class PrefixMap(Generic[Value]):
    """Values by prefix, looked up by address (4 or 16 bytes, network order).

    One dictionary for each prefix length in use, so a lookup costs one probe a length, whatever the number
    of prefixes. A prefix given twice keeps its first value.
    """

    def __init__(self, items: Iterable[tuple[IPv4Network | IPv6Network, Value]] = ()) -> None:
        tables: dict[int, dict[int, dict[int, Value]]] = {4: {}, 16: {}}
        for network, value in items:
            size = 4 if network.version == 4 else 16
            shift = network.max_prefixlen - network.prefixlen
            table = tables[size].setdefault(shift, {})
            table.setdefault(int(network.network_address) >> shift, value)
        self._tables = {size: sorted(by_shift.items()) for size, by_shift in tables.items()}

    def __bool__(self) -> bool:
        return any(self._tables.values())

    def covering(self, address: bytes) -> Iterator[Value]:
        """The values of all prefixes that hold the address, most specific first."""
        tables = self._tables[len(address)]
        if tables:
            number = int.from_bytes(address)
            for shift, table in tables:
                value = table.get(number >> shift)
                if value is not None:
                    yield value

    def get(self, address: bytes) -> Value | None:
        """The value of the most specific prefix that holds the address."""
        tables = self._tables[len(address)]
        if tables:
            number = int.from_bytes(address)
            for shift, table in tables:
                value = table.get(number >> shift)
                if value is not None:
                    return value
        return None
