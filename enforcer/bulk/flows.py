"""Which flow each packet belongs to, and what must be remembered of millions of flows."""

from __future__ import annotations

from secrets import randbits

import numpy as np
import numpy.typing as npt

from enforcer.bulk.headers import Headers
from enforcer.bulk.words import Flags, Hashes, Indices, number
from enforcer.wire.packet import Packet

_SMALLEST = 1 << 12


class FlowHash:
    """A 64-bit number for each flow, the same in both directions, under a key drawn at random.

    Two of a million flows share one with a chance of 1 in 30 million, and nobody can make theirs do so.
    """

    def __init__(self) -> None:
        self._keys = [np.uint64(randbits(64) | 1) for _ in range(7)]

    def of_headers(self, headers: Headers) -> tuple[Hashes, Flags]:
        """The flow of each frame, and whether the frame goes forward: a direction of the flow, either one."""
        rows = headers.addresses
        ports = headers.ports.astype(np.uint64)
        source = self._end(number(rows, 12, "<u4").astype(np.uint64), ports & np.uint64(0xFFFF))
        destination = self._end(number(rows, 16, "<u4").astype(np.uint64), ports >> np.uint64(16))
        protocol = headers.protocol.astype(np.uint64)
        six = np.flatnonzero(headers.version6)
        if six.size:
            rows = rows[six]
            ports = ports[six]
            high, low = number(rows, 8, "<u8"), number(rows, 16, "<u8")
            source[six] = self._end(self._folded(high, low), ports & np.uint64(0xFFFF))
            high, low = number(rows, 24, "<u8"), number(rows, 32, "<u8")
            destination[six] = self._end(self._folded(high, low), ports >> np.uint64(16))
            protocol[six] += np.uint64(256)
        return self._both(source, destination, protocol)

    def of_packets(self, packets: list[Packet]) -> tuple[Hashes, Flags]:
        """The same of packets read one at a time."""
        six = np.array([len(packet.source) == 16 for packet in packets], np.bool_)
        ends = []
        for addresses, ports in (
            ([packet.source for packet in packets], [packet.source_port for packet in packets]),
            ([packet.destination for packet in packets], [packet.destination_port for packet in packets]),
        ):
            words = np.frombuffer(b"".join(address.ljust(16, b"\0") for address in addresses), "<u8")
            address = np.where(six, self._folded(words[::2], words[1::2]), words[::2])
            ends.append(self._end(address, np.array(ports, ">u2").view("<u2").astype(np.uint64)))
        protocol = np.array([int(packet.protocol) for packet in packets], np.uint64)
        return self._both(ends[0], ends[1], protocol + np.where(six, np.uint64(256), np.uint64(0)))

    def _folded(self, high: Hashes, low: Hashes) -> Hashes:
        folded: Hashes = high * self._keys[0]
        folded ^= folded >> np.uint64(32)
        folded += low
        folded *= self._keys[5]
        folded ^= folded >> np.uint64(32)
        return folded

    def _end(self, address: Hashes, port: Hashes) -> Hashes:
        end: Hashes = (address ^ port << np.uint64(32)) * self._keys[1]
        end ^= end >> np.uint64(29)
        end *= self._keys[2]
        return end

    def _both(self, source: Hashes, destination: Hashes, protocol: Hashes) -> tuple[Hashes, Flags]:
        flow = np.minimum(source, destination) + protocol * self._keys[6]
        flow *= self._keys[3]
        flow ^= flow >> np.uint64(31)
        flow += np.maximum(source, destination)
        flow *= self._keys[4]
        flow ^= flow >> np.uint64(32)
        return flow | np.uint64(1), source <= destination


class FlowTable:
    """What is remembered of each flow, in an open-addressed hash table that grows as flows come.

    Slots are stable until the next call of `slots`. ``packets`` counts each flow's packets with a payload,
    ``forward`` is the direction of its first packet, ``state`` is the user's: flows whose state is 0 are
    forgotten, those quiet longest first, when there are more than ``capacity``.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._round = 0
        self._used = 0
        self._allocate(_SMALLEST)

    def _allocate(self, size: int) -> None:
        self._keys: Hashes = np.zeros(size, np.uint64)
        self._heard: npt.NDArray[np.uint32] = np.zeros(size, np.uint32)
        self._mark: Flags = np.zeros(size, np.bool_)
        self.packets: npt.NDArray[np.uint32] = np.zeros(size, np.uint32)
        self.forward: Flags = np.zeros(size, np.bool_)
        self.state: npt.NDArray[np.uint8] = np.zeros(size, np.uint8)

    def slots(self, flows: Hashes, forward: Flags) -> Indices:
        """The slot of each flow, made for those not met before; ``forward`` is each packet's direction."""
        self._round += 1
        slots, missing = self._find(flows)
        if missing.size:
            new, first, inverse = np.unique(flows[missing], return_index=True, return_inverse=True)
            if 2 * (self._used + len(new)) > len(self._keys):
                self._make_room(len(new))
                slots, missing = self._find(flows)
            made = self._insert(new)
            self.forward[made] = forward[missing[first]]
            slots[missing] = made[inverse]
        self._heard[slots] = self._round
        return slots

    def among(self, slots: Indices, few: Indices) -> Flags:
        """Which of the slots are among the few."""
        self._mark[few] = True
        marked: Flags = self._mark[slots]
        self._mark[few] = False
        return marked

    def _find(self, flows: Hashes) -> tuple[Indices, Indices]:
        mask = np.uint64(len(self._keys) - 1)
        slots: Indices = (flows >> np.uint64(1) & mask).astype(np.int64)
        rest = np.flatnonzero(self._keys[slots] != flows)
        missing = []
        while rest.size:
            keys = self._keys[slots[rest]]
            missing.append(rest[keys == 0])
            rest = rest[(keys != 0) & (keys != flows[rest])]
            slots[rest] = (slots[rest] + 1) & int(mask)
        return slots, np.sort(np.concatenate(missing)) if missing else rest

    def _insert(self, flows: Hashes) -> Indices:
        """Slots for flows that differ from each other and have none yet."""
        last = len(self._keys) - 1
        slots: Indices = (flows >> np.uint64(1) & np.uint64(last)).astype(np.int64)
        rest = np.arange(len(flows))
        while rest.size:
            free = rest[self._keys[slots[rest]] == 0]
            self._keys[slots[free]] = flows[free]
            rest = rest[self._keys[slots[rest]] != flows[rest]]
            slots[rest] = (slots[rest] + 1) & last
        self._used += len(flows)
        return slots

    def _make_room(self, count: int) -> None:
        kept = np.flatnonzero(self._keys)
        ordinary = kept[self.state[kept] == 0]
        if len(ordinary) + count > self._capacity:
            newest = np.argsort(self._heard[ordinary], kind="stable")[len(ordinary) // 2 :]
            kept = np.concatenate((ordinary[newest], kept[self.state[kept] != 0]))
        size = len(self._keys)
        while size < 4 * (len(kept) + count):
            size *= 2
        old = (self._heard[kept], self.packets[kept], self.forward[kept], self.state[kept])
        keys = self._keys[kept]
        self._allocate(size)
        self._used = 0
        slots = self._insert(keys)
        self._heard[slots], self.packets[slots], self.forward[slots], self.state[slots] = old
