"""The pcap file format (draft-ietf-opsawg-pcap; libpcap's pcap-savefile(5)).

A 24-byte header (magic, version, snapshot length, link type), then records: seconds, fraction, captured
length, wire length, data; all in the writer's byte order, which the magic tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from enforcer.wire.frame import Frame
from enforcer.wire.stream import ByteStream

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


def read_pcap(stream: ByteStream) -> Iterator[Frame]:
    """The frames of a pcap file, in constant memory.

    Raises CaptureError at a record that is cut short or absurdly long, after the frames before it.
    """
    if len(stream.peek(_HEADER)) < _HEADER:
        raise stream.error(
            f"ends after {len(stream.peek(_HEADER))} bytes, expected the {_HEADER} of a pcap file header: "
            "it was cut short while being written or copied, copy it again"
        )
    buffer = stream.next_chunk()
    order = ">" if int.from_bytes(buffer[:4], "big") in _MAGICS else "<"
    magic, link_type = Struct(order + "I16xI").unpack_from(buffer)
    link_type &= 0xFFFF  # the upper half holds the frame check sequence's length
    ticks, extra = _MAGICS[magic]
    unpack = Struct(order + "IIII").unpack_from
    header = 16 + extra
    number = 0
    base = 0
    at = _HEADER
    while True:
        end = len(buffer)
        last = end - header
        while at <= last:
            seconds, fraction, captured, length = unpack(buffer, at)
            if captured > LONGEST_RECORD:
                raise stream.error(
                    f"frame {number + 1} at byte {base + at}: record length {captured}, expected at most "
                    f"{LONGEST_RECORD}: the file is damaged from here on, copy it again"
                )
            start = at + header
            stop = start + captured
            if stop > end:
                break
            number += 1
            yield Frame(
                number,
                seconds + fraction / ticks,
                link_type,
                buffer[start:stop],
                length if length > captured else captured,
            )
            at = stop
        chunk = stream.next_chunk()
        if not chunk:
            break
        base += at
        buffer = buffer[at:] + chunk
        at = 0
    if at < end:
        expected = header + unpack(buffer, at)[2] if at <= last else header
        raise stream.error(
            f"frame {number + 1} at byte {base + at}: the file ends after {end - at} bytes of it, expected "
            f"{expected}: it was cut short while being written or copied, copy it again"
        )
