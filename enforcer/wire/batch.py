"""Many records of a capture at once: where they stand in a buffer, not yet taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from enforcer.wire.frame import Frame

SLACK = 256
"""Bytes of a batch's buffer beyond its last record: whoever reads headers in bulk may read past a short one."""


class Interface(NamedTuple):
    """Where frames came from: ``link_type`` is a LINKTYPE number, ``offset`` in seconds, ``snap_length`` in
    bytes (0: none); a record's clock counts ``ticks`` a second."""

    link_type: int
    snap_length: int
    ticks: float
    offset: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the headers of a batch's records read.

    Four words in byte order ``order`` (``<`` or ``>``): two of time, then captured and wire length in bytes. The
    data start ``to_data`` bytes after the start of the captured length. ``joined`` says that the time is one
    64-bit count of ticks (pcapng) and that the word before it is the interface's index; otherwise it is seconds
    and ticks (pcap), and there is one interface.
    """

    order: str
    to_data: int
    joined: bool
    interfaces: Sequence[Interface]


class Batch:
    """Consecutive records with the same layout.

    ``places`` are the offsets in ``buffer`` of their captured lengths, which their data follow after
    ``layout.to_data`` bytes; ``number`` is the first one's (1-based in the file).
    ``buffer`` holds `SLACK` more bytes than the last record ends at, and is reused: it holds until the next
    batch is asked for.
    """

    __slots__ = ("_view", "_word", "_words", "buffer", "layout", "number", "places")

    def __init__(self, buffer: bytearray, places: list[int], number: int, layout: Layout) -> None:
        self.buffer = buffer
        self.places = places
        self.number = number
        self.layout = layout
        self._view = memoryview(buffer)
        self._words = Struct(layout.order + "IIII").unpack_from
        self._word = Struct(layout.order + "I").unpack_from

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(len(self.places)))

    def frame(self, index: int) -> Frame:
        """The record at ``index`` of the batch."""
        layout = self.layout
        place = self.places[index]
        high, low, captured, length = self._words(self.buffer, place - 8)
        if layout.joined:
            interface = layout.interfaces[self._word(self.buffer, place - 12)[0]]
            time = (high << 32 | low) / interface.ticks + interface.offset
        else:
            interface = layout.interfaces[0]
            time = high + low / interface.ticks
        start = place + layout.to_data
        return Frame(
            self.number + index,
            time,
            interface.link_type,
            bytes(self._view[start : start + captured]),
            length if length > captured else captured,
        )


Records = Batch | list[Frame]
"""What readers of captures hand on: frames one by one where their records have no common layout."""
