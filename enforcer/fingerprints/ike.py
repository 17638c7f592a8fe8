"""The IKE header and its clear payload chain, every field in range (RFC 7296, RFC 2408, RFC 2409).

The header (RFC 7296 §3.1, RFC 2408 §3.1) is 28 bytes, integers big-endian: initiator SPI @0, responder SPI @8,
next payload @16, version @17 (``20`` IKEv2, ``10`` IKEv1), exchange @18, flags @19, message id @20, length of
the whole message @24.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

HEADER_LENGTH = 28
SHORTEST = HEADER_LENGTH + 4
"""Every message has at least one payload, whose generic header is 4 bytes (RFC 7296 §3.2, RFC 2408 §3.2)."""

IKEV2 = 0x20
IKEV1 = 0x10

SA_INIT, AUTH, CREATE_CHILD_SA, INFORMATIONAL, SESSION_RESUME = 34, 35, 36, 37, 38
GSA_AUTH, INTERMEDIATE, FOLLOWUP_KE = 39, 43, 44
MAIN, AGGRESSIVE, INFORMATIONAL_V1, TRANSACTION, QUICK, NEW_GROUP = 2, 4, 5, 6, 32, 33

EXCHANGES = {
    IKEV2: {
        SA_INIT: "IKE_SA_INIT",
        AUTH: "IKE_AUTH",
        CREATE_CHILD_SA: "CREATE_CHILD_SA",
        INFORMATIONAL: "INFORMATIONAL",
        SESSION_RESUME: "IKE_SESSION_RESUME",
        GSA_AUTH: "GSA_AUTH",
        INTERMEDIATE: "IKE_INTERMEDIATE",
        FOLLOWUP_KE: "IKE_FOLLOWUP_KE",
    },
    IKEV1: {
        MAIN: "main mode",
        AGGRESSIVE: "aggressive mode",
        INFORMATIONAL_V1: "informational",
        TRANSACTION: "transaction",
        QUICK: "quick mode",
        NEW_GROUP: "new group",
    },
}
"""Exchange types by version byte (IANA "IKEv2 Exchange Types"; RFC 2408 §3.1, RFC 2409 appendix A)."""

HANDSHAKE = frozenset({SA_INIT, AUTH, SESSION_RESUME, INTERMEDIATE, MAIN, AGGRESSIVE})

_ENCRYPTED_V2 = (46, 53)  # SK, and SKF of RFC 7383
INITIATOR_FLAG, RESPONSE_FLAG = 0x08, 0x20  # IKEv2 flags; V (10) must be clear when sending
_ENCRYPTED = 0x01  # IKEv1 flags: encryption 1, commit 2, authentication only 4
_SA_V1, _HASH_V1 = 1, 8
_FIELDS = Struct(">8s8sBBBBII")
_NO_SPI = bytes(8)


class Header(NamedTuple):
    """An IKE header with every field in range, at offset ``at`` of the transport payload.

    ``first`` tells the message that opens an exchange with nobody's SPI known but the sender's.
    """

    at: int
    version: int
    exchange: int
    flags: int
    next_payload: int
    first: bool


def read_header(payload: bytes, at: int, length: int) -> Header | None:
    """The IKE header at ``at``, if every field is in range and its length field is ``length`` (bytes)."""
    if length < SHORTEST or len(payload) < at + HEADER_LENGTH:
        return None
    initiator, responder, following, version, exchange, flags, message_id, stated = _FIELDS.unpack_from(
        payload, at
    )
    if stated != length or initiator == _NO_SPI:
        return None
    opens = responder == _NO_SPI
    if version == IKEV2:
        legal = _legal_v2(exchange, flags, following, message_id, opens)
        first = legal and exchange == SA_INIT and flags == INITIATOR_FLAG
    elif version == IKEV1:
        legal = _legal_v1(exchange, flags, following, message_id, opens)
        first = legal and opens and exchange in (MAIN, AGGRESSIVE)
    else:
        return None
    return Header(at, version, exchange, flags, following, first) if legal else None


def _legal_v2(exchange: int, flags: int, following: int, message_id: int, opens: bool) -> bool:
    """RFC 7296 §3.1 and, for the clear exchanges, §1.2, §2.6 and RFC 5723 §4.3."""
    if flags & ~(INITIATOR_FLAG | RESPONSE_FLAG):
        return False
    if exchange in (SA_INIT, SESSION_RESUME):
        if message_id or not 33 <= following <= 48 or following in _ENCRYPTED_V2:
            return False
        # A request carries no responder SPI, with a cookie or without; a refusal need not carry one.
        return opens if flags == INITIATOR_FLAG else flags == RESPONSE_FLAG
    if opens or following not in _ENCRYPTED_V2:
        return False
    if exchange in (AUTH, INTERMEDIATE, GSA_AUTH):
        return message_id > 0 and flags in (INITIATOR_FLAG, RESPONSE_FLAG)
    return exchange in (CREATE_CHILD_SA, INFORMATIONAL, FOLLOWUP_KE)


def _legal_v1(exchange: int, flags: int, following: int, message_id: int, opens: bool) -> bool:
    """RFC 2408 §3.1 and, for order and encryption of the payloads, RFC 2409 §5."""
    if flags & ~0x07 or not (1 <= following <= 20 or following >= 128):
        return False
    encrypted = bool(flags & _ENCRYPTED)
    if exchange in (MAIN, AGGRESSIVE):
        if message_id:
            return False
        return not opens or (flags == 0 and following == _SA_V1)
    if exchange == INFORMATIONAL_V1:
        return not encrypted or (following == _HASH_V1 and not opens and message_id > 0)
    if exchange in (TRANSACTION, QUICK, NEW_GROUP):
        return encrypted and following == _HASH_V1 and not opens and message_id > 0
    return False


def chain_ends(payload: bytes, header: Header) -> bool:
    """Whether the clear payloads after the header walk exactly to the end of ``payload``.

    Each has a generic header: next payload, a reserved byte (IKEv2: critical bit and 7 reserved), length of at
    least 4 (RFC 7296 §3.2, RFC 2408 §3.2).
    """
    reserved = 0x7F if header.version == IKEV2 else 0xFF
    at = header.at + HEADER_LENGTH
    end = len(payload)
    following = header.next_payload
    while following:
        if header.version == IKEV2:
            if not 33 <= following <= 48 or following in _ENCRYPTED_V2:
                return False
        elif not (following <= 20 or following >= 128):
            return False
        if at + 4 > end or payload[at + 1] & reserved:
            return False
        length = payload[at + 2] << 8 | payload[at + 3]
        if length < 4:
            return False
        following = payload[at]
        at += length
    return at == end
