"""One datagram of a client: what it tells, and the answer it gets (RFC 2865 §3, RFC 2866, RFC 5997).

Nothing of a datagram is read before its authenticator is verified, but for Status-Server, whose proof is one
of its attributes. Numbers leave this module as tags only.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import NamedTuple

from pyrad.packet import AccountingRequest, AcctPacket, StatusServer

from enforcer.registry.model import Network
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.radius.attributes import (
    ADDRESSES,
    Attribute,
    Attributes,
    address,
    integer,
    network,
    value,
    values,
)
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.pseudonyms import Pseudonyms

MOST_BYTES = 4096
"""The longest packet (RFC 2865 §3)."""

MOST_ATTRIBUTES = 200
"""FreeRADIUS's ``max_attributes``: no accounting packet has as many, and it bounds what a forger can cost."""

NUMBER_ATTRIBUTES = {"Calling-Station-Id": Attribute.CALLING_STATION_ID, "User-Name": Attribute.USER_NAME}
"""The attributes that may carry the subscriber's number, by the names that RFC 2865 gives them."""

_HEADER_BYTES = 20
_KINDS = {  # RFC 2866 §5.1
    1: EventKind.START,
    2: EventKind.STOP,
    3: EventKind.INTERIM,
    7: EventKind.ON,
    8: EventKind.OFF,
}


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
        self._number_attribute = NUMBER_ATTRIBUTES[number_attribute]
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
        packet = taken_apart(datagram)
        if packet is None:
            return Reading(Outcome.MALFORMED)
        if Attribute.MESSAGE_AUTHENTICATOR in packet:
            signed = AcctPacket(packet=datagram, secret=client.secret)
            if not signed.verify_message_authenticator():
                return Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)
        elif code == StatusServer:
            return Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)
        reply = answer(datagram, packet, client.secret)
        if code == StatusServer:
            return Reading(Outcome.STATUS_SERVER, reply)
        return self._accounting(packet, reply, sender, arrived)

    def _accounting(self, packet: Attributes, answer: bytes, sender: str, arrived: float) -> Reading:
        status = value(packet, Attribute.ACCT_STATUS_TYPE)
        if status is None or len(status) != 4:
            return Reading(Outcome.INCOMPLETE, answer)
        kind = _KINDS.get(integer(status))
        if kind is None:
            return Reading(Outcome.OTHER_STATUS_TYPE, answer)
        flaws: list[Flaw] = []
        at = _happened(packet, arrived, flaws)
        nas = _nas(packet, sender)
        if kind in (EventKind.ON, EventKind.OFF):
            return Reading(Outcome.ACCEPTED, answer, AccountingEvent(kind, nas, "", at), tuple(flaws))
        session = value(packet, Attribute.ACCT_SESSION_ID)
        if not session:
            return Reading(Outcome.INCOMPLETE, answer)
        addresses = _addresses(packet, flaws)
        tag = self._tag(packet, flaws)
        event = AccountingEvent(kind, nas, self._pseudonyms.session(session), at, addresses, tag)
        return Reading(Outcome.ACCEPTED, answer, event, tuple(flaws))

    def _tag(self, packet: Attributes, flaws: list[Flaw]) -> bytes | None:
        numbers = values(packet, self._number_attribute)
        if not numbers:
            flaws.append(Flaw.NUMBER_MISSING)
        elif len(numbers) == 1:
            try:
                return self._pseudonyms.number(numbers[0].decode("ascii"))
            except ValueError:
                flaws.append(Flaw.NUMBER_UNUSABLE)
        else:
            flaws.append(Flaw.NUMBER_UNUSABLE)
        return None


def _authentic(datagram: bytes, secret: bytes) -> bool:
    """The Request Authenticator of an Accounting-Request (RFC 2866 §3): MD5 of Code, Identifier, Length, 16 zero
    octets, the attributes and the secret."""
    expected = hashlib.md5(b"".join((datagram[:4], bytes(16), datagram[_HEADER_BYTES:], secret))).digest()
    return hmac.compare_digest(expected, datagram[4:_HEADER_BYTES])


def taken_apart(datagram: bytes) -> Attributes | None:
    """The attributes; None when their lengths do not lead exactly to the end: all is discarded (RFC 2866 §5)."""
    position, end = _HEADER_BYTES, len(datagram)
    found: Attributes = {}
    for _ in range(MOST_ATTRIBUTES):
        if position + 1 >= end:
            break
        length = datagram[position + 1]
        if length < 2:
            return None
        value = datagram[position + 2 : position + length]
        if (kind := datagram[position]) in found:
            found[kind].append(value)
        else:
            found[kind] = [value]
        position += length
    return found if position == end else None


def answer(datagram: bytes, packet: Attributes, secret: bytes) -> bytes:
    """The answer: with the request's Proxy-States (RFC 2865 §5.33), to a Status-Server signed."""
    request = AcctPacket(datagram[0], datagram[1], secret, datagram[4:_HEADER_BYTES])
    if Attribute.PROXY_STATE in packet:
        request[Attribute.PROXY_STATE.value] = packet[Attribute.PROXY_STATE]
    reply: bytes = request.CreateReply().ReplyPacket()
    return reply


def _happened(packet: Attributes, arrived: float, flaws: list[Flaw]) -> float:
    """Event-Timestamp (RFC 2869 §5.3: seconds since the epoch), else arrival less Acct-Delay-Time's seconds."""
    timestamp = value(packet, Attribute.EVENT_TIMESTAMP)
    delay = value(packet, Attribute.ACCT_DELAY_TIME)
    try:
        if timestamp is not None:
            return float(integer(timestamp))
        if delay is not None:
            return arrived - integer(delay)
    except ValueError:
        flaws.append(Flaw.TIME_UNUSABLE)
    return arrived


def _nas(packet: Attributes, sender: str) -> str:
    """The access server's name: NAS-Identifier, else NAS-IP-Address, else NAS-IPv6-Address, else the sender."""
    identifier = value(packet, Attribute.NAS_IDENTIFIER)
    if identifier:
        text = identifier.decode("utf-8", "backslashreplace")
        return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    for attribute, length in ((Attribute.NAS_IP_ADDRESS, 4), (Attribute.NAS_IPV6_ADDRESS, 16)):
        octets = value(packet, attribute)
        if octets is not None and len(octets) == length:
            return address(octets)
    return sender


def _addresses(packet: Attributes, flaws: list[Flaw]) -> tuple[Network, ...]:
    networks: dict[Network, None] = {}
    usable = True
    for attribute in ADDRESSES:
        for octets in values(packet, attribute):
            try:
                found = network(attribute, octets)
            except ValueError:
                usable = False
            else:
                if found is not None:
                    networks[found] = None
    if not usable:
        flaws.append(Flaw.ADDRESS_UNUSABLE)
    return tuple(networks)
