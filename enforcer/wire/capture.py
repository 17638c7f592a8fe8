"""Capture files: pcap and pcapng, plain or gzip-compressed, told apart by their first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from enforcer.wire.batch import Records
from enforcer.wire.frame import CaptureError, Frame
from enforcer.wire.pcap import is_pcap, read_pcap
from enforcer.wire.pcapng import SECTION_HEADER, read_pcapng
from enforcer.wire.stream import ByteStream

__all__ = ["Capture", "CaptureError", "Frame", "open_capture"]


class Capture:
    """A capture file's frames, read once, in order, in constant memory.

    ``size`` is the file's in bytes (0 when unknown, as for a pipe) and ``position`` how many of them have
    been read, so that position / size is the progress, compressed or not.
    """

    def __init__(self, stream: ByteStream, records: Iterator[Records]) -> None:
        self._stream = stream
        self.records = records
        """The frames many at once; each batch holds until the next one is asked for."""

    @property
    def size(self) -> int:
        return self._stream.size

    @property
    def position(self) -> int:
        return self._stream.position

    def __iter__(self) -> Iterator[Frame]:
        return (frame for records in self.records for frame in records)

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def open_capture(path: str | Path) -> Capture:
    """Open a capture file.

    Raises CaptureError at once when the path is not a readable capture; iterating raises it where the file
    turns out damaged or cut short, after the frames before that place.
    """
    stream = ByteStream(path)
    try:
        head = stream.peek(4)
        if not head:
            raise stream.error("is empty, expected a pcap or pcapng file: check that the capture has ended well")
        if is_pcap(head):
            return Capture(stream, read_pcap(stream))
        if head.startswith(SECTION_HEADER):
            return Capture(stream, read_pcapng(stream))
        raise stream.error(
            f"starts with {head[:4].hex(' ')}, expected a pcap or pcapng file (or one of them in gzip): "
            "decompress it, or convert it with `editcap -F pcapng`"
        )
    except CaptureError:
        stream.close()
        raise
