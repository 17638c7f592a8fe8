"""Link layers by their LINKTYPE number (tcpdump.org/linktypes.html): a captured frame to its packet.

Nothing here raises, whatever the bytes; an unknown link type is `NotParsed`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from enforcer.wire.ethertype import IPV4, parse_ethertype, parse_llc, parse_ppp, parse_pppoe
from enforcer.wire.ip import parse
from enforcer.wire.packet import Fragment, NotParsed, Packet
from enforcer.wire.wireless import decode_ieee80211, decode_ppi, decode_radiotap

_unpack_tlv_little = Struct("<HH").unpack_from
_unpack_tlv_big = Struct(">HH").unpack_from
_NFULA_PAYLOAD = 9  # linux/netfilter/nfnetlink_log.h

# AF_INET, and AF_INET6 as Linux, Windows, NetBSD/OpenBSD, FreeBSD and Darwin number it.
FAMILIES = frozenset({2, 10, 23, 24, 28, 30})

UNKNOWN_LINK_TYPE = NotParsed("link type not supported")
LINK_TRUNCATED = NotParsed("link header cut short")
NOT_IP = NotParsed("link payload is not IP")
NOT_LLC = NotParsed("token ring or FDDI frame without LLC")
PPP_FRAMING = NotParsed("HDLC address is neither PPP's nor Cisco's")
NFLOG_MALFORMED = NotParsed("NFLOG attribute malformed")
NFLOG_EMPTY = NotParsed("NFLOG record without a payload")


def decode(link_type: int, data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """The packet in a frame of that LINKTYPE; ``wire_length`` is the frame's length on the wire in bytes."""
    decoder = _DECODERS.get(link_type)
    if decoder is None:
        return UNKNOWN_LINK_TYPE
    return decoder(data, wire_length)


def _ethernet(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    if len(data) < 14:
        return LINK_TRUNCATED
    ethertype = data[12] << 8 | data[13]
    if ethertype == IPV4:
        return parse(data[14:], wire_length - 14)
    return parse_ethertype(ethertype, data, 14, wire_length)


def _raw(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    return parse(data, wire_length)


def _loopback(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_NULL and LINKTYPE_LOOP: the address family in 4 bytes, in the capturing host's byte order or
    in the network's; every number in use fits one byte, so both orders can be told apart."""
    if len(data) < 4:
        return LINK_TRUNCATED
    family = int.from_bytes(data[:4], "little")
    if family not in FAMILIES and int.from_bytes(data[:4], "big") not in FAMILIES:
        return NOT_IP
    return parse(data[4:], wire_length - 4)


def _linux_cooked(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_LINUX_SLL: a 16-byte header that ends with the EtherType; 4 there announces LLC."""
    if len(data) < 16:
        return LINK_TRUNCATED
    return parse_ethertype(data[14] << 8 | data[15], data, 16, wire_length)


def _linux_cooked_2(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_LINUX_SLL2: a 20-byte header that starts with the EtherType."""
    if len(data) < 20:
        return LINK_TRUNCATED
    return parse_ethertype(data[0] << 8 | data[1], data, 20, wire_length)


def _ppp(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_PPP: with the address and control bytes ``ff 03`` of RFC 1662 §3.1, or without."""
    return parse_ppp(data, 2 if data[:2] == b"\xff\x03" else 0, wire_length)


def _ppp_hdlc(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_PPP_HDLC and LINKTYPE_C_HDLC: ``ff 03`` then PPP (RFC 1662 §3.1), or Cisco's framing: address
    0f or 8f, a zero control byte, an EtherType (RFC 1547 §4.3.1)."""
    if len(data) < 4:
        return LINK_TRUNCATED
    if data[:2] == b"\xff\x03":
        return parse_ppp(data, 2, wire_length)
    if data[0] in (0x0F, 0x8F):
        return parse_ethertype(data[2] << 8 | data[3], data, 4, wire_length)
    return PPP_FRAMING


def _pppoe(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    return parse_pppoe(data, 0, wire_length)


def _nflog(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_NFLOG: family, version 0, resource id, then attributes: length (its own 4 bytes included) and
    type in the capturing host's byte order, value, padding to 4 bytes. The payload attribute starts at IP."""
    if len(data) < 8:
        return LINK_TRUNCATED
    unpack = _unpack_tlv_little
    # The first attribute is short and its type small, so the wrong order shows a length beyond the frame.
    if not 4 <= unpack(data, 4)[0] <= wire_length - 4:
        unpack = _unpack_tlv_big
    at = 4
    while at + 4 <= len(data):
        length, kind = unpack(data, at)
        if length < 4:
            return NFLOG_MALFORMED
        if kind == _NFULA_PAYLOAD:
            return parse(data[at + 4 : at + length], length - 4)
        at += (length + 3) & ~3
    return NFLOG_EMPTY


def _token_ring(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_IEEE802_5: access and frame control, two addresses, a routing field of the length in the low 5
    bits of its first byte when the source address has its top bit set (IEEE 802.5), LLC."""
    if len(data) < 15:
        return LINK_TRUNCATED
    if data[1] & 0xC0 != 0x40:
        return NOT_LLC
    return parse_llc(data, 14 + (data[14] & 0x1F if data[8] & 0x80 else 0), wire_length)


def _fddi(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """LINKTYPE_FDDI: frame control, two addresses, LLC; control 5x is asynchronous LLC (libpcap's fddi.h)."""
    if len(data) < 13:
        return LINK_TRUNCATED
    if data[0] & 0xF0 != 0x50:
        return NOT_LLC
    return parse_llc(data, 13, wire_length)


_DECODERS: dict[int, Callable[[bytes, int], Packet | Fragment | NotParsed]] = {
    0: _loopback,  # NULL
    1: _ethernet,
    6: _token_ring,
    9: _ppp,
    10: _fddi,
    12: _raw,  # DLT_RAW as most systems number it
    14: _raw,  # DLT_RAW as OpenBSD numbers it
    50: _ppp_hdlc,
    51: _pppoe,
    101: _raw,
    104: _ppp_hdlc,  # C_HDLC
    105: decode_ieee80211,
    108: _loopback,  # LOOP
    113: _linux_cooked,
    127: decode_radiotap,
    192: decode_ppi,
    228: _raw,  # IPV4
    229: _raw,  # IPV6
    239: _nflog,
    276: _linux_cooked_2,
}
