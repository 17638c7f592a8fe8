"""From an EtherType, an LLC header or a PPP protocol number to the IP packet behind it.

Between a link header and IP may stand VLAN tags (IEEE 802.1Q), MPLS label stacks (RFC 3032), PPPoE
(RFC 2516) and LLC/SNAP (RFC 1042). All integers are big-endian. Nothing here raises.
"""

from __future__ import annotations

from enforcer.wire.ip import parse
from enforcer.wire.packet import Fragment, NotParsed, Packet

IPV4 = 0x0800
IPV6 = 0x86DD
# IEEE 802.1Q C-tag and S-tag, and two numbers switches used for stacked tags before 802.1ad.
VLAN = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_MPLS = frozenset({0x8847, 0x8848})  # RFC 3032 §5, RFC 5332 §3
PPPOE_SESSION = 0x8864
_LLC_LARGEST_LENGTH = 1500  # IEEE 802.3 clause 3.2.6: up to here the field is a length

_SNAP_ETHERTYPE = frozenset({b"\x00\x00\x00", b"\x00\x00\xf8"})  # RFC 1042; IEEE 802.1H bridge tunnel

PPP_IPV4 = 0x0021
PPP_IPV6 = 0x0057
_PPP_MPLS = frozenset({0x0281, 0x0283})  # RFC 3032 §4.3

NOT_IP = NotParsed("link payload is not IP")
VLAN_TRUNCATED = NotParsed("VLAN tag cut short")
MPLS_TRUNCATED = NotParsed("MPLS label stack cut short")
MPLS_NOT_IP = NotParsed("MPLS payload is not IP")
PPPOE_TRUNCATED = NotParsed("PPPoE header cut short")
PPPOE_NOT_SESSION = NotParsed("PPPoE header is not a session's")
PPP_TRUNCATED = NotParsed("PPP header cut short")
LLC_TRUNCATED = NotParsed("LLC header cut short")


def parse_ethertype(ethertype: int, data: bytes, at: int, wire_length: int) -> Packet | Fragment | NotParsed:
    """What the EtherType announces at ``at`` of the frame; ``wire_length`` is the frame's."""
    while True:
        if ethertype in (IPV4, IPV6):
            return parse(data[at:], wire_length - at)
        if ethertype in VLAN:
            if len(data) < at + 4:
                return VLAN_TRUNCATED
            ethertype = data[at + 2] << 8 | data[at + 3]
            at += 4
        elif ethertype in _MPLS:
            return _parse_mpls(data, at, wire_length)
        elif ethertype == PPPOE_SESSION:
            return parse_pppoe(data, at, wire_length)
        elif ethertype <= _LLC_LARGEST_LENGTH:
            # SNAP may name an EtherType again; each round has moved on by 8 bytes.
            if data[at : at + 3] != b"\xaa\xaa\x03":
                return parse_llc(data, at, wire_length)
            if len(data) < at + 8:
                return LLC_TRUNCATED
            if data[at + 3 : at + 6] not in _SNAP_ETHERTYPE:
                return NOT_IP
            ethertype = data[at + 6] << 8 | data[at + 7]
            at += 8
        else:
            return NOT_IP


def parse_llc(data: bytes, at: int, wire_length: int) -> Packet | Fragment | NotParsed:
    """An IEEE 802.2 LLC header: SNAP (RFC 1042), or IP by its own SAP 06 (LLCSAP_IP of libpcap's llc.h)."""
    head = data[at : at + 3]
    if len(head) < 3:
        return LLC_TRUNCATED
    if head == b"\xaa\xaa\x03":
        return parse_ethertype(0, data, at, wire_length)
    if head == b"\x06\x06\x03":
        return parse(data[at + 3 :], wire_length - at - 3)
    return NOT_IP


def _parse_mpls(data: bytes, at: int, wire_length: int) -> Packet | Fragment | NotParsed:
    """Skip the label stack; the payload's first nibble tells IPv4 from IPv6 (RFC 4928)."""
    while True:
        if len(data) < at + 4:
            return MPLS_TRUNCATED
        bottom = data[at + 2] & 1
        at += 4
        if bottom:
            break
    if len(data) <= at:
        return MPLS_TRUNCATED
    if data[at] >> 4 not in (4, 6):
        return MPLS_NOT_IP
    return parse(data[at:], wire_length - at)


def parse_pppoe(data: bytes, at: int, wire_length: int) -> Packet | Fragment | NotParsed:
    """A PPPoE session packet (RFC 2516 §4): version and type 1, code 0, session, length, then PPP."""
    if len(data) < at + 6:
        return PPPOE_TRUNCATED
    if data[at] != 0x11 or data[at + 1] != 0:
        return PPPOE_NOT_SESSION
    return parse_ppp(data, at + 6, wire_length)


def parse_ppp(data: bytes, at: int, wire_length: int) -> Packet | Fragment | NotParsed:
    """A PPP protocol field (RFC 1661 §2), of one byte when compressed (§6.5: the low bit of its first byte is
    set), then its payload."""
    if len(data) < at + 2:
        return PPP_TRUNCATED
    protocol = data[at]
    at += 1
    if not protocol & 1:
        protocol = protocol << 8 | data[at]
        at += 1
    if protocol in (PPP_IPV4, PPP_IPV6):
        return parse(data[at:], wire_length - at)
    if protocol in _PPP_MPLS:
        return _parse_mpls(data, at, wire_length)
    return NOT_IP
