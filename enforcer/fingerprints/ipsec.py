"""IPsec: IKE over UDP and TCP, ESP and AH (RFC 7296, 2408, 2409, 3947, 3948, 4302, 4303, 9329).

The IKE header (``ike.py``) stands at the start of the datagram on port 500, after the four zero bytes of the
non-ESP marker on port 4500 (RFC 3948 §2.2), and after length and marker in TCP (RFC 9329 §3).

What is proof. On ports 500 and 4500 (either end) a header with every field in range for its version and
exchange and the length equal to the message's. On other ports the same, and only for a first message, whose
payloads are in clear and whose chain must walk exactly to the end. Over TCP the same header, framed; on ports
other than 4500 only after the ``IKETCP`` prefix. Everything else on a flow whose IKE was proven is seen: IKE on
other ports after the first message, ESP in UDP, NAT keepalives. ESP and AH as IP protocols are seen, except to
multicast groups: that protects routing protocols (OSPFv3, RFC 4552; VRRP), and is not a VPN.

Only the exchanges without which no tunnel comes up count as handshake: IKE_SA_INIT, IKE_AUTH,
IKE_SESSION_RESUME, IKE_INTERMEDIATE; main and aggressive mode.
"""

from __future__ import annotations

from typing import NamedTuple

from enforcer.fingerprints.detection import Detection, Evidence, Family, Standing
from enforcer.fingerprints.ike import (
    AGGRESSIVE,
    EXCHANGES,
    HANDSHAKE,
    HEADER_LENGTH,
    IKEV1,
    IKEV2,
    INITIATOR_FLAG,
    MAIN,
    SHORTEST,
    Header,
    chain_ends,
    read_header,
)
from enforcer.fingerprints.shape import Octets, Shape
from enforcer.wire.packet import Packet, Protocol

IKE_PORT = 500
NATT_PORT = 4500
MARKER = bytes(4)
"""The non-ESP marker (RFC 3948 §2.2)."""
STREAM_PREFIX = b"IKETCP"
"""Sent once by the TCP originator (RFC 9329 §4)."""

_NO_SPI = bytes(8)
_LONGEST = 65527  # of a UDP payload, over IPv6


def _on_port(name: str, port: int, version: int, flags: int, at: int, transport: Protocol) -> Shape:
    """Any message of one version on its port; ``flags`` are those the version defines."""
    octets = [
        Octets(
            at + 17,
            bytes((version, 0, 0)),
            bytes((0xFF, 0xC0, 0xFF & ~flags)),
            "version, exchange below 64, reserved flags zero",
        ),
        Octets(at + 24, bytes(2), meaning="length below 65536"),
    ]
    if at:
        octets.insert(0, Octets(at - 4, MARKER, meaning="non-ESP marker"))
    return _ike_shape(name, transport, octets, at, frozenset({port}))


def _first(name: str, version: int, exchange: int, at: int, transport: Protocol) -> Shape:
    """The first message of an exchange, on any port."""
    flags = INITIATOR_FLAG if version == IKEV2 else 0
    following, known = (0, 0) if version == IKEV2 else (1, 0xFF)
    octets = [
        Octets(
            at + 8,
            bytes(8) + bytes((following, version, exchange, flags)) + bytes(4),
            b"\xff" * 8 + bytes((known,)) + b"\xff" * 7,
            "responder SPI 0, version, exchange, flags, message id 0",
        ),
        Octets(at + 24, bytes(2), meaning="length below 65536"),
    ]
    if at:
        octets.insert(0, Octets(at - 4, MARKER, meaning="non-ESP marker"))
    return _ike_shape(name, transport, octets, at, frozenset())


def _ike_shape(name: str, transport: Protocol, octets: list[Octets], at: int, ports: frozenset[int]) -> Shape:
    return Shape(
        name=f"ipsec-{transport.label}-{name}",
        family=Family.IPSEC,
        protocol=transport,
        octets=tuple(octets),
        lengths=((at + SHORTEST, _LONGEST),) if transport is Protocol.UDP else (),
        ports=ports,
        source="RFC 9329 §3" if transport is Protocol.TCP else "RFC 7296 §3.1, RFC 2408 §3.1, RFC 3948 §2.2",
    )


_FIRSTS = (("ikev2", IKEV2, 34), ("ikev1-main", IKEV1, MAIN), ("ikev1-aggressive", IKEV1, AGGRESSIVE))

SHAPES: tuple[Shape, ...] = (
    _on_port("ikev2-500", IKE_PORT, IKEV2, 0x28, 0, Protocol.UDP),
    _on_port("ikev1-500", IKE_PORT, IKEV1, 0x07, 0, Protocol.UDP),
    _on_port("ikev2-4500", NATT_PORT, IKEV2, 0x28, 4, Protocol.UDP),
    _on_port("ikev1-4500", NATT_PORT, IKEV1, 0x07, 4, Protocol.UDP),
    *(_first(f"{name}-first", version, kind, 0, Protocol.UDP) for name, version, kind in _FIRSTS),
    *(_first(f"{name}-first-marker", version, kind, 4, Protocol.UDP) for name, version, kind in _FIRSTS),
    Shape(
        name="ipsec-tcp-stream-prefix",
        family=Family.IPSEC,
        protocol=Protocol.TCP,
        octets=(Octets(0, STREAM_PREFIX, meaning="IKETCP"),),
        source="RFC 9329 §4",
    ),
    _on_port("ikev2-4500", NATT_PORT, IKEV2, 0x28, 6, Protocol.TCP),
    _on_port("ikev1-4500", NATT_PORT, IKEV1, 0x07, 6, Protocol.TCP),
    *(_first(f"{name}-first", version, kind, 6, Protocol.TCP) for name, version, kind in _FIRSTS),
)


def read_udp(packet: Packet) -> Header | None:
    """The IKE header of a datagram that proves itself, None if it does not."""
    length = packet.payload_length
    if length < SHORTEST:
        return None
    payload = packet.payload
    ports = (packet.source_port, packet.destination_port)
    if IKE_PORT in ports:
        header = read_header(payload, 0, length)
        if header is not None:
            return header
    if NATT_PORT in ports and payload[:4] == MARKER:
        header = read_header(payload, 4, length - 4)
        if header is not None:
            return header
    header = None
    if payload[8:16] == _NO_SPI:
        header = read_header(payload, 0, length)
    if header is None and payload[12:20] == _NO_SPI and payload[:4] == MARKER:
        header = read_header(payload, 4, length - 4)
    if header is None or not header.first or len(payload) != length or not chain_ends(payload, header):
        return None
    return header


class Segment(NamedTuple):
    """The start of a TCP segment: whether it is the stream prefix, and the IKE header framed at it or after it."""

    prefix: bool
    header: Header | None


def read_tcp(packet: Packet) -> Segment | None:
    """What of RFC 9329 stands at the start of the segment, None if nothing does.

    A frame is a 16-bit length that counts itself, the marker and the message; more frames may follow.
    """
    payload = packet.payload
    if payload[2:6] == MARKER:
        prefix, at = False, 0
    elif payload[:6] == STREAM_PREFIX:
        prefix, at = True, 6
    else:
        return None
    header = None
    if payload[at + 2 : at + 6] == MARKER:
        header = read_header(payload, at + 6, (payload[at] << 8 | payload[at + 1]) - 6)
    return Segment(prefix, header) if prefix or header is not None else None


class Conversation:
    """What the packets of one flow have said so far.

    ``forward`` arguments tell the two sides apart: true for packets from the first end of the flow's key.
    """

    family = Family.IPSEC
    __slots__ = ("heard", "initiator_forward", "marked", "prefixed", "proven", "variant")

    def __init__(self) -> None:
        self.proven = False
        self.heard = 0.0
        self.initiator_forward: bool | None = None
        self.marked = False
        self.prefixed = False
        self.variant = ""

    def advance(self, header: Header, packet: Packet, forward: bool) -> Detection:
        """The proven IKE message of a datagram."""
        return self._ike(header, packet, forward, Standing.PROVEN)

    def advance_stream(self, segment: Segment, packet: Packet, forward: bool) -> Detection | None:
        """The stream prefix or framed IKE message at the start of a TCP segment. None: not proof here."""
        if segment.prefix:
            self.prefixed = True
            if self.initiator_forward is None:
                self.initiator_forward = forward
        header = segment.header
        if header is None:
            evidence = Evidence(0, STREAM_PREFIX, "stream prefix, no IKE message yet")
            return Detection(
                Family.IPSEC, "ikev2-tcp", "stream prefix", Standing.CANDIDATE, False, True, (evidence,)
            )
        if NATT_PORT in (packet.source_port, packet.destination_port):
            return self._ike(header, packet, forward, Standing.PROVEN)
        if not self.prefixed:
            return None
        if segment.prefix or header.first:
            return self._ike(header, packet, forward, Standing.PROVEN)
        return self._ike(header, packet, forward, Standing.SEEN) if self.proven else None

    def data(self, packet: Packet, forward: bool) -> Detection | None:
        """What is not proof alone but belongs to a flow whose IKE was proven: IKE, ESP in UDP, keepalives."""
        if not self.proven or packet.protocol is not Protocol.UDP:
            return None
        payload, length = packet.payload, packet.payload_length
        if length == 1 and payload == b"\xff":
            return self._encapsulated("NAT keepalive", Evidence(0, b"\xff", "RFC 3948 §2.3"), forward)
        at = 4 if payload[:4] == MARKER else 0
        header = read_header(payload, at, length - at)
        if header is not None:
            return self._ike(header, packet, forward, Standing.SEEN)
        if self.marked and not at and length >= 8 and len(payload) >= 4:
            return self._encapsulated("ESP", Evidence(0, payload[:4], "SPI, not zero"), forward)
        return None

    def _ike(self, header: Header, packet: Packet, forward: bool, standing: Standing) -> Detection:
        if standing is Standing.PROVEN:
            self.proven = True
        tcp = packet.protocol is Protocol.TCP
        marked = header.at > 0
        self.marked = self.marked or marked
        if header.version == IKEV2:
            name = "ikev2"
            from_initiator = bool(header.flags & INITIATOR_FLAG)
            self.initiator_forward = forward if from_initiator else not forward
        else:
            name = {MAIN: "ikev1-main", AGGRESSIVE: "ikev1-aggressive"}.get(header.exchange, "ikev1")
            if header.first:
                self.initiator_forward = forward
            elif self.initiator_forward is None:
                # A phase 1 message with the SA payload that knows both SPIs is the responder's.
                answers = header.exchange in (MAIN, AGGRESSIVE) and header.next_payload == 1
                self.initiator_forward = forward is not answers
            from_initiator = forward == self.initiator_forward
        self.variant = name + ("-tcp" if tcp else "-natt" if marked else "")
        payload, at = packet.payload, header.at
        evidence: tuple[Evidence, ...] = (
            Evidence(at + 17, payload[at + 17 : at + 20], "version, exchange and flags in range"),
            Evidence(at + 24, payload[at + 24 : at + HEADER_LENGTH], "length field equals the message's length"),
        )
        if marked:
            evidence = (Evidence(at - 4, MARKER, "non-ESP marker"), *evidence)
        return Detection(
            Family.IPSEC,
            self.variant,
            EXCHANGES[header.version][header.exchange],
            standing,
            header.exchange in HANDSHAKE and standing is Standing.PROVEN,
            from_initiator,
            evidence,
        )

    def _encapsulated(self, message: str, evidence: Evidence, forward: bool) -> Detection:
        return Detection(
            Family.IPSEC,
            "esp-in-udp",
            message,
            Standing.SEEN,
            False,
            forward == self.initiator_forward,
            (evidence,),
        )


def native(packet: Packet) -> Detection | None:
    """ESP or AH as IP protocol 50 or 51 (RFC 4303 §2, RFC 4302 §2): seen, unless it goes to a multicast group.

    The SPI must not be zero, and AH's reserved field must be zero and its length fit the packet. The initiator
    cannot be told: ``from_initiator`` is false.
    """
    destination, payload = packet.destination, packet.payload
    if (destination[0] == 0xFF) if len(destination) == 16 else (0xE0 <= destination[0] <= 0xEF):
        return None
    at = 0
    if packet.protocol is Protocol.AH:
        if len(payload) < 8 or payload[2] or payload[3] or (payload[1] + 2) * 4 > packet.payload_length:
            return None
        at = 4
    spi = payload[at : at + 4]
    if packet.payload_length < 8 or len(spi) < 4 or spi == MARKER:
        return None
    label = packet.protocol.label
    return Detection(
        Family.IPSEC, label, label.upper(), Standing.SEEN, False, False, (Evidence(at, spi, "SPI, not zero"),)
    )
