"""The shapes' third backend says exactly what `Shape.matches` says, packet by packet."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from enforcer.bulk.headers import read_headers
from enforcer.bulk.sieve import Sieve
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.wire import link
from enforcer.wire.batch import Batch
from enforcer.wire.capture import CaptureError, open_capture
from enforcer.wire.packet import Packet
from tests.unit.bulk.captures import capture

SHAPES = all_shapes()


def test_hits_are_the_packets_with_a_shape_and_headers_are_the_decoder_s(tmp_path: Path) -> None:
    sieve = Sieve(SHAPES)
    path = tmp_path / "random.pcap"
    matched: set[str] = set()
    read = 0
    for seed in range(1000, 1080):
        path.write_bytes(capture(Random(seed)))
        try:
            with open_capture(path) as capture_:
                for batch in capture_.records:
                    if isinstance(batch, Batch):
                        read += compare(batch, sieve, matched)
        except CaptureError:
            pass
    assert read > 2000
    assert matched == {shape.name for shape in SHAPES}


def compare(batch: Batch, sieve: Sieve, matched: set[str]) -> int:
    headers = read_headers(batch)
    hits = set(sieve.hits(headers).tolist())
    for index in np.flatnonzero(headers.read).tolist():
        frame = batch.frame(index)
        packet = link.decode(frame.link_type, frame.data, frame.wire_length)
        assert isinstance(packet, Packet)
        shapes = {shape.name for shape in SHAPES if shape.matches(packet)}
        matched |= shapes
        assert (index in hits) == bool(shapes)
        assert headers.protocol[index] == packet.protocol
        assert headers.length[index] == packet.payload_length
        assert headers.captured[index] == len(packet.payload)
        start = headers.payload[index]
        assert headers.octets[start : start + len(packet.payload)].tobytes() == packet.payload
    return int(headers.read.sum())
