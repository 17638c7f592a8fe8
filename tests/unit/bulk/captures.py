"""Captures made at random: a few flows that speak the three families and other things, in every wrapping.

Everything is drawn from the generator given, so a seed names a capture.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from random import Random

from enforcer.wire.packet import Protocol
from tests.unit.fingerprints.builders import MARKER, NOW, framed, ike_encrypted, ovpn_plain, wg_data
from tests.unit.fingerprints.samples import Sample, samples

SAMPLES = samples()
ADDRESSES = {4: [bytes([10, 0, 0, n]) for n in (1, 2, 3)], 6: [bytes(15) + bytes([n]) for n in (1, 2, 3)]}
PORTS = (500, 4500, 1194, 51820, 443, 12345, 40000)


def ethertype(version: int) -> bytes:
    return b"\x08\x00" if version == 4 else b"\x86\xdd"


def ethernet(random: Random, version: int, packet: bytes) -> bytes:
    tags = b"".join(
        random.choice([b"\x81\x00", b"\x88\xa8", b"\x91\x00"]) + random.randbytes(2)
        for _ in range(random.choice([0, 0, 0, 1, 1, 2, 3, 5]))
    )
    kind = random.choice(["ip", "ip", "ip", "ip", "pppoe", "ppp-short", "mpls", "arp", "llc"])
    if kind == "pppoe":
        head = b"\x11" + random.choice([b"\0", b"\0", b"\x09"])
        protocol = b"\x00\x21" if version == 4 else b"\x00\x57"
        return bytes(12) + tags + b"\x88\x64" + head + bytes(4) + protocol + packet
    if kind == "ppp-short":
        return bytes(12) + tags + b"\x88\x64\x11\0" + bytes(4) + (b"\x21" if version == 4 else b"\x57") + packet
    if kind == "mpls":
        return bytes(12) + tags + b"\x88\x47\x00\x01\x01\x40" + packet
    if kind == "arp":
        return bytes(12) + tags + b"\x08\x06" + packet
    if kind == "llc":
        return bytes(12) + tags + b"\x01\x00\xaa\xaa\x03\0\0\0" + ethertype(version) + packet
    return bytes(12) + tags + ethertype(version) + packet


LINKS = (1, 1, 0, 108, 9, 51, 12, 101, 229, 113, 276, 147)
"""Link types, one of them unknown."""


def frame(random: Random, link_type: int, version: int, packet: bytes) -> bytes:
    """The packet behind a header of that link type."""
    ppp = b"\x00\x21" if version == 4 else b"\x00\x57"
    tag = random.choice([b"", b"", b"\x81\x00\0\1"])
    if link_type == 1:
        return ethernet(random, version, packet)
    heads = {
        0: struct.pack(random.choice("<>") + "I", 2 if version == 4 else random.choice([10, 24, 28, 30])),
        108: struct.pack(">I", random.choice([2, 24, 77])),
        9: b"\xff\x03" + ppp,
        51: b"\x11\0" + bytes(4) + ppp,
        113: bytes(14) + tag + ethertype(version),
        276: ethertype(version) + bytes(18),
    }
    return heads.get(link_type, b"") + packet


def transport(random: Random, sample: Sample) -> tuple[int, bytes]:
    """The IP protocol and the bytes of a transport, usually right."""
    ports = random.choice(PORTS), random.choice([sample.port, sample.port, random.choice(PORTS)])
    if random.random() < 0.5:
        ports = ports[::-1]
    payload = sample.payload
    if sample.protocol is Protocol.TCP:
        options = bytes(4 * random.choice([0, 0, 3, 10]))
        offset = (20 + len(options)) // 4 if random.random() < 0.95 else random.randrange(16)
        head = struct.pack(">HHIIBBHHH", *ports, 1, 1, offset << 4, 0x18, 1, 0, 0)
        return 6, head + options + payload
    length = 8 + len(payload) if random.random() < 0.95 else random.choice([0, 4, 9, 60000])
    return 17, struct.pack(">HHHH", *ports, length, 0) + payload


def sample_of(random: Random) -> Sample:
    sample = random.choice(SAMPLES)
    kind = random.random()
    if kind < 0.35:
        payload = random.choice(
            [
                b"", b"\xff", wg_data(), random.randbytes(random.randrange(1, 200)), ovpn_plain(6, bytes(40)),
                MARKER + ike_encrypted(37, 0x08, 5), ike_encrypted(37, 0x20, 6), b"\0\1\2\3" + bytes(30),
                framed(ovpn_plain(4, b"control")), bytes(random.randrange(1200)),
            ]
        )  # fmt: skip
        return sample._replace(payload=payload)
    if kind < 0.5:
        changed = bytearray(sample.payload)
        changed[random.randrange(len(changed))] = random.randrange(256)
        return sample._replace(payload=bytes(changed))
    if kind < 0.55:
        return sample._replace(payload=sample.payload + random.randbytes(random.randrange(4)))
    return sample


def packets(random: Random) -> list[tuple[int, bytes]]:
    """One IP packet with its version, or the fragments of one."""
    version = random.choice([4, 4, 6])
    source, destination = random.sample(ADDRESSES[version], 2)
    if random.random() < 0.03:
        destination = b"\xe0" + destination[1:] if version == 4 else b"\xff" + destination[1:]
    protocol, body = transport(random, sample_of(random))
    kind = random.random()
    if kind < 0.05:
        protocol, body = 50, random.choice([b"\0\0\1\2", bytes(4)]) + random.randbytes(random.choice([2, 20]))
    elif kind < 0.1:
        protocol, body = 51, b"\6\4" + bytes(2) + b"\0\0\1\2" + random.randbytes(30)
    elif kind < 0.13:
        protocol = random.choice([1, 47, 58, 59, 132])
    if random.random() < 0.1 and len(body) > 24:
        cut = 8 * random.randrange(1, len(body) // 8)
        pieces = [(0, True, body[:cut]), (cut, False, body[cut:])]
        random.shuffle(pieces)
        identification = random.randrange(5)
        return [
            (version, ip(random, version, source, destination, protocol, part, (offset, more, identification)))
            for offset, more, part in pieces
        ]
    return [(version, ip(random, version, source, destination, protocol, body, None))]


def ip(
    random: Random,
    version: int,
    source: bytes,
    destination: bytes,
    protocol: int,
    body: bytes,
    fragment: tuple[int, bool, int] | None,
) -> bytes:
    if version == 4:
        options = bytes(4 * random.choice([0, 0, 0, 0, 1, 10]))
        total = 20 + len(options) + len(body)
        if random.random() < 0.04:
            total = random.choice([0, 10, total - 1, total + 5])
        words = 5 + len(options) // 4 if random.random() < 0.97 else random.randrange(16)
        flags, identification = 0x4000, 0
        if fragment is not None:
            flags, identification = fragment[0] // 8 | (0x2000 if fragment[1] else 0), fragment[2]
        head = struct.pack(">BBHHHBBH", 0x40 | words, 0, total & 0xFFFF, identification, flags, 64, protocol, 0)
        return head + source + destination + options + body
    if fragment is not None:
        body = struct.pack(">BBHI", protocol, 0, fragment[0] | fragment[1], fragment[2]) + body
        protocol = 44
    for _ in range(random.choice([0, 0, 0, 0, 1, 2])):
        body = bytes([protocol, 0]) + bytes(6) + body
        protocol = random.choice([0, 43, 60, 135])
    length = len(body) if random.random() < 0.96 else random.choice([0, 3, len(body) + 9])
    return (
        struct.pack(">IHBB", random.choice([6, 6, 6, 6, 6, 5]) << 28, length, protocol, 64)
        + source
        + destination
        + body
    )


@dataclass
class Record:
    link: int
    time: int
    data: bytes
    wire: int


def records(random: Random, links: list[int], count: int) -> list[Record]:
    """Frames in order; times in microseconds, which may step back, and jump far enough to forget a flow."""
    made: list[Record] = []
    clock = int(NOW * 1e6)
    while len(made) < count:
        clock += random.choice(
            [1000, 50_000, 50_000, 30_000_000, -2_000_000, 95_000_000, 650_000_000 * (count > 30)]
        )
        for version, packet in packets(random):
            link = random.randrange(len(links))
            data = frame(random, links[link], version, packet)
            if random.random() < 0.1:
                data += bytes(random.randrange(20))
            wire = len(data)
            if random.random() < 0.08:
                data = data[: random.randrange(len(data) + 1)]
            made.append(Record(link, clock, data, wire))
    return made


def pcap(random: Random) -> bytes:
    order = random.choice("<>")
    magic = random.choice([0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
    link = random.choice(LINKS)
    scale = 1000 if magic == 0xA1B23C4D else 1
    extra = bytes(8) if magic == 0xA1B2CD34 else b""
    content = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    for one in records(random, [link], random.choice([5, 60, 200])):
        seconds, fraction = divmod(one.time, 1_000_000)
        content += (
            struct.pack(order + "IIII", seconds, fraction * scale, len(one.data), one.wire) + extra + one.data
        )
    return content


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def pcapng(random: Random) -> bytes:
    content = b""
    for _ in range(random.choice([1, 1, 2])):
        order = random.choice("<>")
        content += block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        links = random.choices(LINKS, k=random.choice([1, 2, 3]))
        nanoseconds = [random.random() < 0.3 for _ in links]
        for link, fine in zip(links, nanoseconds, strict=True):
            options = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0) if fine else b""
            content += block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)
        for one in records(random, links, random.choice([5, 60, 150])):
            clock = one.time * (1000 if nanoseconds[one.link] else 1)
            times = clock >> 32, clock & 0xFFFFFFFF
            kind = random.random()
            if kind < 0.04:
                content += block(order, 3, struct.pack(order + "I", len(one.data)) + one.data)
            elif kind < 0.08:
                head = struct.pack(order + "HHIIII", one.link, 0, *times, len(one.data), one.wire)
                content += block(order, 2, head + one.data)
            else:
                head = struct.pack(order + "IIIII", one.link, *times, len(one.data), one.wire)
                content += block(order, 6, head + one.data)
            if random.random() < 0.03:
                content += block(order, random.choice([4, 5, 10, 77]), random.randbytes(random.randrange(40)))
    return content


def capture(random: Random) -> bytes:
    """A whole file, now and then compressed or cut short."""
    content = random.choice([pcap, pcapng])(random)
    if random.random() < 0.15:
        content = content[: random.randrange(30, len(content))]
    return gzip.compress(content, 1) if random.random() < 0.2 else content
