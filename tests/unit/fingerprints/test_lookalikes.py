"""Innocent protocols that share first bytes, ports or lengths with the three families: nothing is proven."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.fingerprints import openvpn
from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.builders import NOW, SESSION, filler, ike_sa_init, reply, tcp, udp

BYTES = random.Random(20260730)
PORTS = (53, 111, 123, 161, 443, 500, 1194, 2049, 4500, 5353, 8801, 20000, 51820)


def dns(identifier: int, name: bytes = b"\x07example\x03com\x00", flags: int = 0x0100) -> bytes:
    return struct.pack(">HHHHHH", identifier, flags, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)


def sun_rpc(xid: int, arguments: int) -> bytes:
    """A call to NFS with null credentials (RFC 5531 §9); arguments are often mostly zeros."""
    return struct.pack(">IIIIIIIIII", xid, 0, 2, 100003, 3, 1, 0, 0, 0, 0) + bytes(arguments)


def words(first: int, length: int, tail: bytes = b"") -> bytes:
    """A little-endian 32-bit type, then whatever."""
    return struct.pack("<I", first) + BYTES.randbytes(length - 4 - len(tail)) + tail


def name_of_the_time(label: int, length: int) -> bytes:
    """A name for a query of ``length`` bytes whose first four letters are the seconds since the epoch."""
    first = bytes((label,)) + struct.pack(">I", int(NOW)) + b"a" * (label - 4)
    left = length - 12 - 4 - len(first) - 1
    return first + (bytes((left - 1,)) + b"b" * (left - 1) if left else b"") + b"\0"


def opcode_lengths() -> list[int]:
    return sorted({length for layout in openvpn.LAYOUTS for length in layout.lengths})


UDP: dict[str, list[bytes]] = {
    "a first word 1..4 of any length": [words(n, size) for n in range(1, 5) for size in range(5, 200)],
    "TeamViewer": [words(1, 149, bytes(17)), words(1, 149)],
    "a first word 2 or 3, zero padded": [words(2, 92, bytes(48)), words(3, 64, bytes(24))],
    "DNS ids like WireGuard types": [
        dns(kind << 8, bytes((fill,)) + b"a" * fill + b"\0", flags)
        for kind in range(1, 5)
        for fill in range(1, 64)
        for flags in (0, 0x0100)
    ],
    "DNS ids like OpenVPN opcodes": [
        dns(opcode << 8 | low, bytes((fill,)) + b"a" * fill + b"\0")
        for opcode in (0x38, 0x40, 0x50)
        for low in (0, 1, 0xFF)
        for fill in range(1, 64)
    ],
    "DNS headers alone": [struct.pack(">HHHHHH", op << 8, 0, 0, 0, 0, 0) for op in (0x38, 0x40, 0x50)],
    "Sun RPC": [
        sun_rpc(opcode << 24 | xid, size)
        for opcode in (0x38, 0x40, 0x50)
        for xid in (0, 1, 0xABCDEF)
        for size in range(0, 120, 4)
    ],
    "SNMP": [b"\x30" + bytes((len(body),)) + body for body in (filler(40), filler(12), filler(52))],
    "GTP-U": [b"\x30\xff" + struct.pack(">HI", size, 7) + filler(size) for size in (6, 34, 46, 84)],
    "VXLAN": [b"\x08\0\0\0\0\0\x2a\0" + filler(size) for size in (64, 6, 46)],
    "BFD": [
        struct.pack(">BBBBIIIII", 0x20, state, 3, 24, 1, 0, 1000000, 1000000, 0) for state in (0x40, 0x80, 0xC0)
    ],
    "STUN": [struct.pack(">HHI", 1, size, 0x2112A442) + filler(12 + size) for size in (0, 8, 24)],
    "QUIC short headers": [
        bytes((first,)) + BYTES.randbytes(size - 1) for first in range(0x40, 0x80) for size in opcode_lengths()
    ],
    "CoAP confirmable, empty token": [
        b"\x40\x02\x12\x34\xb1a\xff" + bytes(7),
        b"\x40\x01\x12\x34" + b"\xb5short" + b"\xff" + bytes(3),
    ],
    "DTLS": [b"\x16\xfe\xfd\0\0" + bytes(6) + struct.pack(">H", size) + filler(size) for size in (41, 67, 135)],
    "SRTP": [b"\x80\x60" + struct.pack(">HII", 1, 160, 9) + filler(size) for size in (26, 80, 136)],
    "four zero bytes": [bytes(4) + filler(size) for size in (0, 28, 60)] + [bytes(n) for n in (4, 14, 32, 148)],
    "L2TP": [struct.pack(">HHHHHH", 0xC802, 12 + size, 0, 0, 0, 0) + filler(size) for size in (0, 20, 92)],
    "one-byte probes": [bytes((n,)) for n in range(256)],
    "ISAKMP-shaped floods": [
        ike_sa_init(length=0),
        ike_sa_init(length=0xFFFFFFFF),
        ike_sa_init(initiator=bytes(8)),
        ike_sa_init() + filler(100),
        ike_sa_init()[:40],
        filler(8) + bytes(8) + b"\x01\x10\x02\x00" + bytes(4) + struct.pack(">I", 392) + filler(100),
    ],
    "text that starts with an opcode": [
        text.ljust(size, b"\0") for text in (b"8", b"@", b"P") for size in opcode_lengths()
    ],
    "DNS names that spell the time": [
        dns(opcode << 8 | low, name_of_the_time(label, length), flags)
        for opcode, length in ((0x38, 54), (0x40, 54), (0x40, 66), (0x40, 72))
        for low in (0, 0x7F)
        for flags in (0x0100, 0x0120, 0x8180)
        for label in (6, 20, length - 18)
    ],
    "zero-padded records": [words(1, 148, bytes(pad)) for pad in (26, 40, 100)]
    + [b"\x38" + struct.pack("<II", 5, 9) + bytes(size - 9) for size in opcode_lengths()],
    "a number in a zero-padded field": [
        text.ljust(14, b"\0") for text in (b"812345678", b"8:59:59.7", b"8.8.8.8:5")
    ],
    "a time near now at the wrong place": [
        b"\x38" + filler(size - 5) + struct.pack(">I", int(NOW)) for size in opcode_lengths()
    ],
}


@pytest.mark.parametrize("name", UDP)
def test_udp_lookalikes_are_not_proven(name: str) -> None:
    detector = Detector()
    for payload in UDP[name]:
        for port in PORTS:
            for packet in (udp(payload, destination=("198.51.100.7", port)), reply(udp(b""), payload)):
                detection = detector.inspect(packet, NOW)
                assert detection is None or detection.standing is Standing.CANDIDATE, payload.hex()


def frame(length: int, rest: bytes) -> bytes:
    return struct.pack(">H", length) + rest


TCP: dict[str, list[bytes]] = {
    "HTTP": [
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"POST /submit HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n",
        b"PUT /x HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    "TLS": [b"\x16\x03\x01" + struct.pack(">H", 512) + filler(512), b"\x17\x03\x03\0\x20" + filler(32)],
    "DNS over TCP": [
        frame(len(query), query)
        for opcode in (0x38, 0x40, 0x50)
        for query in [dns(opcode << 8 | 7, bytes((n,)) + b"a" * n + b"\0") for n in range(1, 64)]
    ],
    "DNP3": [b"\x05\x64" + bytes((size,)) + filler(size + 8) for size in (0x38, 0x40, 0x50)],
    "length-framed binary": [
        frame(size, bytes((opcode,)) + BYTES.randbytes(size - 1))
        for opcode in (0x38, 0x40, 0x50)
        for size in range(14, 120)
    ],
    "a number in a zero-padded field": [frame(14, b"812345678".ljust(14, b"\0"))],
    "zeros": [bytes(size) for size in (6, 14, 34, 60)],
    "probes": [b"\0", b"\r\n", b"\0\x0e\x38"],
}


@pytest.mark.parametrize("name", TCP)
def test_tcp_lookalikes_are_not_proven(name: str) -> None:
    detector = Detector()
    for payload in TCP[name]:
        for port in (80, 443, 500, 1194, 4500, 20000):
            detection = detector.inspect(tcp(payload, destination=("198.51.100.7", port)), NOW)
            assert detection is None or detection.standing is Standing.CANDIDATE, payload.hex()


@pytest.mark.parametrize("name", UDP)
def test_lookalikes_after_a_handshake_on_another_flow_are_not_proven(name: str) -> None:
    detector = Detector()
    detector.inspect(udp(ike_sa_init(), ("10.0.0.9", 500), ("198.51.100.7", 500)), NOW)
    for payload in UDP[name]:
        detection = detector.inspect(udp(payload, destination=("198.51.100.7", 4433)), NOW)
        assert detection is None or detection.standing is Standing.CANDIDATE


HEADS = st.sampled_from(
    [b"", b"\x01\0\0\0", b"\x02\0\0\0", b"\x03\0\0\0", b"\x38", b"\x40", b"\x50", b"IKETCP", bytes(4)]
    + [frame(size, bytes((op,))) for size in (14, 42, 54) for op in (0x38, 0x40)]
)
LENGTHS = st.one_of(st.sampled_from([148, 92, 64, *opcode_lengths()]), st.integers(0, 400))


@st.composite
def random_packets(draw: st.DrawFn) -> Packet:
    """Random bytes behind each family's first bytes, at the lengths and ports that matter, snapped or not."""
    head = draw(HEADS)
    length = draw(LENGTHS)
    payload = (head + draw(st.randoms(use_true_random=False)).randbytes(length))[:length]
    captured = draw(st.integers(0, length)) if draw(st.booleans()) else length
    protocol = draw(st.sampled_from([Protocol.UDP, Protocol.TCP]))
    port = draw(st.sampled_from(PORTS))
    packet = udp(payload[:captured], destination=("198.51.100.7", port), length=length)
    return packet._replace(protocol=protocol)


@settings(max_examples=3000, deadline=None)
@given(packets=st.lists(random_packets(), min_size=1, max_size=4))
def test_random_bytes_never_raise_and_are_never_proven(packets: list[Packet]) -> None:
    detector = Detector()
    for packet in packets:
        detection = detector.inspect(packet, NOW)
        assert detection is None or detection.standing is Standing.CANDIDATE


@settings(max_examples=500, deadline=None)
@given(payload=st.binary(max_size=200), protocol=st.sampled_from(Protocol), wire=st.integers(0, 3000))
def test_arbitrary_payloads_never_raise(payload: bytes, protocol: Protocol, wire: int) -> None:
    detector = Detector()
    detector.inspect(udp(ike_sa_init()), NOW)
    packet = udp(payload, length=max(wire, len(payload)))._replace(protocol=protocol)
    detector.inspect(packet, NOW)
    detector.inspect(reply(packet, payload), NOW)


def test_the_session_id_alone_carries_no_weight() -> None:
    """A length-14 datagram with the opcode is nothing while any of its five last bytes is set."""
    for offset in range(9, 14):
        payload = bytearray(b"\x38" + SESSION + bytes(5))
        payload[offset] = 0x80
        assert Detector().inspect(udp(bytes(payload)), NOW) is None
