"""A large capture of mixed traffic: the project's recordings among innocent packets by the million.

The innocent packets are a pool made once and repeated, each time from other addresses. The recordings come again
and again between them, at their own times, each copy under a pair of addresses of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from random import Random

import numpy as np

from enforcer.wire.capture import open_capture
from enforcer.wire.link import decode
from enforcer.wire.packet import Packet
from tests.corpus.recorded import FOLDER, recordings

POOL = 400_000
COPIES = 20
"""Of each recording."""
_CLIENT_OCTET = 2
"""Of the client's address, changed with each repetition of the pool."""


@dataclass(frozen=True)
class Mixture:
    """A capture, how many packets it has, and whose tunnels are in it: each client's address and family."""

    path: Path
    packets: int
    tunnels: dict[str, str]


def make(path: Path, packets: int) -> Mixture:
    """Write the capture: ``packets`` innocent ones in round numbers, and the recordings."""
    random = Random(6)
    recorded, tunnels = _recorded()
    pool = _Pool(random)
    rounds = max(1, packets // POOL)
    begin, end = recorded[0][0], recorded[-1][0]
    written = 0
    at = 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number in range(rounds):
            until = begin + (end - begin) * (number + 1) / rounds
            pool.repeat(file, number, until - (end - begin) / rounds, until)
            written += POOL
            while at < len(recorded) and (recorded[at][0] <= until or number == rounds - 1):
                time, data = recorded[at]
                file.write(struct.pack("<IIII", int(time), int(time % 1 * 1e6), len(data), len(data)) + data)
                at += 1
                written += 1
    return Mixture(path, written, tunnels)


def _recorded() -> tuple[list[tuple[float, bytes]], dict[str, str]]:
    """The copies' frames by time, and the tunnels among them by their client's address."""
    frames: list[tuple[float, bytes]] = []
    tunnels: dict[str, str] = {}
    for number, row in enumerate(recordings()):
        with open_capture(FOLDER / row.file) as capture:
            originals = [(frame, decode(frame.link_type, frame.data, frame.wire_length)) for frame in capture]
        ends = dict.fromkeys(
            address
            for _, packet in originals
            if isinstance(packet, Packet)
            for address in (packet.source, packet.destination)
        )
        for copy in range(COPIES):
            # 198.18.0.0/15 and 2001:2::/48 are for benchmarks (RFC 2544, RFC 5180).
            new = {
                old: (b"\xc6\x12" if len(old) == 4 else b"\x20\x01\0\2" + bytes(10)) + _pair(number, copy, index)
                for index, old in enumerate(ends)
            }
            if row.detected:
                for address in new.values():
                    tunnels[str(ip_address(address))] = row.family
            for frame, _ in originals:
                data = frame.data
                for old, address in new.items():
                    data = data[:54].replace(old, address) + data[54:]
                frames.append((frame.time, data))
    return sorted(frames, key=lambda frame: frame[0]), tunnels


def _pair(number: int, copy: int, index: int) -> bytes:
    """The last two octets of an address: which copy of which recording, and in its last three bits which end."""
    value = (number * COPIES + copy) * 8 + index
    return value.to_bytes(2, "big")


class _Pool:
    """Innocent frames in one buffer, with the places of their times and of their clients' addresses."""

    def __init__(self, random: Random) -> None:
        noise = random.randbytes(1 << 20)
        flows = [_flow(random) for _ in range(POOL // 20)]
        records: list[bytes] = []
        times: list[int] = []
        octets: list[int] = []
        at = 0
        for _ in range(POOL):
            flow = (
                flows[int(random.paretovariate(0.4)) % len(flows)]
                if random.random() < 0.6
                else random.choice(flows)
            )
            data, client = _frame(random, flow, noise)
            times.append(at)
            octets.append(at + 16 + client + _CLIENT_OCTET)
            records.append(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)
            at += len(records[-1])
        self._buffer = np.frombuffer(bytearray(b"".join(records)), np.uint8)
        self._times = np.array(times)
        self._octets = np.array(octets)

    def repeat(self, file: object, number: int, begin: float, end: float) -> None:
        """Write all frames, their times spread evenly, their clients at the ``number``-th addresses."""
        self._buffer[self._octets] = number
        clock = np.linspace(begin, end, POOL, endpoint=False)
        words = np.empty((POOL, 2), "<u4")
        words[:, 0] = clock.astype(np.int64)
        words[:, 1] = (clock % 1 * 1e6).astype(np.int64)
        octets = words.view(np.uint8).reshape(POOL, 8)
        for column in range(8):
            self._buffer[self._times + column] = octets[:, column]
        file.write(self._buffer.data)  # type: ignore[attr-defined]


@dataclass
class _Flow:
    """``sent`` and ``answered`` are TCP's next sequence numbers: whoever dissects streams follows them."""

    kind: str
    client: bytes
    server: bytes
    ports: tuple[int, int]
    sent: int = 1
    answered: int = 1


def _flow(random: Random) -> _Flow:
    kind, port = random.choices(
        [("tls", 443), ("http", 80), ("quic", 443), ("dns", 53), ("rtp", random.randrange(10_000, 60_000))],
        [40, 8, 30, 14, 8],
    )[0]
    if random.random() < 0.3:
        client, server = b"\x20\x01\x00\x02" + random.randbytes(12), b"\x20\x01\x0d\xb8" + random.randbytes(12)
    else:
        client, server = b"\x0a" + random.randbytes(3), b"\xcb" + random.randbytes(3)
    return _Flow(kind, client, server, (random.randrange(1024, 65536), port))


def _frame(random: Random, flow: _Flow, noise: bytes) -> tuple[bytes, int]:
    """An Ethernet frame of the flow, and where its client's address stands."""

    def some(count: int) -> bytes:
        start = random.randrange(len(noise) - count)
        return noise[start : start + count]

    up = random.random() < 0.4
    source, destination, ports = flow.client, flow.server, flow.ports
    if not up:
        source, destination, ports = destination, source, ports[::-1]
    if flow.kind in ("tls", "http"):
        size = 0 if up and random.random() < 0.8 else random.choice([80, 500, 1440, 1440, 1440])
        payload = some(size)
        if size and flow.kind == "tls" and random.random() < 0.3:
            payload = b"\x17\x03\x03" + struct.pack(">H", size) + payload[5:]
        elif size and flow.kind == "http" and random.random() < 0.2:
            payload = b"GET / HTTP/1.1\r\n\r\n" if up else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        numbers = (flow.sent, flow.answered) if up else (flow.answered, flow.sent)
        flow.sent += len(payload) * up
        flow.answered += len(payload) * (not up)
        segment = struct.pack(">HHIIBBHHH4s8x", *ports, *numbers, 0x80, 0x10, 500, 0, 0, b"\1\1\x08\x0a") + payload
        protocol = 6
    else:
        if flow.kind == "quic":
            payload = bytes([0x40 | random.randrange(64)]) + some(
                35 if up else random.choice([35, 300, 1250, 1250])
            )
        elif flow.kind == "dns":
            head = b"\x01\0\0\1\0\0\0\0\0\0" if up else b"\x81\x80\0\1\0\1\0\0\0\0"
            payload = (
                some(2) + head + b"\x07example\x03org\0\0\1\0\1" + (b"" if up else b"\xc0\x0c\0\1\0\1" + some(10))
            )
        else:
            payload = b"\x80\0" + some(170)
        segment = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
        protocol = 17
    if len(source) == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 60, protocol, 0)
        return b"\x02" * 12 + b"\x08\0" + header + source + destination + segment, 26 if up else 30
    header = struct.pack(">IHBB", 6 << 28, len(segment), protocol, 60)
    return b"\x02" * 12 + b"\x86\xdd" + header + source + destination + segment, 22 if up else 38
