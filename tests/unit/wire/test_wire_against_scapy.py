"""Packets built by scapy, an independent implementation, come out with the fields scapy put in; damaged ones
never raise and never show more than was there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import CookedLinux, Dot1AD, Dot1Q, Ether, Loopback
from scapy.layers.ppp import PPP, PPPoE
from scapy.packet import Raw

from enforcer.wire.ip import parse
from enforcer.wire.link import decode
from enforcer.wire.packet import Fragment, NotParsed, Packet, Protocol

LINK_TYPES = [0, 1, 6, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 192, 228, 229, 239, 276, 147]

addresses4 = st.binary(min_size=4, max_size=4)
addresses6 = st.binary(min_size=16, max_size=16)
ports = st.integers(0, 65535)
payloads = st.binary(max_size=300)


def text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


@st.composite
def ip_packets(draw: st.DrawFn) -> tuple[bytes, Packet]:
    """An IP packet made by scapy, and what we expect to read from it."""
    if draw(st.booleans()):
        source, destination = draw(addresses4), draw(addresses4)
        options = [IPOption(b"\x94\x04\x00\x00")] * draw(st.integers(0, 3))
        layers: Any = IP(src=text(source), dst=text(destination), options=options, flags="DF")
    else:
        source, destination = draw(addresses6), draw(addresses6)
        layers = IPv6(src=text(source), dst=text(destination))
        extensions: list[Callable[[], Any]] = [
            lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]),
            lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]),
            lambda: IPv6ExtHdrRouting(addresses=["2001:db8::1"], segleft=0),
        ]
        for extension in draw(st.lists(st.sampled_from(extensions), max_size=3)):
            layers /= extension()
    payload = draw(payloads)
    kind = draw(st.sampled_from(list(Protocol)))
    source_port, destination_port = draw(ports), draw(ports)
    if kind is Protocol.UDP:
        data = bytes(layers / UDP(sport=source_port, dport=destination_port) / Raw(payload))
    elif kind is Protocol.TCP:
        options = draw(st.sampled_from([[], [("MSS", 1460)], [("NOP", None), ("Timestamp", (1, 2))]]))
        data = bytes(layers / TCP(sport=source_port, dport=destination_port, options=options) / Raw(payload))
    else:
        source_port = destination_port = 0
        if kind is Protocol.ESP:
            inner = bytes(ESP(spi=0x100, seq=1, data=payload))
            data = bytes(layers / ESP(spi=0x100, seq=1, data=payload))
        else:
            inner = bytes(AH(nh=59, payloadlen=4, spi=0x100, seq=1, icv=bytes(12)) / Raw(payload))
            data = bytes(layers / AH(nh=59, payloadlen=4, spi=0x100, seq=1, icv=bytes(12)) / Raw(payload))
        payload = inner
    return data, Packet(kind, source, destination, source_port, destination_port, payload, len(payload))


@settings(max_examples=60, deadline=None)
@given(ip_packets())
def test_ip_packets_of_scapy(case: tuple[bytes, Packet]) -> None:
    data, expected = case
    assert parse(data, len(data)) == expected
    assert decode(101, data, len(data)) == expected


@settings(max_examples=60, deadline=None)
@given(ip_packets(), st.integers(0, 4095))
def test_links_of_scapy(case: tuple[bytes, Packet], vlan: int) -> None:
    data, expected = case
    ip: Any = Raw(data)
    kind, family, ppp = (0x0800, 2, 0x0021) if len(expected.source) == 4 else (0x86DD, 30, 0x0057)
    frames: list[tuple[int, Any]] = [
        (1, Ether(type=kind) / ip),
        (1, Ether() / Dot1Q(vlan=vlan, type=kind) / ip),
        (1, Ether() / Dot1AD(vlan=vlan) / Dot1Q(vlan=vlan, type=kind) / ip),
        (1, Ether() / PPPoE(sessionid=1) / PPP(proto=ppp) / ip),
        (113, CookedLinux(proto=kind) / ip),
        (0, Loopback(type=family) / ip),
    ]
    for link_type, frame in frames:
        built = bytes(frame)
        assert decode(link_type, built, len(built)) == expected, frame.summary()


@settings(max_examples=60, deadline=None)
@given(ip_packets(), st.data())
def test_a_truncated_packet_never_shows_what_was_cut(case: tuple[bytes, Packet], data: st.DataObject) -> None:
    whole, expected = case
    cut = data.draw(st.integers(0, len(whole)))
    parsed = parse(whole[:cut], len(whole))
    if isinstance(parsed, Packet):
        assert parsed._replace(payload=b"") == expected._replace(payload=b"")
        hidden = len(whole) - cut
        assert parsed.payload == expected.payload[: max(0, len(expected.payload) - hidden)]
    else:
        assert isinstance(parsed, NotParsed)
        assert cut < len(whole)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LINK_TYPES), st.binary(max_size=120), st.integers(0, 200))
@example(1, bytes(12) + b"\x88\x47" * 50, 0)
def test_random_bytes_never_raise(link_type: int, data: bytes, beyond: int) -> None:
    parsed = decode(link_type, data, len(data) + beyond)
    if isinstance(parsed, Packet):
        assert parsed.payload in data
        assert len(parsed.payload) <= parsed.payload_length
    elif isinstance(parsed, Fragment):
        assert parsed.data in data
        assert len(parsed.data) <= parsed.data_length


@settings(max_examples=150, deadline=None)
@given(ip_packets(), st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_headers_never_raise(case: tuple[bytes, Packet], damage: list[tuple[int, int]]) -> None:
    data = bytearray(case[0])
    for position, value in damage:
        data[position % len(data)] = value
    parsed = parse(bytes(data), len(data))
    if isinstance(parsed, Packet):
        assert parsed.payload in bytes(data)
        assert len(parsed.payload) <= parsed.payload_length
