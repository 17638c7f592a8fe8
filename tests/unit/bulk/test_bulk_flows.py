"""The table of flows against a dictionary: while it grows, and when it forgets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.bulk.flows import FlowHash, FlowTable
from enforcer.wire.packet import Packet, Protocol


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), flows=st.sampled_from([3, 3000, 30_000]), rounds=st.integers(1, 6))
def test_slots_are_the_flows(seed: int, flows: int, rounds: int) -> None:
    """The table fills to a half again and again: some flows share a slot at first."""
    random = np.random.default_rng(seed)
    keys = random.integers(0, 2**63, flows, np.uint64) & np.uint64(0xFFFF_0000_0003_FFFF) | np.uint64(1)
    table = FlowTable(10**6)
    first: dict[int, bool] = {}
    counts: dict[int, int] = {}
    for _ in range(rounds):
        drawn = random.choice(keys, 5000)
        forward = random.random(5000) < 0.5
        slots = table.slots(drawn, forward)
        np.add.at(table.packets, slots, np.uint32(1))
        for key, way in zip(drawn.tolist(), forward.tolist(), strict=True):
            first.setdefault(key, way)
            counts[key] = counts.get(key, 0) + 1
        assert table.packets[slots].tolist() == [counts[key] for key in drawn.tolist()]
        assert table.forward[slots].tolist() == [first[key] for key in drawn.tolist()]


def test_the_quiet_are_forgotten_and_the_watched_are_not() -> None:
    table = FlowTable(2000)
    keys = np.arange(1, 20_001, 2).astype(np.uint64)
    watched, early = keys[:1], keys[1:1000]
    way = np.ones(20_000, np.bool_)
    table.state[table.slots(watched, way[:1])] = 2
    for start in range(1, 10_000, 500):
        some = keys[start : start + 500]
        slots = table.slots(some, way[: len(some)])
        table.packets[slots] += np.uint32(1)
        recent = some
    assert table.state[table.slots(watched, way[:1])].tolist() == [2]
    assert table.packets[table.slots(recent, way[: len(recent)])].tolist() == [1] * len(recent)
    assert table.packets[table.slots(early, way[: len(early)])].sum() == 0


def packet(version: int, source: int, source_port: int, destination: int, destination_port: int) -> Packet:
    width = 4 if version == 4 else 16
    ends = source.to_bytes(width, "big"), destination.to_bytes(width, "big")
    return Packet(Protocol.UDP, *ends, source_port, destination_port, b"", 0)


@settings(max_examples=60, deadline=None)
@given(
    flow=st.tuples(
        st.sampled_from([4, 6]), st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 2**32 - 1),
        st.integers(0, 65535),
    ),
    other=st.integers(1, 4),
)  # fmt: skip
def test_both_directions_are_one_flow_and_others_are_not(flow: tuple[int, int, int, int, int], other: int) -> None:
    version, source, source_port, destination, destination_port = flow
    changed = list(flow)
    changed[other] ^= 1
    back = packet(version, destination, destination_port, source, source_port)
    another = packet(*changed)
    hashes, forward = FlowHash().of_packets([packet(*flow), back, another])
    assert hashes[0] == hashes[1]
    if (source, source_port) != (destination, destination_port):
        assert forward[0] != forward[1]
    same = {(another.source, another.source_port), (another.destination, another.destination_port)} == {
        (back.source, back.source_port), (back.destination, back.destination_port),
    }  # fmt: skip
    assert (hashes[0] == hashes[2]) == same
