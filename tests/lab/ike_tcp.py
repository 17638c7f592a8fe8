"""IKE over TCP (RFC 9329), built from the messages of a recorded UDP exchange: no software here speaks it.

The originator sends ``IKETCP`` once (§3.3); then each message stands behind a 16-bit length that counts itself,
IKE behind the four zero bytes of the non-ESP marker, ESP without (§3.1, §3.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import rdpcap, wrpcap

_PREFIX = b"IKETCP"
_MARKER = bytes(4)
_PORT = 4500


def build(recorded: Path, target: Path) -> None:
    """Write ``target``: the IKE and ESP messages of the recorded NAT-T exchange as one TCP connection."""
    packets = [packet for packet in rdpcap(str(recorded)) if UDP in packet]
    wrpcap(str(target), list(_connection(packets)), linktype=1)


def _connection(packets: list[Packet]) -> Iterator[Packet]:
    client = str(packets[0][IP].src)
    server = str(packets[0][IP].dst)
    ports = {client: 49152, server: _PORT}
    sequence = {client: 1000, server: 5000}
    time = float(packets[0].time)

    def segment(source: str, flags: str, data: bytes = b"") -> Packet:
        nonlocal time
        time += 0.0001
        destination = server if source == client else client
        packet = (
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
            / IP(src=source, dst=destination)
            / TCP(
                sport=ports[source],
                dport=ports[destination],
                flags=flags,
                seq=sequence[source],
                ack=sequence[destination] if "A" in flags else 0,
            )
            / data
        )
        packet.time = time
        sequence[source] += len(data) + ("S" in flags or "F" in flags)
        return packet

    yield segment(client, "S")
    yield segment(server, "SA")
    yield segment(client, "A")
    yield segment(client, "PA", _PREFIX)
    for packet in packets:
        time = max(time, float(packet.time))
        yield segment(str(packet[IP].src), "PA", _framed(packet[UDP]))


def _framed(datagram: Packet) -> bytes:
    payload = bytes(datagram.payload)
    on_500 = datagram.sport == 500 or datagram.dport == 500
    message = _MARKER + payload if on_500 else payload
    return struct.pack("!H", len(message) + 2) + message
