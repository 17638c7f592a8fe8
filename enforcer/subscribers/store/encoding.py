"""Accounting events as bytes for a store that is trusted with nothing: sealed, so that a forged one is no event.

A sealed event, integers in network byte order:

    version   1 octet    1
    roles     1 octet    what the event is good for (``Role``); the store's script reads it
    at        8 octets   IEEE 754 double, seconds since the epoch (UTC); the store's script reads it
    kind      1 octet    Acct-Status-Type (RFC 2866 §5.1)
    nas       2 octets of length, UTF-8
    session   2 octets of length, UTF-8
    tag       1 octet of length, 0 for none
    addresses 1 octet of count; each: 1 octet IP version, 1 of prefix length, the octets that the length covers
    arrived   8 octets   IEEE 754 double, seconds since the epoch (UTC): when a gateway heard it
    seal      16 octets  HMAC-SHA256 (RFC 2104) of all before it, truncated to half
"""

from __future__ import annotations

import hmac
import math
import struct
from enum import IntFlag
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple, NoReturn

from enforcer.registry.model import Network
from enforcer.subscribers.events import AccountingEvent, EventKind

VERSION = 1
SEAL_BYTES = 16
"""RFC 2104 §5 asks for no less than half of the hash and no less than 80 bits."""

_HEAD = struct.Struct(">BBdB")
_ARRIVED = struct.Struct(">d")
TRAIL_BYTES = _ARRIVED.size + SEAL_BYTES
"""What differs, at the end, when two gateways hear the same event."""

_LENGTH = struct.Struct(">H")
_NAME_BYTES = 12
"""Of HMAC-SHA256: among a million sessions two share a name with a probability below 10^-16."""

_CODES = {EventKind.START: 1, EventKind.STOP: 2, EventKind.INTERIM: 3, EventKind.ON: 7, EventKind.OFF: 8}
_KINDS = {code: kind for kind, code in _CODES.items()}


class Heard(NamedTuple):
    """An event, and when the gateway that heard it did, in seconds since the epoch (UTC).

    News weighs less when it was late: it is by this time, not that of its way through the store, that a table is
    to judge it.
    """

    event: AccountingEvent
    arrived: float


class Role(IntFlag):
    """What an event can be the latest of. The store keeps an event while it is that of anything."""

    START = 1
    REPORT = 2
    """A Start or an Interim-Update: the session was alive."""
    IPV4 = 4
    """A report that names an IPv4 address."""
    IPV6 = 8
    """A report that names an IPv6 address or prefix."""
    TAG = 16
    """A report with a number's tag."""
    STOP = 32
    RESTART = 64
    """Accounting-On or -Off."""


class Seal:
    """Seals and opens events, and names records, under keys made of the one that tags numbers.

    Gateways with another key cannot read what this one wrote, and do not look where it is: their tags would
    match nobody's registration.
    """

    __slots__ = ("_names", "_seals", "namespace")

    def __init__(self, key: bytes) -> None:
        self._seals = hmac.digest(key, b"shared store: seals", "sha256")
        self._names = hmac.digest(key, b"shared store: names", "sha256")
        self.namespace: str = hmac.digest(key, b"shared store: namespace", "sha256")[:4].hex()
        """Eight hexadecimal digits that tell keys apart and tell nothing of them."""

    def seal(self, heard: Heard) -> bytes:
        """The sealed event. Raises ValueError, without the event in it, for one that is beyond any real size."""
        body = _encode(heard.event) + _ARRIVED.pack(heard.arrived)
        return body + self._seal_of(body)

    def open(self, data: bytes) -> Heard | None:
        """The event, or None for anything that was not sealed with this key. Never raises."""
        body = data[:-SEAL_BYTES]
        if not body or not hmac.compare_digest(self._seal_of(body), data[-SEAL_BYTES:]):
            return None
        try:
            return _decode(body)
        except (ValueError, KeyError, IndexError, struct.error):
            return None

    def record(self, event: AccountingEvent) -> str:
        """The name of the record that the event belongs to: its session's, or its access server's."""
        nas = event.nas.encode()
        of = b"%d:%b%b" % (len(nas), nas, event.session.encode())
        return hmac.digest(self._names, of, "sha256")[:_NAME_BYTES].hex()

    def _seal_of(self, body: bytes) -> bytes:
        return hmac.digest(self._seals, body, "sha256")[:SEAL_BYTES]

    def __repr__(self) -> str:
        return "Seal(key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Seal holds a secret key and is never serialised")


def roles(event: AccountingEvent) -> Role:
    """Everything that the event may be the latest of."""
    if event.kind in (EventKind.ON, EventKind.OFF):
        return Role.RESTART
    if event.kind is EventKind.STOP:
        return Role.STOP
    found = Role.REPORT
    if event.kind is EventKind.START:
        found |= Role.START
    if event.tag is not None:
        found |= Role.TAG
    for network in event.addresses:
        found |= Role.IPV4 if network.version == 4 else Role.IPV6
    return found


def _encode(event: AccountingEvent) -> bytes:
    if not math.isfinite(event.at):
        raise ValueError("the event has no time")
    try:
        parts = [_HEAD.pack(VERSION, roles(event), event.at, _CODES[event.kind])]
        for text in (event.nas, event.session):
            octets = text.encode()
            parts += (_LENGTH.pack(len(octets)), octets)
        tag = event.tag or b""
        parts += (bytes((len(tag),)), tag, bytes((len(event.addresses),)))
    except (struct.error, ValueError):
        raise ValueError("the event is too large") from None
    for network in event.addresses:
        used = (network.prefixlen + 7) // 8
        parts += (bytes((network.version, network.prefixlen)), network.network_address.packed[:used])
    return b"".join(parts)


def _decode(body: bytes) -> Heard:
    version, claimed, at, code = _HEAD.unpack_from(body)
    if version != VERSION or not math.isfinite(at):
        raise ValueError
    reader = _Reader(body, _HEAD.size)
    nas = reader.take(_LENGTH.unpack(reader.take(_LENGTH.size))[0]).decode()
    session = reader.take(_LENGTH.unpack(reader.take(_LENGTH.size))[0]).decode()
    tag = reader.take(reader.octet()) or None
    addresses = tuple(reader.network() for _ in range(reader.octet()))
    (arrived,) = _ARRIVED.unpack(reader.take(_ARRIVED.size))
    event = AccountingEvent(_KINDS[code], nas, session, at, addresses, tag)
    if reader.left or roles(event) != claimed or not math.isfinite(arrived):
        raise ValueError
    return Heard(event, arrived)


class _Reader:
    """Takes octets from the front. ValueError when there are not enough."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError
        start = self._position
        self._position += count
        return self._data[start : self._position]

    def octet(self) -> int:
        return self.take(1)[0]

    def network(self) -> Network:
        version, length = self.octet(), self.octet()
        octets = self.take((length + 7) // 8)
        if version == 4 and length <= 32:
            return IPv4Network((octets.ljust(4, b"\0"), length))
        if version == 6 and length <= 128:
            return IPv6Network((octets.ljust(16, b"\0"), length))
        raise ValueError
