"""What the listener's process tells the daemon: JSON, one message a packet of a local socket.

A message is either a list of events or an object of counts since the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network

from enforcer.subscribers.events import AccountingEvent, EventKind

Counts = dict[tuple[str, str], int]
"""How many datagrams, by client's name and ``Outcome`` or ``Flaw``."""

MOST_BYTES = 1 << 20
"""Room for the longest message: a batch of 32 datagrams with 200 prefixes in each takes half of it."""

_COUNTS_A_MESSAGE = 2000


def events_message(events: Iterable[AccountingEvent]) -> bytes:
    """The message of some events."""
    rows = [
        (
            event.kind,
            event.nas,
            event.session,
            event.at,
            [(network.version, int(network.network_address), network.prefixlen) for network in event.addresses],
            None if event.tag is None else event.tag.hex(),
        )
        for event in events
    ]
    return json.dumps(rows, separators=(",", ":")).encode("ascii")


def counts_messages(counts: Mapping[tuple[str, str], int]) -> Iterable[tuple[list[tuple[str, str]], bytes]]:
    """The messages of some counts, each with the keys it holds."""
    keys = list(counts)
    for start in range(0, len(keys), _COUNTS_A_MESSAGE):
        some = keys[start : start + _COUNTS_A_MESSAGE]
        rows = [(client, what, counts[client, what]) for client, what in some]
        yield some, json.dumps({"counts": rows}, separators=(",", ":")).encode("ascii")


def read_message(message: bytes | memoryview) -> tuple[list[AccountingEvent], Counts]:
    """The events and the counts of a message."""
    content = json.loads(bytes(message))
    if isinstance(content, dict):
        return [], {(client, what): count for client, what, count in content["counts"]}
    return [
        AccountingEvent(
            EventKind(kind),
            nas,
            session,
            at,
            tuple(
                IPv4Network((number, length)) if version == 4 else IPv6Network((number, length))
                for version, number, length in networks
            ),
            None if tag is None else bytes.fromhex(tag),
        )
        for kind, nas, session, at, networks, tag in content
    ], {}
