"""Capture files, whole: pcap, pcapng and gzip, read frame by frame, in batches, and through replay."""

from __future__ import annotations

import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

from enforcer import replay
from enforcer.config import Config
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Standing
from enforcer.policy import Policy
from enforcer.registry.lookup import Registry
from enforcer.registry.registrations import Registrations
from enforcer.subscribers.table import SessionTable
from enforcer.wire import link, stream
from enforcer.wire.capture import CaptureError, Frame, open_capture
from enforcer.wire.packet import NotParsed, Packet
from tests.fuzz.frames import block, ip_packet, links, pcap, pcapng, zipped
from tests.unit.fingerprints.samples import samples

LONGEST = 3000
_PATH = Path(mkdtemp(prefix="enforcer-fuzz-", dir="/dev/shm")) / "capture"
_CONFIG = Config()
_POLICY = Policy(_CONFIG, Registry(Registrations.of(()), None), SessionTable(60.0, 8), Exemptions(_CONFIG.exempt))
# Small ones, so that records stand across their edges and allocating them does not take all the time.
_SMALL = ((stream, "WINDOW", 1 << 10), (stream, "CHUNK", 1 << 8), (replay, "FLOWS_KEPT", 64))
MOST_INFLATED = 1 << 20


def seeds() -> dict[str, bytes]:
    frames = [ip_packet(4, int(each.protocol), 40123, each.port, each.payload[:148]) for each in samples()[:5]]
    found: dict[str, bytes] = {}
    for order in "<>":
        found[f"pcap {order}"] = pcap(frames, 101, order)
        found[f"pcapng {order}"] = pcapng(frames, 101, order)
    for name, kind, frame in links(frames[0], 4):
        found[f"pcap {name}"] = pcap([frame], kind)
        found[f"pcapng {name}"] = pcapng([frame], kind)
    found["gzip"] = zipped(pcap(frames, 101))
    found["gzip twice"] = zipped(pcap(frames[:1], 101)) + zipped(pcap(frames, 101)[24:])
    found["two sections"] = pcapng(frames[:1], 101) + pcapng(frames[1:2], 101, ">")
    found["other blocks"] = pcapng(frames[:1], 101) + block(5, bytes(12)) + block(0xBAD, bytes(20))
    found["cut"] = pcap(frames, 101)[:-7]
    return found


def one(data: bytes) -> None:
    with ExitStack() as stack:
        for module, name, value in _SMALL:
            stack.enter_context(patch.object(module, name, value))
        _one(data)


def _one(data: bytes) -> None:
    with suppress(zlib.error):
        if len(zlib.decompressobj(31).decompress(data, MOST_INFLATED)) >= MOST_INFLATED:
            return
    _PATH.write_bytes(data)
    frames: list[Frame] = []
    told = _read(frames)
    for number, frame in enumerate(frames, 1):
        assert frame.number == number
        assert len(frame.data) <= frame.wire_length
    again = replay.Replay(Engine(_POLICY))
    with suppress(CaptureError), open_capture(_PATH) as capture:
        for _ in again.feed(capture.records):
            pass
    assert again.frames == len(frames), f"replay saw {again.frames} frames of {len(frames)}"
    assert told is None or told.startswith(f"{_PATH}: "), told
    _same(again, frames)


def _read(frames: list[Frame]) -> str | None:
    try:
        with open_capture(_PATH) as capture:
            frames.extend(capture)
    except CaptureError as error:
        return str(error)
    return None


def _same(seen: replay.Replay, frames: list[Frame]) -> None:
    """Replay in bulk has read what can be read alone, and reports no frame that cannot."""
    unread = 0
    for frame in frames:
        found = link.decode(frame.link_type, frame.data, frame.wire_length)
        unread += isinstance(found, NotParsed)
    assert sum(seen.not_parsed.values()) >= unread, "a frame that cannot be read was not told"
    for report in seen.reports():
        frame = frames[report.frame - 1]
        found = link.decode(frame.link_type, frame.data, frame.wire_length)
        assert not isinstance(found, NotParsed)
        if isinstance(found, Packet):
            assert found.protocol.label == report.transport
        assert report.decision.detection.standing is not Standing.CANDIDATE
