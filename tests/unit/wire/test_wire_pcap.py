"""pcap files of every flavour, built by hand from pcap-savefile(5), and files that are not captures at all."""

from __future__ import annotations

import gzip
import os
import struct
import threading
from pathlib import Path

import pytest

from enforcer.wire.capture import CaptureError, Frame, open_capture

FRAMES = [(1700000000, 250000, b"first", 5), (1700000001, 999999, b"second, snapped", 1500), (0, 0, b"", 0)]


def header(order: str, *, magic: int = 0xA1B2C3D4, link: int = 1, snap: int = 262144) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)


def pcap(order: str = "<", *, magic: int = 0xA1B2C3D4, link: int = 1, snap: int = 262144) -> bytes:
    scale = 1000 if magic == 0xA1B23C4D else 1
    extra = struct.pack(order + "IHBx", 2, 0x0800, 0) if magic == 0xA1B2CD34 else b""
    records = b"".join(
        struct.pack(order + "IIII", seconds, fraction * scale, len(data), wire) + extra + data
        for seconds, fraction, data, wire in FRAMES
    )
    return header(order, magic=magic, link=link, snap=snap) + records


EXPECTED = [
    Frame(number, seconds + fraction / 1e6, 1, data, wire)
    for number, (seconds, fraction, data, wire) in enumerate(FRAMES, 1)
]


def write(folder: Path, content: bytes) -> Path:
    path = folder / "some.capture"
    path.write_bytes(content)
    return path


def error_of(path: Path) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    with pytest.raises(CaptureError) as caught, open_capture(path) as capture:
        frames.extend(capture)
    assert str(caught.value).startswith(f"{path}: ")
    return frames, str(caught.value)[len(f"{path}: ") :]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_flavour(tmp_path: Path, order: str, magic: int, compressed: bool) -> None:
    content = pcap(order, magic=magic)
    path = write(tmp_path, gzip.compress(content) if compressed else content)
    with open_capture(path) as capture:
        frames = list(capture)
        assert capture.position == capture.size == path.stat().st_size
    assert [frame._replace(time=0) for frame in frames] == [frame._replace(time=0) for frame in EXPECTED]
    assert [frame.time for frame in frames] == pytest.approx([frame.time for frame in EXPECTED], abs=1e-6)


def test_nanoseconds_are_not_lost_to_microseconds(tmp_path: Path) -> None:
    record = struct.pack("<IIII", 7, 123456789, 0, 0)
    [frame] = open_capture(write(tmp_path, header("<", magic=0xA1B23C4D) + record))
    assert frame.time == pytest.approx(7.123456789, abs=1e-9)


def test_frame_check_sequence_bits_are_not_the_link_type(tmp_path: Path) -> None:
    frames = list(open_capture(write(tmp_path, pcap(link=0x24000071))))
    assert {frame.link_type for frame in frames} == {113}


@pytest.mark.parametrize("snap", [0, 65535, 0xFFFFFFFF])
def test_the_snapshot_length_is_not_trusted(tmp_path: Path, snap: int) -> None:
    assert list(open_capture(write(tmp_path, pcap(snap=snap)))) == EXPECTED


def test_captured_bytes_were_on_the_wire(tmp_path: Path) -> None:
    record = struct.pack("<IIII", 1, 0, 4, 2) + b"four"
    [frame] = open_capture(write(tmp_path, header("<") + record))
    assert (frame.data, frame.wire_length) == (b"four", 4)


def test_a_file_of_many_chunks_in_constant_memory(tmp_path: Path) -> None:
    sizes = [262144, 1, 262144, 0, 100000] + [i % 1500 for i in range(9000)]
    path = tmp_path / "large.pcap"
    with path.open("wb") as file:
        file.write(header("<"))
        for number, size in enumerate(sizes, 1):
            file.write(struct.pack("<IIII", number, 0, size, size) + bytes([number & 0xFF]) * size)
    positions = []
    with open_capture(path) as capture:
        for frame, size in zip(capture, sizes, strict=True):
            assert frame.time == frame.number
            assert frame.data == bytes([frame.number & 0xFF]) * size
            positions.append(capture.position)
    assert positions == sorted(positions)
    assert positions[0] < capture.size, "the file is not read at once"
    compressed = tmp_path / "large.pcap.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert list(open_capture(compressed)) == list(open_capture(path))


def test_gzip_of_several_members_and_padding(tmp_path: Path) -> None:
    content = pcap()
    members = gzip.compress(content[:30]) + gzip.compress(b"") + gzip.compress(content[30:])
    assert list(open_capture(write(tmp_path, members + bytes(512)))) == EXPECTED


def test_a_header_alone_is_a_capture_without_frames(tmp_path: Path) -> None:
    assert list(open_capture(write(tmp_path, header(">")))) == []


def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(pcap(),))
    writer.start()
    with open_capture(path) as capture:
        assert list(capture) == EXPECTED
        assert capture.size == 0
    writer.join()


@pytest.mark.parametrize("missing", [1, 14, 15, 17])
def test_cut_in_the_middle_of_a_record(tmp_path: Path, missing: int) -> None:
    """The last two records are 31 and 16 bytes long and start at 45 and 76."""
    frames, text = error_of(write(tmp_path, pcap()[:-missing]))
    assert frames == EXPECTED[: 2 if missing < 16 else 1]
    at, have, want = (76, 16 - missing, 16) if missing < 16 else (45, 30, 31)
    assert text.startswith(
        f"frame {len(frames) + 1} at byte {at}: the file ends after {have} bytes of it, expected {want}: "
    )
    assert "copy it again" in text


def test_a_cut_between_records_cannot_be_noticed(tmp_path: Path) -> None:
    assert list(open_capture(write(tmp_path, pcap()[:-16]))) == EXPECTED[:2]


def test_absurd_record_length(tmp_path: Path) -> None:
    record = struct.pack("<IIII", 1, 0, 262145, 262145) + bytes(100)
    frames, text = error_of(write(tmp_path, pcap() + record))
    assert frames == EXPECTED
    assert text.startswith("frame 4 at byte 92: record length 262145, expected at most 262144: ")


def test_file_header_cut_short(tmp_path: Path) -> None:
    assert error_of(write(tmp_path, pcap()[:23]))[1].startswith(
        "ends after 23 bytes, expected the 24 of a pcap file header: "
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty, expected a pcap or pcapng file: "),
        (gzip.compress(b""), "is empty, expected a pcap or pcapng file: "),
        (b"\x89PNG\r\n", "starts with 89 50 4e 47, expected a pcap or pcapng file (or one of them in gzip): "),
        (b"\xa1", "starts with a1, expected a pcap or pcapng file (or one of them in gzip): "),
        (gzip.compress(b"text"), "starts with 74 65 78 74, expected a pcap or pcapng file"),
        (b"\x1f\x8bnonsense", "broken gzip data before byte 10 of the compressed file"),
    ],
)
def test_not_a_capture(tmp_path: Path, content: bytes, expected: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(CaptureError) as caught:
        open_capture(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_gzip_cut_short_delivers_what_came_before(tmp_path: Path) -> None:
    content = pcap() + b"".join(struct.pack("<IIII", 1, 0, 1000, 1000) + os.urandom(1000) for _ in range(900))
    compressed = gzip.compress(content)
    path = write(tmp_path, compressed[:-2000])
    frames, text = error_of(path)
    assert frames[:3] == EXPECTED
    assert 300 < len(frames) < 903
    assert text.startswith(f"the gzip data ends early, at byte {len(compressed) - 2000} of the compressed file: ")


def test_garbage_after_gzip(tmp_path: Path) -> None:
    frames, text = error_of(write(tmp_path, gzip.compress(pcap()) + b"garbage!"))
    assert frames == EXPECTED
    assert text.startswith("broken gzip data")


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is a directory, expected a pcap or pcapng file: name the files in it"):
        open_capture(tmp_path)
    with pytest.raises(CaptureError, match="no such file, expected a pcap or pcapng file: check the path"):
        open_capture(tmp_path / "none")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(CaptureError, match=r"cannot be opened \(.+\): check the path and permissions"):
        open_capture(loop)


def test_an_unreadable_file() -> None:
    with pytest.raises(CaptureError, match=r"reading at byte 0 failed \(.+\): check the disk"):
        open_capture("/proc/self/mem")
