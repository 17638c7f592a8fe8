"""pcapng files built by hand from draft-ietf-opsawg-pcapng."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from enforcer.wire.capture import CaptureError, Frame, open_capture


class Builder:
    """Blocks of one byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def block(self, kind: int, body: bytes, *, trailer: int | None = None) -> bytes:
        body += bytes(-len(body) % 4)
        total = len(body) + 12
        return (
            struct.pack(self.order + "II", kind, total)
            + body
            + struct.pack(self.order + "I", total if trailer is None else trailer)
        )

    def section(self, major: int = 1) -> bytes:
        return self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, major, 0, -1))

    def interface(self, link_type: int, snap: int = 0, options: list[tuple[int, bytes]] | None = None) -> bytes:
        body = struct.pack(self.order + "HHI", link_type, 0, snap)
        for code, value in options or []:
            body += struct.pack(self.order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
        return self.block(1, body)

    def enhanced(self, index: int, ticks: int, data: bytes, wire: int, *, captured: int | None = None) -> bytes:
        head = struct.pack(
            self.order + "IIIII",
            index,
            ticks >> 32,
            ticks & 0xFFFFFFFF,
            len(data) if captured is None else captured,
            wire,
        )
        padded = data + bytes(-len(data) % 4)
        comment = struct.pack(self.order + "HH4sHH", 1, 3, b"hey\0", 0, 0)
        return self.block(6, head + padded + comment)

    def obsolete(self, index: int, ticks: int, data: bytes, wire: int) -> bytes:
        head = struct.pack(self.order + "HHIIII", index, 9, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
        return self.block(2, head + data)

    def simple(self, wire: int, data: bytes) -> bytes:
        return self.block(3, struct.pack(self.order + "I", wire) + data)


LITTLE, BIG = Builder("<"), Builder(">")


def read(folder: Path, content: bytes) -> list[Frame]:
    path = folder / "some.pcapng"
    path.write_bytes(content)
    with open_capture(path) as capture:
        return list(capture)


def error_of(folder: Path, content: bytes) -> tuple[list[Frame], str]:
    path = folder / "bad.pcapng"
    path.write_bytes(content)
    frames: list[Frame] = []
    with pytest.raises(CaptureError) as caught, open_capture(path) as capture:
        frames.extend(capture)
    assert str(caught.value).startswith(f"{path}: ")
    return frames, str(caught.value)[len(f"{path}: ") :]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("build", [LITTLE, BIG], ids=["little", "big"])
def test_all_packet_blocks(tmp_path: Path, build: Builder, compressed: bool) -> None:
    content = (
        build.section()
        + build.interface(1)
        + build.block(5, bytes(20))
        + build.enhanced(0, 1_700_000_000_250_000, b"hello", 99)
        + build.block(0x0BAD, bytes(32))
        + build.obsolete(0, 1_500_000, b"old", 3)
        + build.simple(6, b"simple")
    )
    assert read(tmp_path, gzip.compress(content) if compressed else content) == [
        Frame(1, 1700000000.25, 1, b"hello", 99),
        Frame(2, 1.5, 1, b"old", 3),
        Frame(3, 0.0, 1, b"simple", 6),
    ]


def test_sections_bring_their_own_byte_order_and_interfaces(tmp_path: Path) -> None:
    content = (
        LITTLE.section()
        + LITTLE.interface(1)
        + LITTLE.interface(113)
        + LITTLE.enhanced(1, 1_000_000, b"a", 1)
        + BIG.section()
        + BIG.interface(276)
        + BIG.enhanced(0, 2_000_000, b"b", 1)
        + LITTLE.section()
        + LITTLE.interface(101)
        + LITTLE.enhanced(0, 3_000_000, b"c", 1)
    )
    assert [(f.number, f.time, f.link_type, f.data) for f in read(tmp_path, content)] == [
        (1, 1.0, 113, b"a"),
        (2, 2.0, 276, b"b"),
        (3, 3.0, 101, b"c"),
    ]


@pytest.mark.parametrize(
    ("options", "ticks", "expected"),
    [
        ([], 1_234_567, 1.234567),
        ([(9, b"\x09")], 7_123_456_789, 7.123456789),
        ([(9, b"\x00")], 1_700_000_000, 1_700_000_000.0),
        ([(9, b"\x8a")], 1536, 1.5),
        ([(2, b"eth0"), (14, struct.pack("<q", -100)), (9, b"\x03")], 250_500, 150.5),
        ([(0, b""), (9, b"\x09")], 1_000_000, 1.0),
    ],
)
def test_clocks(tmp_path: Path, options: list[tuple[int, bytes]], ticks: int, expected: float) -> None:
    content = LITTLE.section() + LITTLE.interface(1, 0, options) + LITTLE.enhanced(0, ticks, b"", 0)
    [frame] = read(tmp_path, content)
    assert frame.time == pytest.approx(expected, abs=1e-9)


def test_simple_packets_end_where_the_interface_snapped_them(tmp_path: Path) -> None:
    content = LITTLE.section() + LITTLE.interface(1, 5) + LITTLE.simple(100, b"snapp")
    [frame] = read(tmp_path, content)
    assert (frame.data, frame.wire_length) == (b"snapp", 100)


def test_captured_bytes_were_on_the_wire(tmp_path: Path) -> None:
    content = LITTLE.section() + LITTLE.interface(1) + LITTLE.enhanced(0, 0, b"four", 0)
    [frame] = read(tmp_path, content)
    assert (frame.data, frame.wire_length) == (b"four", 4)


def test_padding_left_out_of_the_length(tmp_path: Path) -> None:
    body = struct.pack("<HHIIII", 0, 0, 0, 1_000_000, 5, 5) + b"hello\0\0\0"
    unpadded = struct.pack("<II", 2, 37) + body + struct.pack("<I", 37)
    content = LITTLE.section() + LITTLE.interface(1) + unpadded + LITTLE.enhanced(0, 0, b"next", 4)
    assert [frame.data for frame in read(tmp_path, content)] == [b"hello", b"next"]


def test_blocks_larger_than_a_chunk(tmp_path: Path) -> None:
    big = bytes(range(256)) * 4096
    content = (
        LITTLE.section()
        + LITTLE.interface(1)
        + LITTLE.block(0x0BAD, bytes(3_000_000))
        + LITTLE.enhanced(0, 0, big, len(big))
        + LITTLE.enhanced(0, 0, b"last", 4)
    )
    assert [frame.data for frame in read(tmp_path, content)] == [big, b"last"]


HEAD = LITTLE.section() + LITTLE.interface(1)
GOOD = LITTLE.enhanced(0, 0, b"good", 4)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (GOOD[:-1], "block at byte 96 after frame 1: the file ends after 47 bytes of it, expected 48: "),
        (GOOD[:11], "block at byte 96 after frame 1: the file ends after 11 bytes of it, expected 12: "),
        (LITTLE.enhanced(3, 0, b"", 0), "block at byte 96 after frame 1: interface 3, expected one of the 1 "),
        (
            LITTLE.enhanced(0, 0, b"four", 4, captured=17),
            "block at byte 96 after frame 1: captured length 17, expected at most 16 in a block of 48: ",
        ),
        (
            LITTLE.block(5, b"", trailer=16),
            "block at byte 96 after frame 1: length 12 at its start, 16 at its end: ",
        ),
        (struct.pack("<III", 5, 8, 8), "block at byte 96 after frame 1: length 8, expected 12 to 16777216: "),
        (struct.pack("<III", 6, 28, 8), "block at byte 96 after frame 1: length 28, expected 32 to 16777216: "),
        (
            struct.pack("<III", 5, 16777220, 8),
            "block at byte 96 after frame 1: length 16777220, expected 12 to 16777216: ",
        ),
        (
            b"\x0a\x0d\x0d\x0a" + bytes(24),
            "block at byte 96 after frame 1: byte-order magic 00000000, expected 1a2b3c4d or 4d3c2b1a: ",
        ),
        (LITTLE.section(2), "section header at byte 96: pcapng version 2, expected 1: "),
        (LITTLE.section() + GOOD, "block at byte 124 after frame 1: interface 0, expected one of the 0 "),
        (
            LITTLE.section() + LITTLE.simple(1, b"x"),
            "block at byte 124 after frame 1: interface 0, expected one of the 0 ",
        ),
    ],
)  # fmt: skip
def test_damage_is_told_after_the_frames_before_it(tmp_path: Path, tail: bytes, expected: str) -> None:
    assert len(HEAD + GOOD) == 96
    frames, text = error_of(tmp_path, HEAD + GOOD + tail)
    assert [frame.data for frame in frames] == [b"good"]
    assert text.startswith(expected)
    assert "copy it again" in text or "editcap" in text
