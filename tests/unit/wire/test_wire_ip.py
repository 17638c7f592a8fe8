"""IPv4 and IPv6 headers down to the transport, byte by byte from RFC 791, 8200, 768, 9293, 4302 and 4303."""

from __future__ import annotations

import struct

import pytest

from enforcer.wire.ip import parse
from enforcer.wire.packet import Fragment, NotParsed, Packet, Protocol

A4, B4 = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
A6, B6 = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")


def ipv4(
    payload: bytes, protocol: int, *, options: bytes = b"", flags: int = 0, total: int | None = None
) -> bytes:
    words = 5 + len(options) // 4
    length = words * 4 + len(payload) if total is None else total
    return (
        struct.pack(">BBHHHBBH", 0x40 | words, 0, length, 0x1234, flags, 64, protocol, 0)
        + A4
        + B4
        + options
        + payload
    )


def ipv6(payload: bytes, next_header: int, *, length: int | None = None) -> bytes:
    return (
        struct.pack(">IHBB", 0x60012345, len(payload) if length is None else length, next_header, 64)
        + A6
        + B6
        + payload
    )


def udp(payload: bytes, *, length: int | None = None) -> bytes:
    return struct.pack(">HHHH", 40000, 51820, 8 + len(payload) if length is None else length, 0) + payload


def tcp(payload: bytes, *, words: int = 5) -> bytes:
    return (
        struct.pack(">HHIIBBHHH", 40000, 443, 1, 2, words << 4, 0x18, 512, 0, 0)
        + bytes(words * 4 - 20 if words > 5 else 0)
        + payload
    )


def reason(data: bytes, wire_length: int | None = None) -> str:
    parsed = parse(data, len(data) if wire_length is None else wire_length)
    assert isinstance(parsed, NotParsed)
    return parsed.reason


def udp_packet(source: bytes, destination: bytes, payload: bytes, length: int) -> Packet:
    return Packet(Protocol.UDP, source, destination, 40000, 51820, payload, length)


def test_udp_over_ipv4() -> None:
    data = ipv4(udp(b"hello"), 17)
    assert parse(data, len(data)) == udp_packet(A4, B4, b"hello", 5)


def test_udp_over_ipv6() -> None:
    data = ipv6(udp(b"hello"), 17)
    assert parse(data, len(data)) == udp_packet(A6, B6, b"hello", 5)


def test_tcp_with_options_on_both_headers() -> None:
    data = ipv4(tcp(b"GET /", words=8), 6, options=bytes([7, 39, 4]) + bytes(37))
    assert parse(data, len(data)) == Packet(Protocol.TCP, A4, B4, 40000, 443, b"GET /", 5)


def test_link_padding_is_not_payload() -> None:
    for whole in (ipv4(udp(b"hi"), 17), ipv6(udp(b"hi"), 17)):
        padded = whole + bytes(20)
        parsed = parse(padded, len(padded))
        assert isinstance(parsed, Packet)
        assert (parsed.payload, parsed.payload_length) == (b"hi", 2)
    segment = ipv4(tcp(b"abc"), 6) + bytes(3)
    parsed = parse(segment, len(segment))
    assert isinstance(parsed, Packet)
    assert (parsed.payload, parsed.payload_length) == (b"abc", 3)


def test_bytes_after_the_udp_length_are_not_payload() -> None:
    data = ipv4(udp(b"hello") + b"trailer", 17)
    assert parse(data, len(data)) == udp_packet(A4, B4, b"hello", 5)


def test_snapped_payload_keeps_its_wire_length() -> None:
    whole = ipv4(udp(bytes(148)), 17)
    assert parse(whole[:60], len(whole)) == udp_packet(A4, B4, bytes(32), 148)
    segment = ipv6(tcp(bytes(1000)), 6)
    parsed = parse(segment[:70], len(segment))
    assert isinstance(parsed, Packet)
    assert (parsed.payload, parsed.payload_length) == (bytes(10), 1000)


def test_length_field_zero_means_the_frame_decides() -> None:
    data = ipv4(tcp(b"x" * 3000), 6, total=0)
    parsed = parse(data, len(data))
    assert isinstance(parsed, Packet)
    assert parsed.payload_length == 3000
    data = ipv6(tcp(b"x" * 3000), 6, length=0)
    parsed = parse(data[:100], len(data))
    assert isinstance(parsed, Packet)
    assert (len(parsed.payload), parsed.payload_length) == (40, 3000)


def test_esp_and_ah_start_at_their_own_header() -> None:
    esp = bytes.fromhex("deadbeef00000001") + bytes(40)
    data = ipv4(esp, 50)
    assert parse(data, len(data)) == Packet(Protocol.ESP, A4, B4, 0, 0, esp, 48)
    ah = bytes([17, 4, 0, 0]) + bytes.fromhex("00000100 00000001") + bytes(12) + udp(b"x")
    data = ipv6(ah, 51)
    assert parse(data, len(data)) == Packet(Protocol.AH, A6, B6, 0, 0, ah, len(ah))


def test_esp_is_recognised_even_when_its_header_was_snapped_away() -> None:
    data = ipv4(bytes(64), 50)
    assert parse(data[:22], len(data)) == Packet(Protocol.ESP, A4, B4, 0, 0, bytes(2), 64)


# RFC 8200 §4.3, §4.4, §4.6
@pytest.mark.parametrize("kind", [0, 43, 60])
@pytest.mark.parametrize("units", [0, 2])
def test_each_extension_header_is_skipped(kind: int, units: int) -> None:
    extension = bytes([17, units]) + bytes(6 + units * 8)
    data = ipv6(extension + udp(b"in"), kind)
    assert parse(data, len(data)) == udp_packet(A6, B6, b"in", 2)


@pytest.mark.parametrize("kind", [135, 139, 140])
def test_headers_that_the_kernel_s_sieve_does_not_look_behind_end_the_walk(kind: int) -> None:
    data = ipv6(bytes([17, 0]) + bytes(6) + udp(b"in"), kind)
    assert parse(data, len(data)) == NotParsed("other IP protocol")


def test_a_chain_of_extension_headers() -> None:
    chain = bytes([60, 0]) + bytes(6) + bytes([43, 1]) + bytes(14) + bytes([50, 0]) + bytes(6)
    esp = bytes.fromhex("0000010000000001") + bytes(8)
    data = ipv6(chain + esp, 0)
    assert parse(data, len(data)) == Packet(Protocol.ESP, A6, B6, 0, 0, esp, 16)


def test_ipv4_fragments() -> None:
    piece = bytes(range(64))
    first = ipv4(piece, 17, flags=0x2000)
    assert parse(first + b"pad", len(first) + 3) == Fragment(A4, B4, 0x1234, 17, 0, True, piece, 64)
    last = ipv4(piece, 17, flags=185)
    assert parse(last, len(last)) == Fragment(A4, B4, 0x1234, 17, 1480, False, piece, 64)
    snapped = parse(last[:30], len(last))
    assert snapped == Fragment(A4, B4, 0x1234, 17, 1480, False, piece[:10], 64)


def test_do_not_fragment_is_no_fragment() -> None:
    data = ipv4(udp(b""), 17, flags=0x4000)
    assert parse(data, len(data)) == udp_packet(A4, B4, b"", 0)


def fragment_header(next_header: int, offset: int, more: bool) -> bytes:
    return struct.pack(">BBHI", next_header, 0, offset | more, 0xCAFEBABE)


def test_ipv6_fragments() -> None:
    piece = bytes(range(16))
    data = ipv6(bytes([44, 0]) + bytes(6) + fragment_header(60, 0, True) + piece, 0)
    assert parse(data, len(data)) == Fragment(A6, B6, 0xCAFEBABE, 60, 0, True, piece, 16)
    data = ipv6(fragment_header(17, 1448, False) + piece, 44)
    assert parse(data, len(data)) == Fragment(A6, B6, 0xCAFEBABE, 17, 1448, False, piece, 16)


def test_reserved_bits_of_the_fragment_header_are_ignored() -> None:
    data = ipv6(struct.pack(">BBHI", 17, 0xFF, 0x0006, 7) + udp(b"x"), 44)
    assert parse(data, len(data)) == udp_packet(A6, B6, b"x", 1)


def test_an_atomic_fragment_is_a_packet() -> None:
    data = ipv6(fragment_header(17, 0, False) + udp(b"whole"), 44)
    assert parse(data, len(data)) == udp_packet(A6, B6, b"whole", 5)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "no bytes where an IP header should stand"),
        (b"\x50" + bytes(60), "neither IPv4 nor IPv6"),
        (ipv4(b"", 17)[:19], "IPv4 header cut short"),
        (ipv4(udp(b""), 17, options=bytes(8))[:26], "IPv4 header cut short"),
        (b"\x44" + ipv4(udp(b""), 17)[1:], "IPv4 header length below 20 bytes"),
        (ipv4(udp(b""), 17, total=19), "IPv4 total length below its header"),
        (ipv6(b"", 17)[:39], "IPv6 header cut short"),
        (ipv6(bytes(7), 60), "IPv6 extension header cut short"),
        (ipv6(bytes([17, 1]) + bytes(6) + bytes(7), 60), "IPv6 extension header cut short"),
        (ipv6(bytes(7), 44), "IPv6 extension header cut short"),
        (ipv6(b"", 59), "IPv6 no next header"),
        (ipv4(bytes(7), 17), "UDP header cut short"),
        (ipv4(udp(b"x", length=7), 17), "UDP length below its header's 8 bytes"),
        (ipv6(udp(b"x", length=0), 17), "UDP length below its header's 8 bytes"),
        (ipv4(udp(b"x", length=10), 17), "UDP length beyond the IP payload"),
        (ipv4(udp(b"x", length=10), 17) + b"pad", "UDP length beyond the IP payload"),
        (ipv4(tcp(b"")[:19], 6), "TCP header cut short"),
        (ipv4(tcp(b"", words=4), 6), "TCP data offset outside the segment"),
        (ipv4(tcp(b"", words=6)[:20], 6), "TCP data offset outside the segment"),
        (ipv4(bytes(7), 50), "ESP header cut short"),
        (ipv4(bytes(11), 51), "AH header cut short"),
        (ipv4(bytes([6, 0]) + bytes(20), 51), "AH length outside the IP payload"),
        (ipv4(bytes([6, 255]) + bytes(20), 51), "AH length outside the IP payload"),
        (ipv4(ipv4(udp(b"x"), 17), 4), "IPv4 tunnel (protocol 4): only outer flows are read"),
        (ipv4(ipv6(udp(b"x"), 17), 41), "IPv6 tunnel (protocol 41): only outer flows are read"),
        (ipv4(bytes(40), 47), "GRE tunnel: only outer flows are read"),
        (ipv4(bytes(8), 1), "other IP protocol"),
        (ipv6(bytes(8), 58), "other IP protocol"),
    ],
)
def test_what_cannot_be_parsed_says_why(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_the_udp_header_must_have_been_captured() -> None:
    whole = ipv4(udp(bytes(100)), 17)
    assert reason(whole[:27], len(whole)) == "UDP header cut short"
    assert isinstance(parse(whole[:28], len(whole)), Packet)
