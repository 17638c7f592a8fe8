"""Which packets of a capture the engine must see, and where each stands in its flow."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from enforcer.bulk.flows import FlowHash, FlowTable
from enforcer.bulk.headers import Headers, read_headers
from enforcer.bulk.sieve import Sieve
from enforcer.bulk.watch import Sighting, Watch
from enforcer.bulk.words import Flags, Indices
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.wire.batch import Batch, Records
from enforcer.wire.packet import Packet, Protocol


class Scanner:
    """Looks through one capture's records, many at a time.

    For each records object: `scan` it, read the frames that the scan says are ``unread`` one at a time, and take
    the `sightings`, given the packets found in those. `watch` takes effect within the records at hand.
    ``flows_kept`` bounds the flows whose packets are counted; flows with a `Watch` of their own come on top.
    """

    def __init__(self, flows_kept: int) -> None:
        self._table = FlowTable(flows_kept)
        self._hash = FlowHash()
        self._sieve = _sieve()

    def watch(self, slot: int, watch: Watch) -> None:
        """Say which packets of a flow are wanted from here on."""
        self._table.state[slot] = watch

    def scan(self, records: Records) -> Scan:
        """Read the headers of the records that can be read in bulk."""
        if isinstance(records, Batch):
            headers = read_headers(records)
            return Scan(headers, np.flatnonzero(~headers.read).tolist(), len(records))
        return Scan(None, list(range(len(records))), len(records))

    def sightings(self, scan: Scan, packets: Mapping[int, Packet]) -> Iterator[Sighting]:
        """The packets that are wanted, in order; ``packets`` are those read one at a time, by their frame."""
        parsed, payload, telling = (np.zeros(scan.frames, np.bool_) for _ in range(3))
        flows, forward = np.zeros(scan.frames, np.uint64), np.zeros(scan.frames, np.bool_)
        if scan.headers is not None:
            headers = scan.headers
            flows, forward = self._hash.of_headers(headers)
            parsed = headers.read
            payload = headers.length > 0
            telling = headers.protocol == Protocol.ESP
            telling[self._sieve.hits(headers)] = True
        if packets:
            alone = np.fromiter(packets, np.int64)
            flows[alone], forward[alone] = self._hash.of_packets(list(packets.values()))
            payload[alone] = [packet.payload_length > 0 for packet in packets.values()]
            parsed[alone] = telling[alone] = True
        rows = np.flatnonzero(parsed)
        if len(rows) < scan.frames:
            flows, forward, payload, telling = flows[rows], forward[rows], payload[rows], telling[rows]
        return self._in_flows(rows, self._table.slots(flows, forward), forward, payload, telling)

    def _in_flows(
        self, rows: Indices, slots: Indices, forward: Flags, payload: Flags, telling: Flags
    ) -> Iterator[Sighting]:
        table = self._table
        state = table.state[slots]
        wanted = (telling & (state != Watch.NONE)) | (state == Watch.ALL)
        # A packet that is wanted may change what is wanted of its flow, so all of that flow's are at hand.
        chosen = np.flatnonzero(table.among(slots, slots[wanted]))
        numbers = _numbers(slots[chosen], payload[chosen], table)
        np.add.at(table.packets, slots[payload], np.uint32(1))
        sides = forward[chosen] == table.forward[slots[chosen]]
        fields = (rows[chosen], slots[chosen], numbers, sides, telling[chosen])
        every, shapes = int(Watch.ALL), int(Watch.SHAPES)
        for index, slot, number, from_client, tells in zip(*(field.tolist() for field in fields), strict=True):
            watch = table.state[slot]
            if watch == every or (tells and watch == shapes):
                yield Sighting(index, slot, number, from_client)


@functools.cache
def _sieve() -> Sieve:
    return Sieve(all_shapes())


class Scan(NamedTuple):
    """What was read of some records in bulk; the frames at ``unread`` were not."""

    headers: Headers | None
    unread: list[int]
    frames: int


def _numbers(slots: Indices, payload: Flags, table: FlowTable) -> Indices:
    """For each packet, in order, how many of its flow had a payload up to and with it."""
    order = np.argsort(slots, kind="stable")
    counted = np.cumsum(payload[order])
    first = np.flatnonzero(np.diff(slots[order], prepend=-1))
    before: Indices = counted[first] - payload[order[first]]
    numbers = np.empty_like(slots)
    numbers[order] = counted - np.repeat(before, np.diff(first, append=len(order)))
    return numbers + table.packets[slots]
