"""Other protocols as their own libraries write them, their identifiers set to what our handshakes begin with.

The builders are scapy's layers, with every field it can vary varied, and dnspython; PostgreSQL's statistics,
CAPWAP and DNP3, which neither has, are written from their definitions. ``python -m
tests.unit.fingerprints.test_lookalikes_libraries`` prints the counts.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import pytest
from scapy.contrib.bfd import BFD
from scapy.contrib.coap import CoAP
from scapy.contrib.diameter import DiamG
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTPHeader
from scapy.contrib.mqttsn import MQTTSN
from scapy.contrib.oncrpc import RPC, RPC_Call
from scapy.contrib.pfcp import PFCP
from scapy.contrib.ptp_v2 import PTP
from scapy.contrib.stun import STUN
from scapy.layers.dhcp import BOOTP
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.hsrp import HSRP
from scapy.layers.l2 import Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.netflow import NetflowHeader, NetflowHeaderV5
from scapy.layers.ntp import NTPHeader
from scapy.layers.quic import QUIC_Initial
from scapy.layers.radius import Radius
from scapy.layers.rip import RIP
from scapy.layers.rtp import RTP
from scapy.layers.snmp import SNMP
from scapy.layers.tftp import TFTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw, fuzz

from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Protocol
from tests.unit.fingerprints.builders import NOW, reply, udp

EACH = 40
PORTS = (53, 161, 443, 500, 1194, 4500, 51820)
SIZES = (14, 26, 38, 42, 50, 54, 64, 66, 72, 86, 92, 148)
IDS = (0x0100, 0x0200, 0x0300, 0x0400, 0x3800, 0x4000, 0x5000, 0x3801, 0x40FF)
WORDS = (1 << 24, 2 << 24, 3 << 24, 0x38000000, 0x40000000, 0x50000000, 0x38ABCDEF, 0x40000001)
_SEED = 20261122
_ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def _varied(layer: Callable[[], Any]) -> Iterator[bytes]:
    for _ in range(EACH):
        yield bytes(fuzz(layer()))


def _padded(layer: Callable[[], Any]) -> Iterator[bytes]:
    """With a payload that brings it to each telling length."""
    for size in SIZES:
        head = bytes(layer())
        for rest in (bytes(size), random.randbytes(size)):
            yield (head + rest)[:size]


def _dnspython() -> Iterator[bytes]:
    for identifier in IDS:
        for count in range(1, 60, 3):
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.TXT):
                query = dns.message.make_query("a" * count + ".example.com.", kind, use_edns=count % 2 == 0)
                query.id = identifier
                yield query.to_wire()
                yield dns.message.make_response(query).to_wire()
                query.flags = dns.flags.Flag(0)
                yield query.to_wire()


def _postgres_statistics() -> Iterator[bytes]:
    """pgstat.h of PostgreSQL 14 and earlier: message type (1..), size, then counters; little-endian."""
    for kind in (1, 2, 3):
        for size in SIZES:
            body = struct.pack("<ii", kind, size) + struct.pack("<IIi", 16384, 0, 1)
            yield body.ljust(size, b"\0")[:size]


def _capwap() -> Iterator[bytes]:
    """RFC 5415 §4.3: preamble 0 or 1, header length, radio id, flags."""
    for preamble in (b"\0\x10\2\0", b"\1\0\0\0"):
        for size in SIZES:
            yield (preamble + bytes(4) + random.randbytes(size))[:size]
            yield (preamble + bytes(size))[:size]


def _dnp3() -> Iterator[bytes]:
    """IEEE 1815 §9.2: 05 64, length, control, addresses, CRC; here also where the length spells an opcode."""
    for size in (0x38, 0x40, 0x50):
        yield b"\5\x64" + bytes((size, 0xC4)) + struct.pack("<HH", 1, 2) + random.randbytes(size)


def _rpc() -> Iterator[bytes]:
    for word in WORDS:
        for size in range(0, 120, 4):
            call = RPC(xid=word, mtype=0) / RPC_Call(version=2, program=100003, pversion=3, procedure=size // 4)
            yield bytes(call / Raw(bytes(size)))


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "dnspython": _dnspython,
    "PostgreSQL statistics": _postgres_statistics,
    "CAPWAP": _capwap,
    "DNP3": _dnp3,
    "ONC RPC": _rpc,
    "DNS": lambda: (
        bytes(DNS(id=i, rd=rd, qr=qr, qd=DNSQR(qname="a" * n + ".pk")))
        for i in IDS
        for rd in (0, 1)
        for qr in (0, 1)
        for n in range(1, 62, 4)
    ),
    "DNS varied": lambda: _varied(DNS),
    "SNMP": lambda: (bytes(SNMP(community=b"c" * n)) for n in range(1, 120)),
    "BFD": lambda: _varied(BFD),
    "VXLAN": lambda: _padded(lambda: VXLAN(vni=42) / _ETHER),
    "GENEVE": lambda: _padded(lambda: GENEVE() / _ETHER),
    "GTP-U": lambda: _padded(lambda: GTPHeader(teid=7)),
    "PFCP": lambda: _varied(PFCP),
    "CoAP": lambda: (bytes(CoAP(type=t, code=c, msg_id=i) / Raw(bytes(n))) for t in range(4) for c in (1, 2, 69)
                     for i in IDS for n in range(12)),
    "Diameter": lambda: _varied(DiamG),
    "MQTT-SN": lambda: _varied(MQTTSN),
    "PTP": lambda: _varied(PTP),
    "STUN": lambda: _padded(STUN),
    "BOOTP": lambda: (bytes(BOOTP(op=1, htype=0, hlen=0, hops=0, xid=x)) for x in range(EACH)),
    "DHCPv6": lambda: _varied(DHCP6_Solicit),
    "HSRP": lambda: _varied(HSRP),
    "L2TP": lambda: _padded(L2TP),
    "NetFlow 5": lambda: _padded(lambda: NetflowHeader(version=5) / NetflowHeaderV5(sysUptime=1)),
    "NTP": lambda: _varied(NTPHeader),
    "QUIC": lambda: _padded(QUIC_Initial),
    "RADIUS": lambda: (bytes(Radius(code=c, id=0)).ljust(s, b"\0") for c in (1, 2, 56, 64, 80) for s in SIZES),
    "RIP": lambda: (bytes(RIP(cmd=c, version=0)).ljust(s, b"\0") for c in (1, 2, 3) for s in SIZES),
    "RTP": lambda: _padded(RTP),
    "TFTP": lambda: _varied(TFTP),
}  # fmt: skip


def count(name: str) -> int:
    """How many packets of one protocol, over UDP and TCP, on each port, were looked at; none may be proven."""
    random.seed(_SEED)
    counted = 0
    for payload in MAKERS[name]():
        assert isinstance(payload, bytes)
        framed = struct.pack(">H", len(payload)) + payload
        for port in PORTS:
            one = udp(payload, destination=("198.51.100.7", port))
            over = one._replace(protocol=Protocol.TCP)
            tcp = over._replace(payload=framed, payload_length=len(framed))
            for packet in (one, reply(one, payload), over, tcp, reply(tcp, framed)):
                detection = Detector(1).inspect(packet, NOW)
                assert detection is None or detection.standing is not Standing.PROVEN, (name, port, payload.hex())
                counted += 1
    return counted


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_library_writes_is_not_proven(name: str) -> None:
    assert count(name) >= 100


if __name__ == "__main__":
    counts = {name: count(name) for name in MAKERS}
    print(f"{len(counts)} protocols, {sum(counts.values()):,} packets: 0 proven")
