"""The pcapng file format (draft-ietf-opsawg-pcapng): blocks of type, total length, body, total length again.

A Section Header tells the byte order of its section, Interface Descriptions the link types and clocks;
packets stand in Enhanced, Simple and (obsolete) Packet Blocks. Other blocks are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from enforcer.wire.batch import Batch, Interface, Layout, Records
from enforcer.wire.frame import CaptureError, Frame
from enforcer.wire.stream import ByteStream, Window

SECTION_HEADER = b"\x0a\x0d\x0d\x0a"  # the same in both byte orders
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SHORTEST = 12
# The least that type's fixed fields need, type and both lengths included.
_SHORTEST_OF = {_SECTION: 28, _INTERFACE: 20, _PACKET: 32, _SIMPLE: 16, _ENHANCED: 32}
# Keeps memory bounded; far above any packet, and what other readers accept too.
LONGEST_BLOCK = 16 * 1024 * 1024

_OPTION_END, _OPTION_TSRESOL, _OPTION_TSOFFSET = 0, 9, 14


class _Section:
    """How to read the integers of a section, and the interfaces described in it so far."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.words = Struct(order + "II").unpack_from
        self.enhanced = Struct(order + "IIIII").unpack_from
        self.obsolete = Struct(order + "HHIIII").unpack_from
        self.half_words = Struct(order + "HH").unpack_from
        self.signed = Struct(order + "q").unpack
        self.interfaces: list[Interface] = []

    def describe(self, body: bytes) -> None:
        """Take an Interface Description's body: link type, reserved, snapshot length, options.

        if_tsresol is a power of 10, or of 2 when its top bit is set; if_tsoffset is in seconds, signed.
        """
        ticks, offset = 1e6, 0
        at = 8
        while at + 4 <= len(body):
            code, length = self.half_words(body, at)
            value = body[at + 4 : at + 4 + length]
            if code == _OPTION_END:
                break
            if code == _OPTION_TSRESOL and len(value) == 1:
                ticks = float((2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F))
            elif code == _OPTION_TSOFFSET and len(value) == 8:
                offset = self.signed(value)[0]
            at += 4 + ((length + 3) & ~3)
        link_type = self.half_words(body, 0)[0]
        self.interfaces.append(Interface(link_type, self.words(body, 0)[1], ticks, offset))


def read_pcapng(stream: ByteStream) -> Iterator[Records]:
    """The frames of a pcapng file, in batches where Enhanced Packet Blocks follow each other.

    Memory is bounded by the largest block. Simple Packet Blocks carry no time: their frames have 0.0. Raises
    CaptureError at a block that is cut short or contradicts itself, after the frames before it.
    """
    reader = _Reader(stream)
    at = 0
    while reader.window.advance(at):
        at = 0
        while True:
            at, places = reader.enhanced(at)
            if places:
                yield Batch(reader.window.buffer, places, reader.number + 1, reader.layout())
                reader.number += len(places)
            size = reader.other(at)
            if size is None:
                break
            if reader.frame is not None:
                yield [reader.frame]
            at += size
    left = reader.window.end
    if left:
        expected = reader.section.words(reader.window.buffer, 0)[1] if left >= _SHORTEST else _SHORTEST
        raise stream.error(
            f"block at byte {reader.window.base} after frame {reader.number}: the file ends after {left} "
            f"bytes of it, expected {expected}: it was cut short while being written or copied, copy it again"
        )


class _Reader:
    """Blocks at places of a window. ``number`` counts the frames handed on."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.window = Window(stream)
        self.section = _Section(">")
        self.number = 0
        self.frame: Frame | None = None

    def layout(self) -> Layout:
        """How the Enhanced Packet Blocks found last read: interfaces described later are not among theirs."""
        return Layout(self.section.order, 8, True, tuple(self.section.interfaces))

    def enhanced(self, at: int) -> tuple[int, list[int]]:
        """Where the run of sound Enhanced Packet Blocks from ``at`` ends, and where their captured lengths are."""
        buffer, end = self.window.buffer, self.window.end
        words, fields = self.section.words, self.section.enhanced
        known = len(self.section.interfaces)
        places: list[int] = []
        append = places.append
        last = end - _SHORTEST_OF[_ENHANCED]
        while at <= last:
            kind, total = words(buffer, at)
            if kind != _ENHANCED or not 32 <= total <= LONGEST_BLOCK:
                break
            size = (total + 3) & ~3
            stop = at + size
            if stop > end or words(buffer, stop - 8)[1] != total:
                break
            index, _, _, captured, _ = fields(buffer, at + 8)
            if captured > size - 32 or index >= known:
                break
            append(at + 20)
            at = stop
        return at, places

    def other(self, at: int) -> int | None:
        """Take in the block at ``at``: its size in bytes, None when the window ends before it does.

        ``frame`` is then its frame, if it has one. Raises CaptureError when the block contradicts itself.
        """
        self.frame = None
        buffer, end = self.window.buffer, self.window.end
        if at > end - _SHORTEST:
            return None
        section = self.section
        total: int
        kind, total = section.words(buffer, at)
        if kind == _SECTION:
            order = _BYTE_ORDERS.get(bytes(buffer[at + 8 : at + 12]))
            if order is None:
                raise self._damaged(
                    at, f"byte-order magic {buffer[at + 8 : at + 12].hex()}, expected 1a2b3c4d or 4d3c2b1a"
                )
            section = self.section = _Section(order)
            total = section.words(buffer, at)[1]
        if total < _SHORTEST_OF.get(kind, _SHORTEST) or total > LONGEST_BLOCK:
            raise self._damaged(
                at, f"length {total}, expected {_SHORTEST_OF.get(kind, _SHORTEST)} to {LONGEST_BLOCK}"
            )
        # Some writers leave the padding to 4 bytes out of the length; it is in the file all the same.
        size = (total + 3) & ~3
        if at + size > end:
            return None
        repeated = section.words(buffer, at + size - 8)[1]
        if repeated != total:
            raise self._damaged(at, f"length {total} at its start, {repeated} at its end")
        if kind in (_ENHANCED, _PACKET):
            self.frame = self._packet(kind, at, size)
        elif kind == _SIMPLE:
            self.frame = self._simple(at, size)
        elif kind == _INTERFACE:
            section.describe(bytes(buffer[at + 8 : at + size - 4]))
        elif kind == _SECTION:
            major = section.half_words(buffer, at + 12)[0]
            if major != 1:
                raise self._stream.error(
                    f"section header at byte {self.window.base + at}: pcapng version {major}, expected 1: "
                    "convert it with `editcap -F pcapng`"
                )
        return size

    def _packet(self, kind: int, at: int, size: int) -> Frame:
        if kind == _ENHANCED:
            index, high, low, captured, length = self.section.enhanced(self.window.buffer, at + 8)
        else:
            index, _, high, low, captured, length = self.section.obsolete(self.window.buffer, at + 8)
        if captured > size - 32:
            raise self._damaged(
                at, f"captured length {captured}, expected at most {size - 32} in a block of {size}"
            )
        interface = self._interface(index, at)
        self.number += 1
        start = at + 28
        return Frame(
            self.number,
            (high << 32 | low) / interface.ticks + interface.offset,
            interface.link_type,
            bytes(self.window.buffer[start : start + captured]),
            length if length > captured else captured,
        )

    def _simple(self, at: int, size: int) -> Frame:
        interface = self._interface(0, at)
        length = self.section.words(self.window.buffer, at + 4)[1]
        captured = min(length, size - 16, interface.snap_length or length)
        self.number += 1
        start = at + 12
        data = bytes(self.window.buffer[start : start + captured])
        return Frame(self.number, 0.0, interface.link_type, data, length)

    def _interface(self, index: int, at: int) -> Interface:
        interfaces = self.section.interfaces
        if index >= len(interfaces):
            raise self._damaged(
                at, f"interface {index}, expected one of the {len(interfaces)} its section describes"
            )
        return interfaces[index]

    def _damaged(self, at: int, found: str) -> CaptureError:
        return self._stream.error(
            f"block at byte {self.window.base + at} after frame {self.number}: {found}: the file is damaged from "
            "here on, copy it again"
        )
