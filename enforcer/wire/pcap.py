"""The pcap file format (draft-ietf-opsawg-pcap; libpcap's pcap-savefile(5)).

A 24-byte header (magic, version, snapshot length, link type), then records: seconds, fraction, captured
length, wire length, data; all in the writer's byte order, which the magic tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from enforcer.wire.batch import Batch, Interface, Layout
from enforcer.wire.stream import ByteStream, Window

_HEADER = 24
# libpcap's MAXIMUM_SNAPLEN: no link type we read has longer records, so a longer one is damage.
LONGEST_RECORD = 262144

_MICROSECONDS, _NANOSECONDS = 1e6, 1e9
# Magic -> ticks a second, bytes after the four fields of a record's header (0xa1b2cd34, "modified" pcap of
# 1990s Linux: interface index, protocol, packet type).
_MAGICS = {0xA1B2C3D4: (_MICROSECONDS, 0), 0xA1B23C4D: (_NANOSECONDS, 0), 0xA1B2CD34: (_MICROSECONDS, 8)}


def is_pcap(head: bytes) -> bool:
    """Whether a file that starts with ``head`` (4 bytes or more) is a pcap file, in either byte order."""
    return int.from_bytes(head[:4], "big") in _MAGICS or int.from_bytes(head[:4], "little") in _MAGICS


def read_pcap(stream: ByteStream) -> Iterator[Batch]:
    """The frames of a pcap file in batches, in constant memory.

    Raises CaptureError at a record that is cut short or absurdly long, after the frames before it.
    """
    head = stream.peek(_HEADER)[:_HEADER]
    if len(head) < _HEADER:
        raise stream.error(
            f"ends after {len(head)} bytes, expected the {_HEADER} of a pcap file header: "
            "it was cut short while being written or copied, copy it again"
        )
    order = ">" if int.from_bytes(head[:4], "big") in _MAGICS else "<"
    magic, link_type = Struct(order + "I16xI").unpack_from(head)
    link_type &= 0xFFFF  # the upper half holds the frame check sequence's length
    ticks, extra = _MAGICS[magic]
    layout = Layout(order, 8 + extra, False, (Interface(link_type, 0, ticks, 0),))
    captured_of = Struct(order + "I").unpack_from
    header = 16 + extra
    number = 1
    window = Window(stream)
    window.advance(0)
    at = _HEADER
    more = True
    while more:
        buffer, end = window.buffer, window.end
        place = at + 8
        last = end - header + 8
        places: list[int] = []
        append = places.append
        captured = 0
        while place <= last:
            (captured,) = captured_of(buffer, place)
            if captured > LONGEST_RECORD:
                break
            append(place)
            place += header + captured
        if places and place - 8 > end:
            place = places.pop()
        at = place - 8
        if places:
            yield Batch(buffer, places, number, layout)
            number += len(places)
        if captured > LONGEST_RECORD:
            raise stream.error(
                f"frame {number} at byte {window.base + at}: record length {captured}, expected at most "
                f"{LONGEST_RECORD}: the file is damaged from here on, copy it again"
            )
        more = window.advance(at)
        at = 0
    left = window.end
    if left:
        expected = header + captured_of(window.buffer, 8)[0] if left >= header else header
        raise stream.error(
            f"frame {number} at byte {window.base}: the file ends after {left} bytes of it, expected "
            f"{expected}: it was cut short while being written or copied, copy it again"
        )
