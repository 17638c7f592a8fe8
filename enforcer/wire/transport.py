"""Transport headers: UDP (RFC 768), TCP (RFC 9293), ESP (RFC 4303) and AH (RFC 4302).

All integers are big-endian. Nothing here raises: what cannot be a packet comes back as `NotParsed`.
"""

from __future__ import annotations

from struct import Struct

from enforcer.wire.packet import NotParsed, Packet, Protocol

_UDP, _TCP, _ESP, _AH = Protocol.UDP, Protocol.TCP, Protocol.ESP, Protocol.AH

_unpack_udp = Struct(">HHH").unpack_from
_unpack_ports = Struct(">HH").unpack_from

UDP_TRUNCATED = NotParsed("UDP header cut short")
UDP_LENGTH_SHORT = NotParsed("UDP length below its header's 8 bytes")
UDP_LENGTH_LONG = NotParsed("UDP length beyond the IP payload")
TCP_TRUNCATED = NotParsed("TCP header cut short")
TCP_OFFSET = NotParsed("TCP data offset outside the segment")
ESP_TRUNCATED = NotParsed("ESP header cut short")
AH_TRUNCATED = NotParsed("AH header cut short")
AH_LENGTH = NotParsed("AH length outside the IP payload")

OTHER_PROTOCOL = NotParsed("other IP protocol")
_OTHER = {
    4: NotParsed("IPv4 tunnel (protocol 4): only outer flows are read"),
    41: NotParsed("IPv6 tunnel (protocol 41): only outer flows are read"),
    47: NotParsed("GRE tunnel: only outer flows are read"),
    59: NotParsed("IPv6 no next header"),
}


def parse_transport(
    protocol: int, source: bytes, destination: bytes, data: bytes, start: int, length: int
) -> Packet | NotParsed:
    """The packet whose transport header stands at ``start`` of ``data``.

    ``protocol`` is the IP protocol number, ``length`` the bytes from ``start`` to the end of the IP payload
    on the wire; ``data`` may end earlier (snapped) or later (link padding).

    A UDP length of 0 is legal only in IPv6 jumbograms (RFC 2675 §4), which no forwarded packet is: it is not
    parsed, so that ``payload_length`` of a UDP packet is always what its own length field says.
    """
    captured = len(data) - start
    if protocol == 17:
        if captured < 8 or length < 8:
            return UDP_TRUNCATED
        source_port, destination_port, udp_length = _unpack_udp(data, start)
        if udp_length > length:
            return UDP_LENGTH_LONG
        if udp_length < 8:
            return UDP_LENGTH_SHORT
        return Packet(
            _UDP,
            source,
            destination,
            source_port,
            destination_port,
            data[start + 8 : start + udp_length],
            udp_length - 8,
        )
    if protocol == 6:
        if captured < 20 or length < 20:
            return TCP_TRUNCATED
        source_port, destination_port = _unpack_ports(data, start)
        header = data[start + 12] >> 4 << 2
        if header < 20 or header > length:
            return TCP_OFFSET
        return Packet(
            _TCP,
            source,
            destination,
            source_port,
            destination_port,
            data[start + header : start + length],
            length - header,
        )
    if protocol == 50:
        if length < 8:
            return ESP_TRUNCATED
        return Packet(_ESP, source, destination, 0, 0, data[start : start + length], length)
    if protocol == 51:
        if length < 12:
            return AH_TRUNCATED
        if captured > 1:
            header = (data[start + 1] + 2) << 2
            if header < 12 or header > length:
                return AH_LENGTH
        return Packet(_AH, source, destination, 0, 0, data[start : start + length], length)
    return _OTHER.get(protocol, OTHER_PROTOCOL)
