"""Captures of every link type there could be: LINKTYPE numbers have 16 bits. None breaks replay, and every frame
of a type that is not read is told."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.policy import Policy
from enforcer.registry.lookup import Registry
from enforcer.registry.registrations import Registrations
from enforcer.replay import Replay
from enforcer.subscribers.table import SessionTable
from enforcer.wire.capture import open_capture
from enforcer.wire.link import UNKNOWN_LINK_TYPE
from tests.fuzz.frames import block, ip_packet, links, pcap
from tests.unit.fingerprints.builders import wg_initiation

ALL = range(2**16)
HANDSHAKE = ip_packet(4, 17, 40123, 51820, wg_initiation())
READ = {kind for _, kind, _ in links(HANDSHAKE, 4)} | {kind for _, kind, _ in links(HANDSHAKE, 6)} | {12, 14}
"""What the documentation says is read; 12 and 14 are two systems' numbers for raw IP."""
BARE = {12, 14, 101, 228, 229}
"""Where a frame is an IP packet and nothing else."""


def replayed(path: Path) -> Replay:
    config = Config()
    registry = Registry(Registrations.of(()), None)
    replay = Replay(Engine(Policy(config, registry, SessionTable(60.0, 8), Exemptions(config.exempt))))
    with open_capture(path) as capture:
        for _ in replay.feed(capture.records):
            pass
    return replay


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("what", ["a handshake", "garbage"])
def test_one_capture_with_an_interface_of_every_link_type(tmp_path: Path, what: str, order: str) -> None:
    source = random.Random(643)
    parts = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)]
    parts += [block(1, struct.pack(order + "HHI", kind, 0, 0), order) for kind in ALL]
    for kind in ALL:
        frame = HANDSHAKE if what == "a handshake" else source.randbytes(source.randrange(80))
        head = struct.pack(order + "IIIII", kind, 0, kind, len(frame), len(frame))
        parts.append(block(6, head + frame, order))
    path = tmp_path / "all.pcapng"
    path.write_bytes(b"".join(parts))
    replay = replayed(path)
    assert replay.frames == len(ALL)
    unsupported = len(ALL) - len(READ)
    assert replay.not_parsed[UNKNOWN_LINK_TYPE.reason] == unsupported
    told = replay.unread()
    assert told is not None
    assert f"{unsupported} link type not supported" in told
    if what == "a handshake":
        (report,) = replay.reports()
        # The same flow behind each of them: its first packet decides.
        assert report.frame == min(BARE) + 1
        assert replay.packets == len(BARE)
    else:
        assert replay.reports() == []


@pytest.mark.parametrize("kind", [*sorted(READ), 2, 147, 163, 189, 220, 249, 265, 290, 643, 0xFFFF])
def test_a_capture_of_one_link_type(tmp_path: Path, kind: int) -> None:
    source = random.Random(kind)
    frames = [source.randbytes(source.randrange(300)) for _ in range(200)] + [b"", bytes(60), b"\xff" * 60]
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(frames, kind))
    replay = replayed(path)
    assert replay.frames == len(frames)
    if kind not in READ:
        assert replay.not_parsed == {UNKNOWN_LINK_TYPE.reason: len(frames)}
    else:
        assert sum(replay.not_parsed.values()) + replay.packets <= len(frames)
