"""WireGuard's messages (J. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", §5.4).

Layouts and lengths: the paper's §5.4.2 to §5.4.7 and Linux ``drivers/net/wireguard/messages.h``. Offsets
count from the start of the UDP payload, integers are little-endian. All handshake messages start with a type
byte and three reserved zero bytes.

====================  ======  ===========================================================================
message               length  fields used
====================  ======  ===========================================================================
handshake initiation  148     ``01 00 00 00``, sender index @4, ephemeral key @8..39, mac2 @132..147
handshake response    92      ``02 00 00 00``, sender index @4, receiver index @8, ephemeral key @12..43
cookie reply          64      ``03 00 00 00``, receiver index @4
transport data        >= 32   ``04 00 00 00``, receiver index @4, counter @8
====================  ======  ===========================================================================

What is proof. An initiation whose mac2 is zero: exact length, 20 fixed bytes, an ephemeral key that is not zero
(WireGuard refuses the shared secret it would give), and between them bytes that look random
(``CIPHERTEXT_ZEROS``). mac2 is zero unless the sender holds a
cookie less than 120 s old (§5.4.4), so another initiation is a candidate until the flow shows
why: a cookie reply, an initiation proven earlier, or a response to it. A response or cookie reply is proof
when its receiver index is an index the other side has just sent: 32 random bits returned. Transport data has
no such field and is only seen, on flows whose handshake was proven.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from enforcer.fingerprints.detection import Detection, Evidence, Family, Standing
from enforcer.fingerprints.shape import Octets, Shape
from enforcer.wire.packet import Packet, Protocol

INITIATION_LENGTH = 148
RESPONSE_LENGTH = 92
COOKIE_REPLY_LENGTH = 64
DATA_LENGTH_MINIMUM = 32

CIPHERTEXT_ZEROS = 8
"""Most zero bytes among @8..131 for one initiation to be proof.

Those 124 bytes are a public key, ciphertexts and a MAC: nine or more zeros come by chance once in 500 million. A
148-byte record of another protocol whose first little-endian word is 1 and whose tail is padding has more. An
initiation with more is a candidate and waits for its answer.
"""

_SOURCE = "WireGuard paper §5.4"


def _shape(name: str, kind: int, length: int) -> Shape:
    head = Octets(0, bytes((kind, 0, 0, 0)), meaning=f"type {kind}, reserved zero")
    return Shape(
        name=f"wireguard-{name}",
        family=Family.WIREGUARD,
        protocol=Protocol.UDP,
        octets=(head,),
        lengths=((length, length),),
        source=_SOURCE,
    )


SHAPES: tuple[Shape, ...] = (
    _shape("initiation", 1, INITIATION_LENGTH),
    _shape("response", 2, RESPONSE_LENGTH),
    _shape("cookie-reply", 3, COOKIE_REPLY_LENGTH),
)

_ZERO_KEY = bytes(32)
_ZERO_MAC = bytes(16)
_INDICES_KEPT = 4
"""Sender indices remembered for each side. A new one is made with each retransmission, every 5 s (§6.1)."""


class Kind(StrEnum):
    """The three handshake messages."""

    INITIATION = "handshake initiation"
    RESPONSE = "handshake response"
    COOKIE_REPLY = "cookie reply"


class Message(NamedTuple):
    """A handshake message as read from one packet. Indices are the 4 bytes as sent, empty when it has none."""

    kind: Kind
    sender: bytes
    receiver: bytes
    proof: bool


def read(packet: Packet) -> Message | None:
    """The handshake message in the packet, by type, exact length and non-zero ephemeral key; None if none.

    ``proof`` is true for an initiation that needs no other packet; never in a capture snapped before mac2's end.
    """
    length = packet.payload_length
    payload = packet.payload
    if length == INITIATION_LENGTH:
        if payload[:4] != b"\x01\x00\x00\x00" or len(payload) < 40 or payload[8:40] == _ZERO_KEY:
            return None
        proof = payload[132:148] == _ZERO_MAC and payload.count(0, 8, 132) <= CIPHERTEXT_ZEROS
        return Message(Kind.INITIATION, payload[4:8], b"", proof)
    if length == RESPONSE_LENGTH:
        if payload[:4] != b"\x02\x00\x00\x00" or len(payload) < 44 or payload[12:44] == _ZERO_KEY:
            return None
        return Message(Kind.RESPONSE, payload[4:8], payload[8:12], False)
    if length == COOKIE_REPLY_LENGTH:
        if payload[:4] != b"\x03\x00\x00\x00" or len(payload) < 8:
            return None
        return Message(Kind.COOKIE_REPLY, b"", payload[4:8], False)
    return None


class Conversation:
    """What the packets of one flow have said so far.

    ``forward`` arguments tell the two sides apart: true for packets from the first end of the flow's key.
    """

    family = Family.WIREGUARD
    __slots__ = ("heard", "initiated", "initiator_forward", "proven", "responded")

    def __init__(self) -> None:
        self.proven = False
        self.heard = 0.0
        self.initiator_forward: bool | None = None
        self.initiated: list[tuple[bytes, ...]] = [(), ()]
        self.responded: list[tuple[bytes, ...]] = [(), ()]

    def advance(self, message: Message, forward: bool) -> Detection | None:
        """What the handshake message is, given those before it on the flow. None: it answers nothing."""
        if message.kind is Kind.INITIATION:
            return self._initiation(message, forward)
        if message.kind is Kind.RESPONSE:
            if message.receiver not in self.initiated[not forward]:
                return None
            self.proven = True
            self.responded[forward] = _kept(self.responded[forward], message.sender)
            return _detection(message, False, _answers(8, message.receiver, "initiation"))
        if message.receiver in self.initiated[not forward]:
            self.proven = True
            return _detection(message, False, _answers(4, message.receiver, "initiation"))
        if message.receiver in self.responded[not forward]:
            return _detection(message, True, _answers(4, message.receiver, "response"))
        return None

    def _initiation(self, message: Message, forward: bool) -> Detection:
        standing = Standing.PROVEN if message.proof or self.proven else Standing.CANDIDATE
        self.initiated[forward] = _kept(self.initiated[forward], message.sender)
        if standing is Standing.PROVEN:
            self.proven = True
        self.initiator_forward = forward
        if message.proof:
            mac = Evidence(132, _ZERO_MAC, "mac2 zero: no cookie held")
            return _detection(message, True, mac, standing)
        return _detection(message, True, Evidence(4, message.sender, "sender index"), standing)

    def data(self, packet: Packet, forward: bool) -> Detection | None:
        """Transport data, seen on a flow whose handshake was proven."""
        if not self.proven or packet.payload_length < DATA_LENGTH_MINIMUM:
            return None
        if packet.payload[:4] != b"\x04\x00\x00\x00":
            return None
        return Detection(
            Family.WIREGUARD,
            "wireguard",
            "transport data",
            Standing.SEEN,
            False,
            forward == self.initiator_forward,
            (Evidence(0, b"\x04\x00\x00\x00", "type 4, reserved zero"),),
        )


def _kept(indices: tuple[bytes, ...], index: bytes) -> tuple[bytes, ...]:
    if index in indices:
        return indices
    return (*indices[-(_INDICES_KEPT - 1) :], index)


def _answers(offset: int, index: bytes, what: str) -> Evidence:
    return Evidence(offset, index, f"receiver index is the sender index of the other side's {what}")


_HEADS = {
    Kind.INITIATION: Evidence(0, b"\x01\x00\x00\x00", "type 1, reserved zero, length 148"),
    Kind.RESPONSE: Evidence(0, b"\x02\x00\x00\x00", "type 2, reserved zero, length 92"),
    Kind.COOKIE_REPLY: Evidence(0, b"\x03\x00\x00\x00", "type 3, reserved zero, length 64"),
}


def _detection(
    message: Message, from_initiator: bool, evidence: Evidence, standing: Standing = Standing.PROVEN
) -> Detection:
    return Detection(
        Family.WIREGUARD,
        "wireguard",
        message.kind.value,
        standing,
        True,
        from_initiator,
        (_HEADS[message.kind], evidence),
    )
