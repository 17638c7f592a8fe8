"""The pcapng file format (draft-ietf-opsawg-pcapng): blocks of type, total length, body, total length again.

A Section Header tells the byte order of its section, Interface Descriptions the link types and clocks;
packets stand in Enhanced, Simple and (obsolete) Packet Blocks. Other blocks are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from enforcer.wire.frame import CaptureError, Frame
from enforcer.wire.stream import ByteStream

SECTION_HEADER = b"\x0a\x0d\x0d\x0a"  # the same in both byte orders
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SHORTEST = 12
# The least that type's fixed fields need, type and both lengths included.
_SHORTEST_OF = {_SECTION: 28, _INTERFACE: 20, _PACKET: 32, _SIMPLE: 16, _ENHANCED: 32}
# Keeps memory bounded; far above any packet, and what other readers accept too.
LONGEST_BLOCK = 16 * 1024 * 1024

_OPTION_END, _OPTION_TSRESOL, _OPTION_TSOFFSET = 0, 9, 14


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    ticks: float
    offset: int


class _Section:
    """How to read the integers of a section, and the interfaces described in it so far."""

    def __init__(self, order: str) -> None:
        self.words = Struct(order + "II").unpack_from
        self.enhanced = Struct(order + "IIIII").unpack_from
        self.obsolete = Struct(order + "HHIIII").unpack_from
        self.half_words = Struct(order + "HH").unpack_from
        self.signed = Struct(order + "q").unpack
        self.interfaces: list[_Interface] = []

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
        self.interfaces.append(_Interface(link_type, self.words(body, 0)[1], ticks, offset))


def read_pcapng(stream: ByteStream) -> Iterator[Frame]:
    """The frames of a pcapng file, in memory bounded by its largest block.

    Simple Packet Blocks carry no time: their frames have 0.0. Raises CaptureError at a block that is cut
    short or contradicts itself, after the frames before it.
    """
    number = 0
    base = 0
    at = 0
    buffer = stream.next_chunk()
    section = _Section(">")
    while True:
        end = len(buffer)
        last = end - _SHORTEST
        while at <= last:
            kind, total = section.words(buffer, at)
            if kind == _SECTION:
                order = _BYTE_ORDERS.get(buffer[at + 8 : at + 12])
                if order is None:
                    raise _damaged(
                        stream,
                        base + at,
                        number,
                        f"byte-order magic {buffer[at + 8 : at + 12].hex()}, expected 1a2b3c4d or 4d3c2b1a",
                    )
                section = _Section(order)
                total = section.words(buffer, at)[1]
            if total < _SHORTEST_OF.get(kind, _SHORTEST) or total > LONGEST_BLOCK:
                raise _damaged(
                    stream,
                    base + at,
                    number,
                    f"length {total}, expected {_SHORTEST_OF.get(kind, _SHORTEST)} to {LONGEST_BLOCK}",
                )
            # Some writers leave the padding to 4 bytes out of the length; it is in the file all the same.
            size = (total + 3) & ~3
            stop = at + size
            if stop > end:
                break
            repeated = section.words(buffer, stop - 8)[1]
            if repeated != total:
                raise _damaged(stream, base + at, number, f"length {total} at its start, {repeated} at its end")
            if kind in (_ENHANCED, _PACKET):
                if kind == _ENHANCED:
                    index, high, low, captured, length = section.enhanced(buffer, at + 8)
                else:
                    index, _, high, low, captured, length = section.obsolete(buffer, at + 8)
                if captured > size - 32:
                    raise _damaged(
                        stream,
                        base + at,
                        number,
                        f"captured length {captured}, expected at most {size - 32} in a block of {size}",
                    )
                if index >= len(section.interfaces):
                    raise _no_interface(stream, base + at, number, index, len(section.interfaces))
                interface = section.interfaces[index]
                number += 1
                start = at + 28
                yield Frame(
                    number,
                    (high << 32 | low) / interface.ticks + interface.offset,
                    interface.link_type,
                    buffer[start : start + captured],
                    length if length > captured else captured,
                )
            elif kind == _SIMPLE:
                if not section.interfaces:
                    raise _no_interface(stream, base + at, number, 0, 0)
                interface = section.interfaces[0]
                length = section.words(buffer, at + 4)[1]
                captured = min(length, size - 16, interface.snap_length or length)
                number += 1
                start = at + 12
                yield Frame(number, 0.0, interface.link_type, buffer[start : start + captured], length)
            elif kind == _INTERFACE:
                section.describe(buffer[at + 8 : stop - 4])
            elif kind == _SECTION:
                major = section.half_words(buffer, at + 12)[0]
                if major != 1:
                    raise stream.error(
                        f"section header at byte {base + at}: pcapng version {major}, expected 1: "
                        "convert it with `editcap -F pcapng`"
                    )
            at = stop
        chunk = stream.next_chunk()
        if not chunk:
            break
        base += at
        buffer = buffer[at:] + chunk
        at = 0
    if at < end:
        expected = section.words(buffer, at)[1] if at <= last else _SHORTEST
        raise stream.error(
            f"block at byte {base + at} after frame {number}: the file ends after {end - at} bytes of it, "
            f"expected {expected}: it was cut short while being written or copied, copy it again"
        )


def _damaged(stream: ByteStream, at: int, number: int, found: str) -> CaptureError:
    return stream.error(
        f"block at byte {at} after frame {number}: {found}: the file is damaged from here on, copy it again"
    )


def _no_interface(stream: ByteStream, at: int, number: int, index: int, count: int) -> CaptureError:
    return _damaged(stream, at, number, f"interface {index}, expected one of the {count} its section describes")
