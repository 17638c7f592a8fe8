"""What replay reports of a flow."""

from __future__ import annotations

import struct

import pytest

from enforcer import replay
from enforcer.engine import Engine
from enforcer.replay import Replay
from enforcer.wire.frame import Frame
from tests.unit.fingerprints.builders import wg_data, wg_initiation
from tests.unit.policy.worlds import NOW, World

RAW = 101


def frame(number: int, port: int, payload: bytes) -> Frame:
    """A datagram from 10.0.0.1 to 10.0.0.2, as raw IP."""
    datagram = struct.pack(">HHHH", port, 51820, 8 + len(payload), 0) + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    data = header + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + datagram
    return Frame(number, NOW, RAW, data, len(data))


def test_a_flow_forgotten_at_the_bound_keeps_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "FLOWS_KEPT", 2)
    others = [frame(2 + n, 1000 + n, b"x") for n in range(3000)]
    one = Replay(Engine(World().policy()))
    list(one.feed([[frame(1, 50000, wg_initiation()), *others], [frame(5, 50000, wg_data())]]))
    assert [(report.frame, report.as_object("")["proven"]) for report in one.reports()] == [(1, True)]
