"""IEEE 802.11 data frames, bare or behind a radiotap or PPI header.

Radio headers are little-endian. Only unencrypted, unaggregated data frames carry an IP packet we can read.
Nothing here raises.
"""

from __future__ import annotations

from struct import Struct

from enforcer.wire.ethertype import parse_llc
from enforcer.wire.packet import Fragment, NotParsed, Packet

_unpack_radiotap = Struct("<BxHI").unpack_from
_unpack_word = Struct("<I").unpack_from
_unpack_ppi = Struct("<BBHI").unpack_from

_PPI_IEEE802_11 = 105

TRUNCATED = NotParsed("IEEE 802.11 header cut short")
RADIOTAP = NotParsed("radiotap header malformed or cut short")
PPI = NotParsed("PPI header malformed or cut short")
PPI_OTHER_LINK = NotParsed("PPI around a link type other than IEEE 802.11")
NOT_DATA = NotParsed("IEEE 802.11 frame without data")
PROTECTED = NotParsed("IEEE 802.11 frame is encrypted")
FRAGMENTED = NotParsed("IEEE 802.11 fragment")
AGGREGATED = NotParsed("IEEE 802.11 aggregate (A-MSDU)")


def parse_ieee80211(data: bytes, at: int, wire_length: int, padded: bool = False) -> Packet | Fragment | NotParsed:
    """A frame whose MAC header stands at ``at`` (IEEE 802.11-2020 §9.2.3, §9.3.2).

    ``padded`` says that the radio pads the MAC header to a multiple of 4 bytes.
    """
    if len(data) < at + 24:
        return TRUNCATED
    control, flags = data[at], data[at + 1]
    if control & 0x0F != 0x08 or control & 0x40:  # version 0, type data, and not one of the null subtypes
        return NOT_DATA
    if flags & 0x40:
        return PROTECTED
    if flags & 0x04 or data[at + 22] & 0x0F:
        return FRAGMENTED
    header = 24
    if flags & 0x03 == 0x03:  # to and from the distribution system: a fourth address
        header += 6
    if control & 0x80:
        if len(data) < at + header + 2:
            return TRUNCATED
        if data[at + header] & 0x80:
            return AGGREGATED
        header += 2
        if flags & 0x80:  # +HTC: the HT control field follows
            header += 4
    if padded:
        header = (header + 3) & ~3
    return parse_llc(data, at + header, wire_length)


def decode_ieee80211(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_IEEE802_11."""
    return parse_ieee80211(data, 0, wire_length)


def decode_radiotap(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_IEEE802_11_RADIOTAP (radiotap.org): version, header length @2, chained presence words @4.

    The flags field, after the 8-byte TSFT aligned to 8 where there is one, says whether the MAC header is
    padded.
    """
    if len(data) < 8:
        return RADIOTAP
    version, length, present = _unpack_radiotap(data)
    if version != 0 or length < 8 or length > len(data):
        return RADIOTAP
    at = 8
    word = present
    while word & 0x80000000:
        if length < at + 4:
            return RADIOTAP
        word = _unpack_word(data, at)[0]
        at += 4
    padded = False
    if present & 0x02:
        if present & 0x01:
            at = ((at + 7) & ~7) + 8
        if at >= length:
            return RADIOTAP
        padded = data[at] & 0x20 != 0
    return parse_ieee80211(data, length, wire_length, padded)


def decode_ppi(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_PPI (CACE "Per-Packet Information Header Specification" 1.0.7): version, flags, header
    length @2, the link type inside @4."""
    if len(data) < 8:
        return PPI
    version, _, length, link_type = _unpack_ppi(data)
    if version != 0 or length < 8 or length > len(data):
        return PPI
    if link_type != _PPI_IEEE802_11:
        return PPI_OTHER_LINK
    return parse_ieee80211(data, length, wire_length)
