"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers, down to the transport payload.

Outer flow only: a packet inside another is not looked for. Nothing here raises.
"""

from __future__ import annotations

from struct import Struct

from enforcer.wire.packet import Fragment, NotParsed, Packet
from enforcer.wire.transport import parse_transport

_unpack_ipv4 = Struct(">BxHHHxB2x4s4s").unpack_from
_unpack_ipv6 = Struct(">4xHBx16s16s").unpack_from
_unpack_fragment = Struct(">BxHI").unpack_from

# RFC 8200 §4 (0, 43, 44, 60); all but the fragment header carry their length in their second byte, in units of
# 8 bytes not counting the first 8. Mobility, HIP and Shim6 headers are not among them: the kernel's sieve does not
# look behind those either, and nothing may be proven that the sieve cannot see.
_EXTENSIONS = frozenset({0, 43, 60})
_FRAGMENT = 44

EMPTY = NotParsed("no bytes where an IP header should stand")
NOT_IP = NotParsed("neither IPv4 nor IPv6")
IPV4_TRUNCATED = NotParsed("IPv4 header cut short")
IPV4_HEADER_LENGTH = NotParsed("IPv4 header length below 20 bytes")
IPV4_TOTAL_LENGTH = NotParsed("IPv4 total length below its header")
IPV6_TRUNCATED = NotParsed("IPv6 header cut short")
EXTENSION_TRUNCATED = NotParsed("IPv6 extension header cut short")
NESTED_FRAGMENT = NotParsed("IPv6 fragment inside a reassembled packet")


def parse(data: bytes, wire_length: int) -> Packet | Fragment | NotParsed:
    """The packet, or the fragment of one, whose IP header starts ``data``.

    ``wire_length`` is what was on the wire from that header on, in bytes; ``data`` may be shorter (snapped).
    The IP length fields decide where the payload ends, so link padding is never part of it. Where the field
    is 0 (segmentation left to the network card, seen before it; jumbograms), ``wire_length`` decides.
    """
    if not data:
        return EMPTY
    version = data[0] >> 4
    if version == 4:
        if len(data) < 20:
            return IPV4_TRUNCATED
        first, total, identification, flags, protocol, source, destination = _unpack_ipv4(data)
        header = (first & 0x0F) << 2
        if header < 20:
            return IPV4_HEADER_LENGTH
        if total == 0:
            total = wire_length
        if total < header:
            return IPV4_TOTAL_LENGTH
        if len(data) < header:
            return IPV4_TRUNCATED
        if flags & 0x3FFF:
            return Fragment(
                source,
                destination,
                identification,
                protocol,
                (flags & 0x1FFF) << 3,
                flags & 0x2000 != 0,
                data[header:total],
                total - header,
            )
        return parse_transport(protocol, source, destination, data, header, total - header)
    if version == 6:
        if len(data) < 40:
            return IPV6_TRUNCATED
        length, protocol, source, destination = _unpack_ipv6(data)
        if length == 0:
            length = wire_length - 40
        if protocol in _EXTENSIONS or protocol == _FRAGMENT:
            return parse_extensions(protocol, source, destination, data, 40, length)
        return parse_transport(protocol, source, destination, data, 40, length)
    return NOT_IP


def parse_extensions(
    protocol: int, source: bytes, destination: bytes, data: bytes, start: int, length: int
) -> Packet | Fragment | NotParsed:
    """Follow IPv6 extension headers from ``start`` (RFC 8200 §4) to the transport, or to a fragment.

    ``protocol`` is the number of the header at ``start``, ``length`` the wire's bytes from there to the end
    of the IPv6 payload. An atomic fragment (offset 0, none to follow) is a whole packet (RFC 6946 §4).
    AH ends the walk: it is one of the transports we count.
    """
    while True:
        if protocol in _EXTENSIONS:
            if length < 8 or len(data) - start < 8:
                return EXTENSION_TRUNCATED
            size = (data[start + 1] + 1) << 3
        elif protocol == _FRAGMENT:
            size = 8
            if length < size or len(data) - start < size:
                return EXTENSION_TRUNCATED
            following, flags, identification = _unpack_fragment(data, start)
            if flags & 0xFFF9:
                start += size
                length -= size
                return Fragment(
                    source,
                    destination,
                    identification,
                    following,
                    flags & 0xFFF8,
                    flags & 1 != 0,
                    data[start : start + length],
                    length,
                )
        else:
            return parse_transport(protocol, source, destination, data, start, length)
        if size > length or size > len(data) - start:
            return EXTENSION_TRUNCATED
        protocol = data[start]
        start += size
        length -= size


def parse_reassembled(protocol: int, source: bytes, destination: bytes, data: bytes) -> Packet | NotParsed:
    """The packet made of a datagram's joined fragments; ``data`` starts with the ``protocol`` header."""
    if len(source) == 4:
        return parse_transport(protocol, source, destination, data, 0, len(data))
    parsed = parse_extensions(protocol, source, destination, data, 0, len(data))
    return NESTED_FRAGMENT if isinstance(parsed, Fragment) else parsed
