"""Scapy as oracle: what both read they read alike, and of damaged bytes we never claim more than scapy."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption, fragment
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    IPv6ExtHdrSegmentRouting,
    PadN,
    _IPv6ExtHdr,
    fragment6,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import NoPayload, Raw

from enforcer.wire.ip import parse
from enforcer.wire.link import decode
from enforcer.wire.packet import Fragment, NotParsed, Packet, Protocol
from enforcer.wire.reassembly import Reassembler

_fragment: Any = fragment
_fragment6: Any = fragment6
_TRANSPORTS = {Protocol.UDP: UDP, Protocol.TCP: TCP, Protocol.ESP: ESP, Protocol.AH: AH}
ports = st.integers(0, 65535)


def text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


@st.composite
def built(draw: st.DrawFn) -> bytes:
    """An IP packet with options or extension headers, perhaps a fragment, and any transport."""
    if draw(st.booleans()):
        options = [IPOption(b"\x94\x04\x00\x00")] * draw(st.integers(0, 10))
        source, destination = draw(st.binary(min_size=4, max_size=4)), draw(st.binary(min_size=4, max_size=4))
        flags, offset = draw(st.sampled_from([(0, 0), ("DF", 0), ("MF", 0), ("MF", 3), (0, 185)]))
        layers: Any = IP(src=text(source), dst=text(destination), options=options, flags=flags, frag=offset)
    else:
        source, destination = draw(st.binary(min_size=16, max_size=16)), draw(st.binary(min_size=16, max_size=16))
        layers = IPv6(src=text(source), dst=text(destination))
        for kind in draw(st.lists(st.sampled_from(range(5)), max_size=4)):
            layers /= (
                IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]),
                IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]),
                IPv6ExtHdrRouting(addresses=["2001:db8::1"], segleft=0),
                IPv6ExtHdrFragment(offset=0, m=0, id=7),
                IPv6ExtHdrFragment(offset=draw(st.integers(0, 200)), m=draw(st.integers(0, 1)), id=8),
            )[kind]
    payload = draw(st.binary(max_size=120))
    transport: Any = draw(
        st.sampled_from(
            [
                UDP(sport=draw(ports), dport=draw(ports)) / Raw(payload),
                TCP(sport=draw(ports), dport=draw(ports), options=[("NOP", None), ("Timestamp", (1, 2))])
                / Raw(payload),
                ESP(spi=0x100, seq=1, data=payload),
                AH(nh=59, payloadlen=4, spi=0x100, seq=1, icv=bytes(12)) / Raw(payload),
                Raw(payload),
            ]
        )
    )
    return bytes(layers / transport)


def layers_of(data: bytes) -> list[Any]:
    layer: Any = IPv6(data) if data[:1] and data[0] >> 4 == 6 else IP(data)
    found = []
    while not isinstance(layer, NoPayload):
        found.append(layer)
        layer = layer.payload
    return found


def _misread(layer: Any) -> bool:
    """Routing headers that scapy ends elsewhere than their length says: it counts in whole addresses."""
    return isinstance(layer, IPv6ExtHdrSegmentRouting) or (isinstance(layer, IPv6ExtHdrRouting) and layer.len % 2)


def compare(ours: Packet | Fragment, data: bytes) -> None:
    """AssertionError when scapy reads other ends, another transport, another place, or fewer bytes."""
    outer, *inner = layers_of(data)
    stated = outer.len if outer.version == 4 else outer.plen
    # A length of 0 is segmentation left to the network card to us, and nothing at all to scapy.
    if not stated or any(map(_misread, inner)):
        return
    assert socket.inet_pton(socket.AF_INET if outer.version == 4 else socket.AF_INET6, outer.src) == ours.source
    assert (
        socket.inet_pton(socket.AF_INET if outer.version == 4 else socket.AF_INET6, outer.dst) == ours.destination
    )
    at = outer.ihl * 4 if outer.version == 4 else 40
    total = stated if outer.version == 4 else stated + 40
    for layer in inner:
        if not isinstance(layer, _IPv6ExtHdr):
            break
        partial = isinstance(layer, IPv6ExtHdrFragment) and (layer.offset or layer.m)
        at += 8 if isinstance(layer, IPv6ExtHdrFragment) else (layer.len + 1) * 8
        if partial:
            assert isinstance(ours, Fragment)
            assert (ours.offset, ours.more, ours.identification) == (layer.offset * 8, bool(layer.m), layer.id)
            break
    if isinstance(ours, Fragment):
        if outer.version == 4:
            assert (ours.offset, ours.more, ours.identification) == (
                outer.frag * 8,
                bool(outer.flags.MF),
                outer.id,
            )
        assert ours.data == data[at:total]
        assert ours.data_length == total - at
        return
    transport = _TRANSPORTS[ours.protocol]
    found = [layer for layer in inner if isinstance(layer, transport)]
    if not found:
        # Scapy makes no layer of less than a whole ESP or AH header; we count the packet by its number.
        assert ours.protocol in (Protocol.ESP, Protocol.AH), inner
        return
    head, length = 0, total - at
    if ours.protocol in (Protocol.UDP, Protocol.TCP):
        assert (found[0].sport, found[0].dport) == (ours.source_port, ours.destination_port)
        head = 8 if ours.protocol is Protocol.UDP else found[0].dataofs * 4
        if ours.protocol is Protocol.UDP:
            length = found[0].len
    assert ours.payload == data[at + head : at + length]
    assert ours.payload_length == length - head


@settings(max_examples=300, deadline=None)
@given(built(), st.lists(st.integers(0, 4095), max_size=3), st.integers(0, 20))
def test_what_is_built_is_read_alike(data: bytes, vlans: list[int], padding: int) -> None:
    ours = parse(data, len(data))
    if not isinstance(ours, NotParsed):
        compare(ours, data)
    frame: Any = Ether()
    for vlan in vlans:
        frame /= Dot1Q(vlan=vlan)
    below: Any = frame.lastlayer()
    below.type = 0x0800 if data[0] >> 4 == 4 else 0x86DD
    whole = bytes(frame / Raw(data)) + bytes(padding)
    assert decode(1, whole, len(whole)) == ours


@settings(max_examples=500, deadline=None, derandomize=True)
@given(built(), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_of_damaged_bytes_never_more_than_scapy(
    data: bytes, damage: list[tuple[int, int]], more: st.DataObject
) -> None:
    spoilt = bytearray(data)
    for at, value in damage:
        spoilt[at % len(spoilt)] = value
    cut = bytes(spoilt[: more.draw(st.integers(0, len(spoilt)))]) if more.draw(st.booleans()) else bytes(spoilt)
    ours = parse(cut, len(cut))
    if not isinstance(ours, NotParsed):
        compare(ours, cut)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=100, max_size=1500), st.sampled_from([4, 6]), st.integers(1, 8), st.randoms())
def test_what_scapy_fragments_is_joined(payload: bytes, version: int, units: int, order: Any) -> None:
    transport: Any = UDP(sport=1, dport=2) / Raw(payload)
    pieces: list[Any]
    if version == 4:
        pieces = _fragment(IP(src="192.0.2.1", dst="192.0.2.2", id=7) / transport, fragsize=units * 64)
    else:
        ends: Any = IPv6(src="2001:db8::1", dst="2001:db8::2")
        pieces = _fragment6(ends / IPv6ExtHdrFragment(id=7) / transport, 48 + units * 64)
    order.shuffle(pieces)
    reassembler = Reassembler(8, 30.0)
    results = []
    for piece in map(bytes, pieces):
        ours = parse(piece, len(piece))
        results.append(reassembler.add(ours, 0.0) if isinstance(ours, Fragment) else ours)
    assert all(each is None for each in results[:-1])
    assert isinstance(results[-1], Packet)
    assert results[-1].payload == payload
