"""One datagram of a client: what it tells, and the answer it gets (RFC 2865 §3, RFC 2866, RFC 5997).

Nothing of a datagram is read before its authenticator is verified, but for Status-Server, whose proof is one
of its attributes. Numbers leave this module as tags only.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Any, NamedTuple

from pyrad.packet import AccountingRequest, AcctPacket, StatusServer

from enforcer.registry.guards import parse_subscriber_network
from enforcer.registry.model import Network
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.dictionary import DICTIONARY
from enforcer.subscribers.radius.pseudonyms import Pseudonyms

MOST_BYTES = 4096
"""The longest packet (RFC 2865 §3)."""

MOST_ATTRIBUTES = 200
"""FreeRADIUS's ``max_attributes``: no accounting packet has as many, and it bounds what a forger can cost."""

NUMBER_ATTRIBUTES = ("Calling-Station-Id", "User-Name")
"""The attributes that may carry the subscriber's number."""

_HEADER_BYTES = 20
_ADDRESSES = ("Framed-IP-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix", "Framed-IPv6-Address")
_NO_ADDRESS = frozenset({"255.255.255.255", "255.255.255.254"})
"""Framed-IP-Address values that leave the choice to the user or the access server (RFC 2865 §5.8)."""


class Outcome(StrEnum):
    """What became of one datagram. Those down to INCOMPLETE are answered, the others met with silence."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    STATUS_SERVER = "status_server"
    OTHER_STATUS_TYPE = "other_status_type"
    """An Acct-Status-Type that says nothing of who holds an address, such as those of tunnels (RFC 2867)."""
    INCOMPLETE = "incomplete"
    """From the client, but without a status type or session id. Answered, for sending it again would not help
    and, where a proxy delivers in order, would hold up all that follow."""
    UNKNOWN_CLIENT = "unknown_client"
    BAD_AUTHENTICATOR = "bad_authenticator"
    BAD_MESSAGE_AUTHENTICATOR = "bad_message_authenticator"
    MALFORMED = "malformed"
    NOT_ACCOUNTING = "not_accounting"
    OVERLOADED = "overloaded"
    """Read, but the daemon could not take it; the access server sends it again."""
    FAILED = "failed"
    """A defect of this program; the log says where."""


class Flaw(StrEnum):
    """What an accepted message lacked."""

    NUMBER_MISSING = "number_missing"
    NUMBER_UNUSABLE = "number_unusable"
    ADDRESS_UNUSABLE = "address_unusable"
    TIME_UNUSABLE = "time_unusable"


class Reading(NamedTuple):
    """The outcome; the answer to send, None for silence; the event, if there is one; and its flaws."""

    outcome: Outcome
    answer: bytes | None = None
    event: AccountingEvent | None = None
    flaws: tuple[Flaw, ...] = ()


class Codec:
    """Reads datagrams. ``number_attribute`` is one of NUMBER_ATTRIBUTES."""

    __slots__ = ("_number_attribute", "_pseudonyms")

    def __init__(self, number_attribute: str, pseudonyms: Pseudonyms) -> None:
        self._number_attribute = number_attribute
        self._pseudonyms = pseudonyms

    def read(self, datagram: bytes, client: Client, sender: str, arrived: float) -> Reading:
        """What a datagram of ``client`` tells. Never raises for anything that a datagram can hold.

        ``sender`` is the source address, which names the access server when no attribute does; ``arrived`` is in
        seconds since the epoch (UTC).
        """
        if len(datagram) < _HEADER_BYTES:
            return Reading(Outcome.MALFORMED)
        code = datagram[0]
        if code not in (AccountingRequest, StatusServer):
            return Reading(Outcome.NOT_ACCOUNTING)
        length = int.from_bytes(datagram[2:4], "big")
        if not _HEADER_BYTES <= length <= min(len(datagram), MOST_BYTES):
            return Reading(Outcome.MALFORMED)
        # Octets beyond Length are padding (RFC 2865 §3).
        datagram = datagram[:length]
        if code == AccountingRequest and not _authentic(datagram, client.secret):
            return Reading(Outcome.BAD_AUTHENTICATOR)
        if not _well_formed(datagram):
            return Reading(Outcome.MALFORMED)
        packet = AcctPacket(packet=datagram, secret=client.secret, dict=DICTIONARY)
        if packet.message_authenticator:
            if not packet.verify_message_authenticator():
                return Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)
        elif code == StatusServer:
            return Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)
        answer: bytes = packet.CreateReply().ReplyPacket()
        if code == StatusServer:
            return Reading(Outcome.STATUS_SERVER, answer)
        return self._accounting(_Attributes(packet), answer, sender, arrived)

    def _accounting(self, attributes: _Attributes, answer: bytes, sender: str, arrived: float) -> Reading:
        status = attributes.one("Acct-Status-Type")
        if status is None:
            return Reading(Outcome.INCOMPLETE, answer)
        if not isinstance(status, str):
            return Reading(Outcome.OTHER_STATUS_TYPE, answer)
        kind = EventKind(status)
        flaws: list[Flaw] = []
        at = _happened(attributes, arrived, flaws)
        nas = _nas(attributes, sender)
        if kind in (EventKind.ON, EventKind.OFF):
            return Reading(Outcome.ACCEPTED, answer, AccountingEvent(kind, nas, "", at), tuple(flaws))
        session = attributes.one("Acct-Session-Id")
        if not session:
            return Reading(Outcome.INCOMPLETE, answer)
        event = AccountingEvent(
            kind,
            nas,
            self._pseudonyms.session(session),
            at,
            _addresses(attributes, flaws),
            self._tag(attributes, flaws),
        )
        return Reading(Outcome.ACCEPTED, answer, event, tuple(flaws))

    def _tag(self, attributes: _Attributes, flaws: list[Flaw]) -> bytes | None:
        values = attributes.all(self._number_attribute)
        if not values:
            flaws.append(Flaw.NUMBER_MISSING)
            return None
        if len(values) == 1 and isinstance(values[0], str):
            try:
                return self._pseudonyms.number(values[0])
            except ValueError:
                pass
        flaws.append(Flaw.NUMBER_UNUSABLE)
        return None


class _Attributes:
    """A packet's attributes as pyrad decodes them; one that is not of its type's length is as if not there."""

    __slots__ = ("_packet", "unusable")

    def __init__(self, packet: AcctPacket) -> None:
        self._packet = packet
        self.unusable: set[str] = set()

    def all(self, name: str) -> list[Any]:
        """Every value of an attribute, in order."""
        try:
            return list(self._packet.get(name, ()))
        except ValueError:
            self.unusable.add(name)
            return []

    def one(self, name: str) -> Any:
        """The value of an attribute of which there is to be at most one; None when there is none, or several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None


def _authentic(datagram: bytes, secret: bytes) -> bool:
    """The Request Authenticator of an Accounting-Request (RFC 2866 §3): MD5 of Code, Identifier, Length, 16 zero
    octets, the attributes and the secret."""
    expected = hashlib.md5(b"".join((datagram[:4], bytes(16), datagram[_HEADER_BYTES:], secret))).digest()
    return hmac.compare_digest(expected, datagram[4:_HEADER_BYTES])


def _well_formed(datagram: bytes) -> bool:
    """Whether the attributes' lengths lead exactly to the end; else all is discarded (RFC 2866 §5)."""
    position, end = _HEADER_BYTES, len(datagram)
    for _ in range(MOST_ATTRIBUTES):
        if position + 1 >= end:
            break
        length = datagram[position + 1]
        if length < 2:
            return False
        position += length
    return position == end


def _happened(attributes: _Attributes, arrived: float, flaws: list[Flaw]) -> float:
    """Event-Timestamp (RFC 2869 §5.3: seconds since the epoch), else arrival less Acct-Delay-Time's seconds."""
    at = attributes.one("Event-Timestamp")
    delay = attributes.one("Acct-Delay-Time") or 0
    if attributes.unusable & {"Event-Timestamp", "Acct-Delay-Time"}:
        flaws.append(Flaw.TIME_UNUSABLE)
    return float(at) if at is not None else arrived - delay


def _nas(attributes: _Attributes, sender: str) -> str:
    """The access server's name: NAS-Identifier, else NAS-IP-Address, else NAS-IPv6-Address, else the sender."""
    identifier = attributes.one("NAS-Identifier")
    if identifier:
        text: str = identifier.decode("utf-8", "backslashreplace")
        return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    address: str | None = attributes.one("NAS-IP-Address")
    if address is not None:
        return address
    octets = attributes.one("NAS-IPv6-Address")
    return str(IPv6Address(octets)) if octets is not None and len(octets) == 16 else sender


def _addresses(attributes: _Attributes, flaws: list[Flaw]) -> tuple[Network, ...]:
    networks: dict[Network, None] = {}
    usable = True
    for name in _ADDRESSES:
        for value in attributes.all(name):
            if value in _NO_ADDRESS:
                continue
            try:
                text = value if isinstance(value, str) else str(IPv6Address(value))
                networks[parse_subscriber_network(text)] = None
            except ValueError:
                usable = False
    if not usable or attributes.unusable.intersection(_ADDRESSES):
        flaws.append(Flaw.ADDRESS_UNUSABLE)
    return tuple(networks)
