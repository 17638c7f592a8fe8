"""Frames for seeds, built from the standards alone: nothing here imports the program."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator


def transport(protocol: int, source: int, destination: int, payload: bytes) -> bytes:
    """UDP, TCP, or the payload as it is."""
    if protocol == 17:
        return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload
    if protocol == 6:
        return struct.pack(">HHIIBBHHH", source, destination, 1, 1, 0x50, 0x18, 512, 0, 0) + payload
    return payload


def ip_packet(version: int, protocol: int, source: int, destination: int, payload: bytes) -> bytes:
    """An IPv4 or IPv6 packet between documentation addresses."""
    body = transport(protocol, source, destination, payload)
    if version == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0x4000, 64, protocol, 0)
        return head + bytes((192, 0, 2, 1, 198, 51, 100, 7)) + body
    ends = bytes.fromhex("20010db8000000000000000000000001 20010db8000000010000000000000002")
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + ends + body


def fragments(version: int, protocol: int, body: bytes, size: int, identification: int = 9) -> list[bytes]:
    """An IP packet in fragments of ``size`` bytes, a multiple of 8."""
    found = []
    for at in range(0, len(body), size):
        piece, more = body[at : at + size], at + size < len(body)
        if version == 4:
            head = struct.pack(
                ">BBHHHBBH", 0x45, 0, 20 + len(piece), identification, more << 13 | at >> 3, 64, protocol, 0
            )
            found.append(head + bytes((192, 0, 2, 1, 198, 51, 100, 7)) + piece)
        else:
            extension = struct.pack(">BBHI", protocol, 0, at | more, identification)
            found.append(ip_packet(6, 44, 0, 0, extension + piece))
    return found


def links(packet: bytes, version: int) -> Iterator[tuple[str, int, bytes]]:
    """The packet behind every link layer that is read: name, LINKTYPE, frame."""
    kind, ppp = (b"\x08\x00", b"\x00\x21") if version == 4 else (b"\x86\xdd", b"\x00\x57")
    mac = bytes(range(12))
    snap = b"\xaa\xaa\x03\x00\x00\x00" + kind
    wifi = b"\x08\x00\x00\x00" + bytes(20)
    family = 2 if version == 4 else 10
    yield "null", 0, struct.pack("<I", family) + packet
    yield "loop", 108, struct.pack(">I", family) + packet
    yield "ethernet", 1, mac + kind + packet
    yield "vlan", 1, mac + b"\x81\x00\x00\x05" + kind + packet
    yield "qinq", 1, mac + b"\x88\xa8\x00\x05\x81\x00\x00\x06" + kind + packet
    yield "mpls", 1, mac + b"\x88\x47\x00\x01\x01\x40" + packet
    yield "llc", 1, mac + struct.pack(">H", len(snap + packet) & 0x5FF) + snap + packet
    yield "pppoe", 1, mac + b"\x88\x64\x11\x00\x00\x01" + struct.pack(">H", 2 + len(packet)) + ppp + packet
    yield "pppoe alone", 51, b"\x11\x00\x00\x01" + struct.pack(">H", 2 + len(packet)) + ppp + packet
    yield "token ring", 6, b"\x10\x40" + mac + snap + packet
    yield "fddi", 10, b"\x50" + mac + snap + packet
    yield "ppp", 9, b"\xff\x03" + ppp + packet
    yield "ppp compressed", 9, ppp[1:] + packet
    yield "hdlc", 50, b"\xff\x03" + ppp + packet
    yield "cisco", 104, b"\x0f\x00" + kind + packet
    yield "wifi", 105, wifi + snap + packet
    yield "radiotap", 127, b"\x00\x00\x09\x00\x02\x00\x00\x00\x00" + wifi + snap + packet
    yield "ppi", 192, struct.pack("<BBHI", 0, 0, 8, 105) + wifi + snap + packet
    yield "raw", 101, packet
    yield "raw 4" if version == 4 else "raw 6", 228 if version == 4 else 229, packet
    yield "cooked", 113, bytes(14) + kind + packet
    yield "cooked 2", 276, kind + bytes(18) + packet
    yield "nflog", 239, struct.pack(">BBH", 2, 0, 0) + struct.pack("<HH", 4 + len(packet), 9) + packet


def pcap(frames: list[bytes], link_type: int = 1, order: str = "<") -> bytes:
    """A pcap file."""
    found = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    for number, frame in enumerate(frames):
        found += struct.pack(order + "IIII", 1_760_000_000 + number, 0, len(frame), len(frame)) + frame
    return found


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(frames: list[bytes], link_type: int = 1, order: str = "<") -> bytes:
    """A pcapng file with Enhanced, Simple and obsolete Packet Blocks."""
    found = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    options = struct.pack(order + "HHB3xHH", 9, 1, 6, 0, 0)
    found += block(1, struct.pack(order + "HHI", link_type, 0, 65535) + options, order)
    for number, frame in enumerate(frames):
        size = len(frame)
        if number % 3 == 2:
            found += block(3, struct.pack(order + "I", size) + frame, order)
        elif number % 3 == 1:
            found += block(2, struct.pack(order + "HHIIII", 0, 0, 0, number, size, size) + frame, order)
        else:
            found += block(6, struct.pack(order + "IIIII", 0, 0, number, size, size) + frame, order)
    return found


def zipped(data: bytes) -> bytes:
    """The same in gzip, always the same bytes."""
    return gzip.compress(data, 6, mtime=0)
