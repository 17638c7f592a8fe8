"""OpenVPN's hard resets (OpenVPN source ``ssl_pkt.h``, ``ssl_pkt.c``, ``tls_crypt.h``, ``packet_id.c``).

Offsets count from the start of the OpenVPN message: the UDP payload, or what follows TCP's two-byte length.
Integers are big-endian. Byte 0 is the opcode (high 5 bits) and the key id (low 3 bits, 0 in hard resets); the
sender's session id, 8 random bytes, follows. H is the size of the tls-auth HMAC.

A reset's plain text is: number of acks, acked ids (4 bytes each) and remote session id if there are acks, own
packet id (0). It is sent
 - as it is (plain);
 - tls-auth: after HMAC, packet id and net_time (``swap_hmac``, ``packet_id_write`` long form);
 - tls-crypt: encrypted, after packet id, net_time and a 32-byte tag (``tls_crypt.h``, packet format);
 - tls-crypt-v2: the client's reset is ``50`` and ends with the wrapped client key, whose last two bytes are its
   length (``TLS_CRYPT_V2_MAX_WKC_LEN`` 1024; at least tag 32 + key 256 + length 2 = 290).

What is proof, on one packet, if the session id looks random (few zeros, no number as text):
 - a wrapped reset whose net_time is near now and whose packet id is small (see ``NEAR``). With opcode, exact
   length and zero fields a random datagram of that length meets this with 2**-48 (tls-crypt) or less.
 - the plain client reset: exact length 14, ``38``, a session id, five zero bytes: 48 fixed bits. No protocol we
   know of makes such a datagram: a DNS message is 12 bytes or at least 17 long, Sun RPC is a multiple of 4 and
   at least 20, STUN at least 20, CoAP and QUIC set bits that ``38`` has clear, SNMP and LDAP start with ``30``.
Everything else waits for the peer:
 - a wrapped client reset with a wrong clock is a candidate, and so is a server reset on its own;
 - a server reset is proof when it acknowledges the client's reset seen on the flow: its remote session id is the
   client's session id (plain, tls-auth), or, where that is encrypted, it has tls-crypt's form, a net_time near
   now, and answers a client reset of tls-crypt's form;
 - peer to peer, the TLS server may speak first: ``40``, no ack. Plain, that is 14 bytes that CoAP could make
   (``40`` starts its confirmable messages), so it is proof only when the other side has sent its ``38``.
Opcodes 1 and 2 are invalid in every supported release and collide with VXLAN: ignored. Data and the rest of the
control channel are seen only, on flows whose handshake was proven. Over TCP a message must stand whole at the
start of the segment.
"""

from __future__ import annotations

from typing import NamedTuple

from enforcer.fingerprints.detection import Detection, Evidence, Family, Standing
from enforcer.fingerprints.shape import Octets, Shape
from enforcer.wire.packet import Packet, Protocol

CLIENT_RESET = 0x38
SERVER_RESET = 0x40
CLIENT_RESET_V3 = 0x50

NEAR = 120.0
"""Seconds that net_time may be away from the packet's time.

A session writes the time of its first packet into all of them (``packet_id_send_update``), and resends its
reset for up to ``--hand-window`` 60 s: an honest reset can be 60 s old. Another minute allows for clocks that
are a little wrong. A random 32-bit field falls into the window with 241 / 2**32, one in 18 million.
"""

SESSION_ZEROS = 2
"""Most zero bytes that a session id may have for one packet to be proof.

Session ids are 8 random bytes (``session_id_random``): one in 300,000 has more zeros. The small integers of other
protocols have them always: a DNS message has at least three here (the high bytes of its counts), Sun RPC four. A
54-byte DNS query whose name spells the time of day would otherwise have the form of tls-crypt. A reset with more
zeros is a candidate and waits for its answer.
"""

_NUMERALS = b"0123456789 +-./:"
"""A session id of these bytes alone is taken for text: ``38`` is the digit 8, and a number, address or time of
nine characters in a zero-padded field of 14 would have the form of a plain reset. A random id is so once in 2**32.
"""

HMAC_SIZES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""Bytes of each digest that ``--auth`` commonly names; the HMAC has the digest's size."""

WRAPPED_KEY_LENGTHS = (290, 1024)
"""Shortest and longest wrapped client key of tls-crypt-v2, bytes."""

_ACK = b"\x01" + bytes(4)  # one ack, of packet id 0
_PACKET_ID_MASK = b"\x00\xff\xff\x00"
"""A reset is sent a handful of times, so its packet id fits the low byte. The top byte is left free: clients
that announce early negotiation start at ``EARLY_NEG_START`` (``ssl_pkt.h``), 0f000000 in releases."""


class Layout(NamedTuple):
    """One form of a hard reset. Offsets are in the message; None where the form has no such field.

    ``lengths`` is an inclusive range; ``acked`` tells a reset that answers the peer's.
    """

    name: str
    variant: str
    opcode: int
    lengths: tuple[int, int]
    packet_id: int | None
    fixed: tuple[tuple[int, bytes], ...]
    remote: int | None
    acked: bool
    source: str


def _layouts() -> tuple[Layout, ...]:
    pkt, crypt = "OpenVPN ssl_pkt.c", "OpenVPN tls_crypt.h"
    found = [
        Layout(
            "client-reset-plain", "tls-plain", CLIENT_RESET, (14, 14), None, ((9, bytes(5)),), None, False, pkt
        ),
        Layout(
            "server-reset-plain", "tls-plain", SERVER_RESET, (26, 26), None,
            ((9, _ACK), (22, bytes(4))), 14, True, pkt,
        ),
        Layout("p2p-reset-plain", "p2p-tls", SERVER_RESET, (14, 14), None, ((9, bytes(5)),), None, False, pkt),
    ]  # fmt: skip
    for digest, size in HMAC_SIZES.items():
        pid, body = 9 + size, 17 + size
        first, answer = (22 + size, 22 + size), (34 + size, 34 + size)
        opening: tuple[tuple[int, bytes], ...] = ((body, bytes(5)),)
        variant = f"tls-auth-{digest}"
        found += [
            Layout(f"client-reset-{variant}", variant, CLIENT_RESET, first, pid, opening, None, False, pkt),
            Layout(
                f"server-reset-{variant}", variant, SERVER_RESET, answer, pid,
                ((body, _ACK), (body + 13, bytes(4))), body + 5, True, pkt,
            ),
            Layout(f"p2p-reset-{variant}", "p2p-tls", SERVER_RESET, first, pid, opening, None, False, pkt),
        ]  # fmt: skip
    low, high = WRAPPED_KEY_LENGTHS
    found += [
        Layout("client-reset-tls-crypt", "tls-crypt", CLIENT_RESET, (54, 54), 9, (), None, False, crypt),
        Layout("server-reset-tls-crypt", "tls-crypt", SERVER_RESET, (66, 66), 9, (), None, True, crypt),
        Layout("server-reset-resend-wkc", "tls-crypt-v2", SERVER_RESET, (72, 72), 9, (), None, True, crypt),
        Layout("p2p-reset-tls-crypt", "p2p-tls", SERVER_RESET, (54, 54), 9, (), None, False, crypt),
        Layout(
            "client-reset-tls-crypt-v2", "tls-crypt-v2", CLIENT_RESET_V3, (54 + low, 54 + high), 9, (), None,
            False, crypt,
        ),
    ]  # fmt: skip
    return tuple(found)


LAYOUTS: tuple[Layout, ...] = _layouts()


def _shape(layout: Layout, protocol: Protocol) -> Shape:
    at = 2 if protocol is Protocol.TCP else 0
    octets = [Octets(at, bytes((layout.opcode,)), meaning="opcode, key id 0")]
    if layout.packet_id is not None:
        octets.append(Octets(at + layout.packet_id, bytes(4), _PACKET_ID_MASK, "packet id small"))
    for offset, value in layout.fixed:
        meaning = "one ack, of packet id 0" if value == _ACK else "no ack, packet id 0"
        octets.append(Octets(at + offset, value, meaning="packet id 0" if len(value) == 4 else meaning))
    lengths = (layout.lengths,)
    return Shape(
        name=f"openvpn-{protocol.label}-{layout.name}",
        family=Family.OPENVPN,
        protocol=protocol,
        octets=tuple(octets),
        lengths=() if at else lengths,
        prefix_lengths=lengths if at else (),
        source=layout.source,
    )


SHAPES: tuple[Shape, ...] = tuple(
    _shape(layout, protocol) for protocol in (Protocol.UDP, Protocol.TCP) for layout in LAYOUTS
)


def _index() -> dict[int, tuple[Layout, ...]]:
    index: dict[int, tuple[Layout, ...]] = {}
    for layout in LAYOUTS:
        for length in range(layout.lengths[0], layout.lengths[1] + 1):
            key = layout.opcode << 16 | length
            index[key] = (*index.get(key, ()), layout)
    return index


_BY_OPCODE_AND_LENGTH = _index()
_NO_SESSION = bytes(8)


class Reset(NamedTuple):
    """A hard reset as read from one packet.

    ``near`` says whether net_time is near now, None for the plain form, which has no clock. ``random``
    says whether the session id looks so. ``remote`` is the acknowledged session id, empty when there is none or
    it is encrypted. ``octets`` is the evidence.
    """

    layout: Layout
    session: bytes
    remote: bytes
    near: bool | None
    random: bool
    octets: tuple[Evidence, ...]


def read_udp(packet: Packet, now: float) -> Reset | None:
    """The hard reset that fills the datagram, None if it is none or was not captured whole."""
    payload = packet.payload
    length = len(payload)
    if length < 14 or length != packet.payload_length or payload[0] << 16 | length not in _BY_OPCODE_AND_LENGTH:
        return None
    return _read(payload, 0, length, now)


def read_tcp(packet: Packet, now: float) -> Reset | None:
    """The hard reset that stands whole at the start of the segment, None if there is none."""
    payload = packet.payload
    if len(payload) < 16:
        return None
    length = payload[0] << 8 | payload[1]
    if payload[2] << 16 | length not in _BY_OPCODE_AND_LENGTH or len(payload) < 2 + length:
        return None
    return _read(payload, 2, length, now)


def _read(payload: bytes, at: int, length: int, now: float) -> Reset | None:
    session = payload[at + 1 : at + 9]
    if session == _NO_SESSION:
        return None
    candidate = None
    for layout in _BY_OPCODE_AND_LENGTH[payload[at] << 16 | length]:
        reset = _fit(layout, payload, at, length, session, now)
        if reset is not None:
            if reset.near is not False:
                return reset
            candidate = candidate or reset
    return candidate


def _fit(layout: Layout, payload: bytes, at: int, length: int, session: bytes, now: float) -> Reset | None:
    for offset, value in layout.fixed:
        if not payload.startswith(value, at + offset):
            return None
    near = None
    evidence = [Evidence(at, payload[at : at + 1], f"{layout.name}, {length} bytes, key id 0")]
    if layout.packet_id is not None:
        start = at + layout.packet_id
        if payload[start + 1] or payload[start + 2] or not payload[start + 3]:
            return None
        net_time = int.from_bytes(payload[start + 4 : start + 8], "big")
        near = -NEAR <= net_time - now <= NEAR
        meaning = "packet id small, net_time " + ("near now" if near else "not near now")
        evidence.append(Evidence(start, payload[start : start + 8], meaning))
    if layout.opcode == CLIENT_RESET_V3:
        trailer = payload[at + length - 2 : at + length]
        if int.from_bytes(trailer, "big") != length - 54:
            return None
        evidence.append(Evidence(at + length - 2, trailer, "length of the wrapped client key"))
    remote = b""
    if layout.remote is not None:
        remote = payload[at + layout.remote : at + layout.remote + 8]
    evidence += [Evidence(at + offset, value, "fixed fields of a reset") for offset, value in layout.fixed]
    return Reset(layout, session, remote, near, _looks_random(session), tuple(evidence))


def _looks_random(session: bytes) -> bool:
    return session.count(0) <= SESSION_ZEROS and bool(session.translate(None, _NUMERALS))


_MESSAGES = {
    3: "soft reset",
    4: "control",
    5: "ack",
    6: "data",
    7: "hard reset",
    8: "hard reset",
    9: "data",
    10: "hard reset",
    11: "control with wrapped key",
}


class Conversation:
    """What the packets of one flow have said so far.

    ``forward`` arguments tell the two sides apart: true for packets from the first end of the flow's key.
    """

    family = Family.OPENVPN
    __slots__ = ("client", "client_forward", "confirmed", "heard", "opener_forward", "proven", "spoke", "variant")

    def __init__(self) -> None:
        self.proven = False
        self.heard = 0.0
        self.client = b""
        self.client_forward = False
        self.confirmed = b""
        self.opener_forward: bool | None = None
        self.spoke: bool | None = None
        self.variant = ""

    def advance(self, reset: Reset, forward: bool) -> Detection:
        """What the reset is, given those before it on the flow."""
        if self.opener_forward is None and not reset.layout.acked:
            self.opener_forward = forward
        if reset.layout.opcode != SERVER_RESET:
            return self._client(reset, forward)
        if reset.layout.acked:
            return self._answer(reset, forward)
        return self._server_first(reset, forward)

    def _client(self, reset: Reset, forward: bool) -> Detection:
        peer_to_peer = self.spoke is not None and self.spoke != forward
        self.client, self.client_forward = reset.session, forward
        self.variant = "p2p-tls" if peer_to_peer else reset.layout.variant
        standing = Standing.CANDIDATE
        if (reset.near is not False and reset.random) or reset.session == self.confirmed:
            standing = Standing.PROVEN
            self.proven = True
        return self._detection("client hard reset", reset, standing, True)

    def _answer(self, reset: Reset, forward: bool) -> Detection:
        confirms = False
        if self.client and self.client_forward != forward:
            if reset.layout.remote is not None:
                confirms = reset.remote == self.client
            else:
                confirms = reset.near is True and reset.random and self.variant.startswith("tls-crypt")
        if not confirms:
            return self._detection("server hard reset", reset, Standing.CANDIDATE, False, reset.layout.variant)
        self.proven = True
        self.confirmed = self.client
        return self._detection("server hard reset", reset, Standing.PROVEN, False)

    def _server_first(self, reset: Reset, forward: bool) -> Detection:
        """A server reset without an ack: peer to peer."""
        self.spoke = forward
        answers = self.proven and bool(self.client) and self.client_forward != forward
        standing = Standing.CANDIDATE
        if reset.random and (reset.near or (reset.near is None and answers)):
            standing = Standing.PROVEN
            self.proven = True
            self.variant = "p2p-tls"
        first = self.opener_forward == forward
        return self._detection("server hard reset", reset, standing, first, "p2p-tls")

    def data(self, packet: Packet, forward: bool) -> Detection | None:
        """Data and the rest of the control channel, seen on a flow whose handshake was proven."""
        if not self.proven:
            return None
        at = 2 if packet.protocol is Protocol.TCP else 0
        payload = packet.payload
        if len(payload) <= at:
            return None
        message = _MESSAGES.get(payload[at] >> 3)
        if message is None:
            return None
        evidence = Evidence(at, payload[at : at + 1], "opcode, on a flow whose handshake was proven")
        return Detection(
            Family.OPENVPN,
            self.variant,
            message,
            Standing.SEEN,
            False,
            forward == (self.client_forward if self.client else self.opener_forward),
            (evidence,),
        )

    def _detection(
        self, message: str, reset: Reset, standing: Standing, from_initiator: bool, variant: str = ""
    ) -> Detection:
        evidence = reset.octets
        if reset.remote and standing is Standing.PROVEN:
            at = reset.octets[0].offset + (reset.layout.remote or 0)
            evidence += (Evidence(at, reset.remote, "remote session id is the client's"),)
        return Detection(
            Family.OPENVPN, variant or self.variant, message, standing, True, from_initiator, evidence
        )
