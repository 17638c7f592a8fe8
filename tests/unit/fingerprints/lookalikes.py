"""Lookalikes of every message with a shape: one field wrong, one length wrong, one value impossible."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from enforcer.fingerprints import openvpn
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.shape import Shape
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.builders import NOW, filler, udp
from tests.unit.fingerprints.samples import Sample

SHAPES = all_shapes()
_OFF = (121, 122, 200, 3600, 86400, 2**30)


class Lookalike(NamedTuple):
    """What is wrong with it, and the payload."""

    wrong: str
    payload: bytes


def packet_of(sample: Sample, payload: bytes | None = None) -> Packet:
    packet = udp(sample.payload if payload is None else payload, destination=("198.51.100.7", sample.port))
    return packet._replace(protocol=sample.protocol)


def shapes_of(sample: Sample) -> list[Shape]:
    packet = packet_of(sample)
    return [shape for shape in SHAPES if shape.matches(packet)]


def lookalikes(sample: Sample, answer: bool = False) -> Iterator[Lookalike]:
    """All of one message. Of an ``answer`` that repeats what the other side sent, that is what counts: its clock
    and its own session id are left as they are."""
    yield from _bits(sample)
    yield from _lengths(sample)
    if sample.name.startswith("wireguard"):
        yield from _wireguard(sample.payload, answer)
    elif sample.name.startswith("openvpn"):
        yield from _openvpn(sample, answer)
    elif sample.payload != b"IKETCP":
        yield from _ike(sample)


def _bits(sample: Sample) -> Iterator[Lookalike]:
    """Each bit that any of its shapes fixes."""
    fixed: set[tuple[int, int]] = set()
    for shape in shapes_of(sample):
        for octets in shape.octets:
            mask = octets.mask or b"\xff" * len(octets.value)
            for at, byte in enumerate(mask, octets.offset):
                fixed.update((at, bit) for bit in range(8) if byte >> bit & 1)
    for at, bit in sorted(fixed):
        yield Lookalike(f"bit {bit} of byte {at}", _flipped(sample.payload, at, bit))


def _lengths(sample: Sample) -> Iterator[Lookalike]:
    payload = sample.payload
    if sample.protocol is Protocol.UDP:
        for more in (b"\0", b"\xff", bytes(4), filler(16)):
            yield Lookalike(f"{len(more)} bytes longer", payload + more)
        for less in (1, 4, 16):
            if less < len(payload):
                yield Lookalike(f"{less} bytes shorter", payload[:-less])
    elif payload != b"IKETCP":
        at = 6 if payload[:6] == b"IKETCP" else 0
        for bit in range(8):
            yield Lookalike(f"bit {bit} of the prefix", _flipped(payload, at + 1, bit))
            yield Lookalike(f"bit {8 + bit} of the prefix", _flipped(payload, at, bit))


def _wireguard(payload: bytes, answer: bool) -> Iterator[Lookalike]:
    if payload[0] == 1:
        yield Lookalike("ephemeral key zero", payload[:8] + bytes(32) + payload[40:])
    # On a flow that was proven, an initiation may hold a cookie.
    if payload[0] == 1 and not answer:
        for at in range(132, 148):
            for bit in range(8):
                yield Lookalike(f"mac2 bit {bit} of byte {at}", _flipped(payload, at, bit))
        for at in range(40, 120):
            yield Lookalike("nine zeros among ciphertexts", payload[:at] + bytes(9) + payload[at + 9 :])
    elif payload[0] == 2:
        yield Lookalike("ephemeral key zero", payload[:12] + bytes(32) + payload[44:])
    at = {1: 0, 2: 8, 3: 4}[payload[0]]
    if at:
        for byte in range(at, at + 4):
            for bit in range(8):
                yield Lookalike("another receiver index", _flipped(payload, byte, bit))


def _openvpn(sample: Sample, answer: bool) -> Iterator[Lookalike]:
    at = 2 if sample.protocol is Protocol.TCP else 0
    payload = sample.payload
    size = int.from_bytes(payload[:2], "big") if at else len(payload)
    yield Lookalike("session id zero", _put(payload, at + 1, bytes(8)))
    layouts = [
        layout
        for layout in openvpn.LAYOUTS
        if layout.opcode == payload[at] and layout.lengths[0] <= size <= layout.lengths[1]
        and all(payload.startswith(value, at + offset) for offset, value in layout.fixed)
    ]  # fmt: skip
    repeats = any(layout.remote is not None for layout in layouts)
    if not (answer and repeats):
        yield Lookalike("session id of digits", _put(payload, at + 1, b"12345678"))
        yield Lookalike("session id of small integers", _put(payload, at + 1, struct.pack(">II", 7, 9)))
    # Two forms are 54 bytes long: the other one's packet id would stand among the random bytes of this one.
    clocks = [
        layout.packet_id
        for layout in layouts
        if layout.packet_id is not None and not any(payload[at + layout.packet_id + 1 :][:2])
    ]
    for pid in clocks:
        for low in (b"\0", b"\0\1"):
            yield Lookalike("packet id no small number", _put(payload, at + pid + 4 - len(low), low[::-1]))
        if len(clocks) == 1 and not (answer and repeats):
            for seconds in (*_OFF, *(-each for each in _OFF)):
                time = struct.pack(">I", int(NOW + seconds) & 0xFFFFFFFF)
                yield Lookalike("net_time far", _put(payload, at + pid + 4, time))
            for time in (bytes(4), b"\xff" * 4, struct.pack("<I", int(NOW))):
                yield Lookalike("net_time impossible", _put(payload, at + pid + 4, time))
    if payload[at] == openvpn.CLIENT_RESET_V3:
        for bit in range(8):
            for byte in (size - 2, size - 1):
                yield Lookalike("length of the wrapped key", _flipped(payload, at + byte, bit))
    for layout in layouts:
        if layout.remote is not None:
            for byte in range(8):
                for bit in range(8):
                    yield Lookalike("another's session id", _flipped(payload, at + layout.remote + byte, bit))


def _ike(sample: Sample) -> Iterator[Lookalike]:
    payload = sample.payload
    at = 0
    if sample.protocol is Protocol.TCP:
        at = 6 + (6 if payload[:6] == b"IKETCP" else 0)
    elif payload[:4] == bytes(4):
        at = 4
    yield Lookalike("initiator SPI zero", _put(payload, at, bytes(8)))
    for field, name in ((16, "next payload"), (17, "version"), (18, "exchange"), (19, "flags")):
        for value in range(256):
            if value != payload[at + field]:
                yield Lookalike(name, _put(payload, at + field, bytes((value,))))
    for number in (1, 2, 0x100, 0xFFFFFFFF):
        yield Lookalike("message id", _put(payload, at + 20, struct.pack(">I", number)))
    yield Lookalike("message id", _put(payload, at + 20, bytes(4)))
    for responder in (b"\0\0\0\0\0\0\0\1", b"\1\0\0\0\0\0\0\0", bytes(8)):
        yield Lookalike("responder SPI", _put(payload, at + 8, responder))
    for byte in range(24, 28):
        for bit in range(8):
            yield Lookalike("length field", _flipped(payload, at + byte, bit))
    for byte in (29, 30, 31):
        for bit in range(8):
            yield Lookalike("first payload's header", _flipped(payload, at + byte, bit))
    for value in range(256):
        yield Lookalike("what follows the first payload", _put(payload, at + 28, bytes((value,))))


def _flipped(payload: bytes, at: int, bit: int) -> bytes:
    return _put(payload, at, bytes((payload[at] ^ 1 << bit,)))


def _put(payload: bytes, at: int, value: bytes) -> bytes:
    return payload[:at] + value + payload[at + len(value) :]
