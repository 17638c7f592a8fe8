"""What docs/placement.md says of asymmetric routing, held to recordings of which only one direction is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapReader, PcapWriter

from enforcer.fingerprints.detection import Standing
from tests.corpus.recorded import FOLDER, Recording, recordings, replay

DETECTED = [recording for recording in recordings() if recording.detected]

OPENED_BY_THE_TLS_SERVER = "openvpn-p2p-tls-udp4.pcap"
"""Point to point, the TLS server's reset came first here, and it is the TLS client's that is proof."""


def one_direction(path: Path, client: str, from_client: bool, target: Path) -> Path:
    """The packets of a recording that the client sent, or those that it did not."""
    with PcapReader(str(path)) as reader, PcapWriter(str(target)) as writer:
        for packet in reader:
            ip = packet.getlayer(IP) or packet.getlayer(IPv6)
            if ip is not None and (ip.src == client) is from_client:
                writer.write(packet)
    return target


def proven(recording: Recording, from_client: bool, folder: Path) -> bool:
    """Whether one direction alone proves a handshake, which is what may be refused."""
    path = FOLDER / recording.file
    client = replay(path)[0].client.rpartition(":")[0].strip("[]")
    reports = replay(one_direction(path, client, from_client, folder / recording.file))
    detections = [report.decision.detection for report in reports]
    return any(found.standing is Standing.PROVEN and found.handshake for found in detections)


@pytest.mark.parametrize("recording", DETECTED, ids=lambda recording: recording.file)
def test_the_initiators_direction_is_enough(recording: Recording, tmp_path: Path) -> None:
    assert proven(recording, recording.file != OPENED_BY_THE_TLS_SERVER, tmp_path)


@pytest.mark.parametrize("recording", DETECTED, ids=lambda recording: recording.file)
def test_the_answers_alone_prove_ike_and_nothing_else(recording: Recording, tmp_path: Path) -> None:
    alone = proven(recording, recording.file == OPENED_BY_THE_TLS_SERVER, tmp_path)
    assert alone is (recording.family == "ipsec")
