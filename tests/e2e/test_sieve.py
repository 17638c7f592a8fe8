"""Sieve ⊇ proof on the running kernel: the labelled captures' packets through the ruleset `run` loads.

Each packet is sent again with addresses that only number it, its ports and payload as they were: whatever user
space proves, or waits on, must have been queued. What was queued besides is counted by protocol.
"""

from __future__ import annotations

import ipaddress
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from netfilterqueue import Packet as QueuedPacket

from enforcer.config import Config
from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.gateway.backend import Installation, detect
from enforcer.gateway.nfqueue import Queue
from enforcer.wire.packet import Packet, Protocol
from tests.corpus.score import corpus_directory, labels, packets
from tests.lab.network import Lab
from tests.lab.tun import Tun

MTU = 65535
PER_MILLION = 1000
"""Queued packets that are no handshake, at most, per million of the corpus: it is made of the odd and the broken,
far from a network's mix, and still a thousandth."""


class Sample:
    """One packet to send: its number, and whether user space acts or waits on it."""

    def __init__(self, number: int, packet: Packet, needed: bool, proven: bool, name: str) -> None:
        self.number = number
        self.packet = packet
        self.needed = needed
        self.proven = proven
        self.name = name

    def octets(self) -> bytes:
        """The packet as sent: numbered addresses, the transport header anew, snapped bytes as zeros."""
        packet = self.packet
        payload = bytes(packet.payload).ljust(packet.payload_length, b"\0")
        if packet.protocol is Protocol.UDP:
            header = struct.pack(">HHHH", packet.source_port, packet.destination_port, 8 + len(payload), 0)
        else:
            header = struct.pack(
                ">HHIIBBHHH", packet.source_port, packet.destination_port, 1, 1, 5 << 4, 0x18, 9, 0, 0
            )
        body = header + payload
        if len(packet.source) == 4:
            source = struct.pack(">I", 0x0A000000 | self.number)
            fields = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, packet.protocol, 0)
            head = fields + source + ipaddress.ip_address("198.19.0.1").packed
            checksum = _checksum(head)
            return head[:10] + struct.pack(">H", checksum) + head[12:] + body
        source = ipaddress.ip_address("2001:db8:aaaa::").packed[:12] + struct.pack(">I", self.number)
        fields = struct.pack(">IHBB", 6 << 28, len(body), packet.protocol, 64)
        return fields + source + ipaddress.ip_address("2001:db8:bbbb::1").packed + body


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _samples(directory: Path) -> Iterator[Sample]:
    number = 0
    for file in sorted({key.file for key in labels(directory)}):
        detector = Detector()
        for at, packet in packets(directory / "files" / file):
            if packet.protocol not in (Protocol.UDP, Protocol.TCP):
                continue
            if packet.payload_length + 60 > MTU:
                continue
            number += 1
            detection = detector.inspect(packet, at)
            proven = detection is not None and detection.standing is Standing.PROVEN
            waiting = detection is not None and detection.standing is Standing.CANDIDATE
            name = "" if detection is None else f"{file}: {detection.family} {detection.message}"
            yield Sample(number, packet, proven or waiting, proven, name)


def _number_of(data: bytes) -> int:
    source = data[12:16] if data[0] >> 4 == 4 else data[20:24]
    return int.from_bytes(source) & 0xFFFFFF


def _queued(lab: Lab, samples: list[Sample]) -> set[int]:
    """The numbers of the packets that the ruleset queued."""
    found: set[int] = set()

    def take(queued: QueuedPacket) -> None:
        found.add(_number_of(queued.get_payload()[:40]))
        queued.drop()

    def work() -> None:
        config = Config(mode="enforce", enforce=("wireguard", "openvpn", "ipsec"))
        installation = Installation(detect(config))
        queue = Queue(config.gateway.queue, config.gateway.queue_length, take)
        installation.install(config, "")
        with Tun("in0") as tun, Tun("out0"):
            lab.gateway.run(["sh", "-ec", _ROUTES])
            for sample in samples:
                tun.write(sample.octets())
                queue.handle()
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                queue.handle()
        installation.remove()
        queue.close()

    lab.gateway.within(work)
    return found


_ROUTES = f"""
for tun in in0 out0; do ip link set $tun mtu {MTU} up; done
ip addr add 198.18.0.1/32 dev in0
ip addr add 198.18.0.2/32 dev out0
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in0.rp_filter=0
ip route add 10.0.0.0/8 dev in0
ip route add 198.19.0.1/32 dev out0
ip -6 route add 2001:db8:aaaa::/48 dev in0
ip -6 route add 2001:db8:bbbb::/48 dev out0
"""


@pytest.mark.skipif(
    not (corpus_directory() / "flows.tsv").exists(),
    reason="NOT TESTED: the labelled captures are not here (set ENFORCER_CORPUS)",
)
def test_what_user_space_proves_was_queued(capsys: pytest.CaptureFixture[str]) -> None:
    samples = list(_samples(corpus_directory()))
    with Lab(lines=()) as lab:
        queued = _queued(lab, samples)
    missed = [sample.name for sample in samples if sample.needed and sample.number not in queued]
    sent = Counter(sample.packet.protocol.label for sample in samples)
    needed = Counter(sample.packet.protocol.label for sample in samples if sample.needed)
    beside = Counter(s.packet.protocol.label for s in samples if s.number in queued and not s.needed)
    with capsys.disabled():
        print("\nprotocol     sent  handshakes  missed  queued besides  per million")
        for name in sorted(sent):
            lost = sum(s.packet.protocol.label == name for s in samples if s.needed and s.number not in queued)
            rate = beside[name] * 1e6 / sent[name]
            print(f"{name:8} {sent[name]:8} {needed[name]:11} {lost:7} {beside[name]:15} {rate:12.0f}")
    assert not missed
    assert any(sample.proven for sample in samples)
    assert sum(beside.values()) * 1e6 / len(samples) <= PER_MILLION
