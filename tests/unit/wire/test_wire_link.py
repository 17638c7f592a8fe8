"""Every link layer, byte by byte from its definition, around one known IPv4 and one known IPv6 packet."""

from __future__ import annotations

import struct

import pytest

from enforcer.wire.link import decode
from enforcer.wire.packet import NotParsed, Packet, Protocol

UDP = struct.pack(">HHHH", 5353, 53, 12, 0) + b"ping"
A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes.fromhex("fe80" + "00" * 13 + "01"), bytes.fromhex("ff02" + "00" * 13 + "fb")
V4 = bytes.fromhex("45000020000100004011 0000") + A4 + B4 + UDP
V6 = bytes.fromhex("60000000000c1140") + A6 + B6 + UDP
P4 = Packet(Protocol.UDP, A4, B4, 5353, 53, b"ping", 4)
P6 = Packet(Protocol.UDP, A6, B6, 5353, 53, b"ping", 4)

MACS = bytes.fromhex("0000 5e00 5301 0000 5e00 5302")
SNAP4, SNAP6 = bytes.fromhex("aaaa03 000000 0800"), bytes.fromhex("aaaa03 000000 86dd")
LABEL, BOTTOM = bytes.fromhex("00010040"), bytes.fromhex("00020140")
PPPOE = bytes.fromhex("1100 0007 0022")


def h(text: str) -> bytes:
    return bytes.fromhex(text)


def nflog(family: int, payload: bytes, order: str) -> bytes:
    """The records the kernel writes before the payload: packet header (8 bytes), mark, a prefix padded to 4."""
    pad = bytes(-len(payload) % 4)
    return (
        struct.pack(">BBH", family, 0, 5)
        + struct.pack(order + "HH", 8, 1)
        + h("0800 0300")
        + struct.pack(order + "HHI", 8, 2, 1)
        + struct.pack(order + "HH", 5, 10)
        + bytes(4)
        + struct.pack(order + "HH", 4 + len(payload), 9)
        + payload
        + pad
    )


def radiotap(flags: int, *, clock: bool = False, words: int = 1) -> bytes:
    """Flags (after TSFT when asked for) and as many presence words as asked for."""
    present = 0x2 | clock
    body = b"".join(
        struct.pack("<I", (present if i == 0 else 0) | (0x80000000 if i < words - 1 else 0)) for i in range(words)
    )
    body += (bytes(-(4 + len(body)) % 8) + bytes(8) if clock else b"") + bytes([flags])
    return struct.pack("<BBH", 0, 0, 4 + len(body)) + body


DATA = h("0800 0000") + MACS + bytes(6) + h("1000")
QOS = h("8801 0000") + MACS + bytes(6) + h("1000 0000")
QOS_HT = h("8881 0000") + MACS + bytes(6) + h("1000 0000") + bytes(4)
WDS = h("0803 0000") + MACS + bytes(6) + h("1000") + bytes(6)

FRAMES4 = {
    "ethernet": (1, MACS + h("0800") + V4 + bytes(14)),
    "802.1q": (1, MACS + h("8100 0064 0800") + V4),
    "802.1ad": (1, MACS + h("88a8 0064 8100 0065 0800") + V4),
    "old qinq": (1, MACS + h("9100 0064 8100 0065 0800") + V4),
    "three tags": (1, MACS + h("88a8 0001 88a8 0002 8100 0003 0800") + V4),
    "mpls": (1, MACS + h("8847") + BOTTOM + V4),
    "mpls stack in vlan": (1, MACS + h("8100 0064 8847") + LABEL + LABEL + BOTTOM + V4),
    "mpls upstream-assigned": (1, MACS + h("8848") + BOTTOM + V4),
    "pppoe": (1, MACS + h("8864") + PPPOE + h("0021") + V4),
    "pppoe compressed protocol": (1, MACS + h("8864") + PPPOE + h("21") + V4),
    "pppoe in qinq": (1, MACS + h("88a8 0064 8100 0065 8864") + PPPOE + h("0021") + V4),
    "llc snap": (1, MACS + h("0028") + SNAP4 + V4),
    "llc snap bridge tunnel": (1, MACS + h("0028") + h("aaaa03 0000f8 0800") + V4),
    "llc snap in vlan": (1, MACS + h("8100 0064 0028") + SNAP4 + V4),
    "llc ip sap": (1, MACS + h("0023 0606 03") + V4),
    "null little-endian": (0, h("02000000") + V4),
    "null big-endian": (0, h("00000002") + V4),
    "loop": (108, h("00000002") + V4),
    "raw": (101, V4),
    "raw 12": (12, V4),
    "raw 14": (14, V4),
    "ipv4": (228, V4),
    "ppp": (9, h("0021") + V4),
    "ppp with address": (9, h("ff03 0021") + V4),
    "ppp mpls": (9, h("ff03 0281") + LABEL + BOTTOM + V4),
    "ppp hdlc": (50, h("ff03 0021") + V4),
    "cisco hdlc": (104, h("0f00 0800") + V4),
    "cisco hdlc multicast": (50, h("8f00 0800") + V4),
    "pppoe link": (51, PPPOE + h("0021") + V4),
    "sll": (113, h("0000 0001 0006") + MACS[:6] + h("0000 0800") + V4),
    "sll vlan": (113, h("0000 0001 0006") + MACS[:6] + h("0000 8100 0064 0800") + V4),
    "sll llc": (113, h("0000 0001 0006") + MACS[:6] + h("0000 0004") + SNAP4 + V4),
    "sll2": (276, h("0800 0000 00000002 0001 00 06") + MACS[:6] + bytes(2) + V4),
    "nflog little-endian": (239, nflog(2, V4, "<")),
    "nflog big-endian": (239, nflog(2, V4, ">")),
    "token ring": (6, h("1040") + MACS + SNAP4 + V4),
    "token ring source-routed": (6, h("1040") + MACS[:6] + b"\x80" + MACS[7:] + h("0630 1234 5670") + SNAP4 + V4),
    "fddi": (10, h("50") + MACS + SNAP4 + V4),
    "802.11": (105, DATA + SNAP4 + V4),
    "802.11 qos": (105, QOS + SNAP4 + V4),
    "802.11 qos ht": (105, QOS_HT + SNAP4 + V4),
    "802.11 wds": (105, WDS + SNAP4 + V4),
    "radiotap": (127, radiotap(0) + DATA + SNAP4 + V4),
    "radiotap fcs": (127, radiotap(0x10) + DATA + SNAP4 + V4 + bytes(4)),
    "radiotap padded": (127, radiotap(0x20) + QOS + bytes(2) + SNAP4 + V4),
    "radiotap clock": (127, radiotap(0x20, clock=True) + QOS + bytes(2) + SNAP4 + V4),
    "radiotap words": (127, radiotap(0x20, clock=True, words=2) + QOS + bytes(2) + SNAP4 + V4),
    "ppi": (192, h("00000c00 69000000 00000000") + DATA + SNAP4 + V4),
}  # fmt: skip

FRAMES6 = {
    "ethernet": (1, MACS + h("86dd") + V6),
    "802.1q": (1, MACS + h("8100 0064 86dd") + V6),
    "mpls": (1, MACS + h("8847") + LABEL + BOTTOM + V6),
    "pppoe": (1, MACS + h("8864") + PPPOE + h("0057") + V6),
    "llc snap": (1, MACS + h("003c") + SNAP6 + V6),
    "null linux": (0, h("0a000000") + V6),
    "null windows": (0, h("17000000") + V6),
    "null netbsd": (0, h("18000000") + V6),
    "null freebsd": (0, h("1c000000") + V6),
    "null darwin": (0, h("1e000000") + V6),
    "null darwin big-endian": (0, h("0000001e") + V6),
    "raw": (101, V6),
    "ipv6": (229, V6),
    "ppp": (9, h("ff03 0057") + V6),
    "cisco hdlc": (104, h("0f00 86dd") + V6),
    "sll": (113, h("0000 0001 0006") + MACS[:6] + h("0000 86dd") + V6),
    "sll2": (276, h("86dd 0000 00000002 0001 00 06") + MACS[:6] + bytes(2) + V6),
    "nflog": (239, nflog(10, V6, "<")),
    "fddi": (10, h("57") + MACS + SNAP6 + V6),
    "802.11": (105, DATA + SNAP6 + V6),
}


@pytest.mark.parametrize("name", FRAMES4)
def test_ipv4_in(name: str) -> None:
    link_type, frame = FRAMES4[name]
    assert decode(link_type, frame, len(frame)) == P4


@pytest.mark.parametrize("name", FRAMES6)
def test_ipv6_in(name: str) -> None:
    link_type, frame = FRAMES6[name]
    assert decode(link_type, frame, len(frame)) == P6


@pytest.mark.parametrize("name", FRAMES4)
def test_every_truncation_is_quiet(name: str) -> None:
    link_type, frame = FRAMES4[name]
    for cut in range(len(frame)):
        parsed = decode(link_type, frame[:cut], len(frame))
        if isinstance(parsed, Packet):
            assert parsed._replace(payload=b"") == P4._replace(payload=b"")
            assert P4.payload.startswith(parsed.payload)
        else:
            assert isinstance(parsed, NotParsed)


@pytest.mark.parametrize("name", FRAMES4)
def test_the_wire_length_follows_the_headers(name: str) -> None:
    """With the IP length field zeroed, what is left of the frame's wire length decides."""
    link_type, frame = FRAMES4[name]
    at = frame.index(V4)
    zeroed = frame[: at + 2] + bytes(2) + frame[at + 4 : at + len(V4)]
    parsed = decode(link_type, zeroed, len(zeroed))
    assert parsed == P4
    if link_type == 239:
        return  # the payload attribute has a length of its own
    shorter = decode(link_type, zeroed[:-4], len(zeroed) - 4)
    assert isinstance(shorter, NotParsed), "the UDP length is now beyond the IP payload"


@pytest.mark.parametrize(
    ("link_type", "frame", "expected"),
    [
        (147, V4, "link type not supported"),
        (-1, V4, "link type not supported"),
        (1, MACS + h("0806") + bytes(28), "link payload is not IP"),
        (1, MACS + h("88cc") + bytes(28), "link payload is not IP"),
        (1, MACS + h("0026 424203") + bytes(35), "link payload is not IP"),
        (1, MACS + h("0026 aaaa03 00000c 0800") + V4, "link payload is not IP"),
        (1, MACS + h("8863") + h("1109 0000 0000"), "link payload is not IP"),
        (1, MACS + h("8864 1109 0000 0004 0021") + V4, "PPPoE header is not a session's"),
        (1, MACS + h("8864") + PPPOE + h("c021 0101 0004"), "link payload is not IP"),
        (1, MACS + h("8847") + BOTTOM + bytes(4) + MACS + h("0800") + V4, "MPLS payload is not IP"),
        (1, MACS + h("8847") + LABEL * 3, "MPLS label stack cut short"),
        (1, MACS + h("8847") + BOTTOM, "MPLS label stack cut short"),
        (1, MACS + h("8100 00"), "VLAN tag cut short"),
        (1, MACS + h("8864 1100"), "PPPoE header cut short"),
        (1, MACS + h("8864") + PPPOE, "PPP header cut short"),
        (1, MACS + h("0026 aaaa"), "LLC header cut short"),
        (1, MACS + h("0026 aaaa03 00"), "LLC header cut short"),
        (1, MACS, "link header cut short"),
        (0, h("07000000") + V4, "link payload is not IP"),
        (50, h("0001 0800") + V4, "HDLC address is neither PPP's nor Cisco's"),
        (6, h("1000") + MACS + SNAP4 + V4, "token ring or FDDI frame without LLC"),
        (10, h("4f") + MACS + SNAP4 + V4, "token ring or FDDI frame without LLC"),
        (239, h("02000005 0800 0100 08000300 0300 0200"), "NFLOG attribute malformed"),
        (239, h("02000005 0800 0100 08000300"), "NFLOG record without a payload"),
        (105, h("8000 0000") + bytes(40), "IEEE 802.11 frame without data"),
        (105, h("4800 0000") + bytes(20), "IEEE 802.11 frame without data"),
        (105, h("0840 0000") + bytes(60), "IEEE 802.11 frame is encrypted"),
        (105, h("0804 0000") + bytes(60), "IEEE 802.11 fragment"),
        (105, DATA[:22] + h("0110") + SNAP4 + V4, "IEEE 802.11 fragment"),
        (105, QOS[:24] + h("8000") + bytes(60), "IEEE 802.11 aggregate (A-MSDU)"),
        (105, DATA[:23], "IEEE 802.11 header cut short"),
        (105, QOS[:25], "IEEE 802.11 header cut short"),
        (127, h("01000800 00000000") + DATA + SNAP4 + V4, "radiotap header malformed or cut short"),
        (127, h("00000800 02000000") + DATA + SNAP4 + V4, "radiotap header malformed or cut short"),
        (127, h("00000800 00000080") + DATA + SNAP4 + V4, "radiotap header malformed or cut short"),
        (127, h("0000ff00 00000000") + DATA + SNAP4 + V4, "radiotap header malformed or cut short"),
        (192, h("00000800 c0000000") * 3, "PPI around a link type other than IEEE 802.11"),
        (192, h("00000700 69000000") + DATA, "PPI header malformed or cut short"),
    ],
)
def test_what_cannot_be_parsed_says_why(link_type: int, frame: bytes, expected: str) -> None:
    assert decode(link_type, frame, len(frame)) == NotParsed(expected)
