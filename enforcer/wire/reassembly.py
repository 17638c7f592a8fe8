"""Fragments to datagrams (RFC 791 §3.2, RFC 8200 §4.5), sans-IO and in bounded memory.

Overlapping fragments are never resolved: the datagram is given up, as RFC 5722 §4 demands for IPv6. IPv4
leaves it open; there too, whichever piece we kept, the receiver might keep the other. Exact copies are
ignored.
"""

from __future__ import annotations

from bisect import bisect_left

from enforcer.wire.ip import parse_reassembled
from enforcer.wire.packet import Fragment, NotParsed, Packet

LONGEST_DATAGRAM = 65535
# On average over all datagrams: a 64 KiB datagram in fragments of 576 bytes, the least every IPv4 host takes
# (RFC 791 §3.1), is 119 of them.
FRAGMENTS_PER_DATAGRAM = 128

OVERLAP = NotParsed("overlapping fragments")
CONFLICT = NotParsed("fragments disagree about the datagram's end or protocol")
TOO_LONG = NotParsed("fragments of a datagram longer than 65535 bytes")
MALFORMED = NotParsed("fragment length empty, or not a multiple of 8 though more follow")
SNAPPED = NotParsed("fragment cut short by the capture")

_Key = tuple[bytes, bytes, int, int]


class _Datagram:
    __slots__ = ("abandoned", "deadline", "length", "offsets", "parts", "protocol", "received")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.offsets: list[int] = []
        self.parts: list[bytes] = []
        self.received = 0
        self.length: int | None = None
        self.protocol = 0
        self.abandoned: NotParsed | None = None

    def add(self, fragment: Fragment) -> NotParsed | None:
        """Take the fragment in; a NotParsed says that the datagram can no longer be joined."""
        offset, data = fragment.offset, fragment.data
        end = offset + fragment.data_length
        if len(data) < fragment.data_length:
            return SNAPPED
        if not data or (fragment.more and len(data) & 7):
            return MALFORMED
        if end > LONGEST_DATAGRAM:
            return TOO_LONG
        index = bisect_left(self.offsets, offset)
        if index < len(self.offsets) and self.offsets[index] == offset and self.parts[index] == data:
            same = fragment.more == (self.length != end) and (offset or fragment.protocol == self.protocol)
            return None if same else CONFLICT
        if index and self.offsets[index - 1] + len(self.parts[index - 1]) > offset:
            return OVERLAP
        if index < len(self.offsets) and self.offsets[index] < end:
            return OVERLAP
        if self.length is None:
            if not fragment.more:
                if self.offsets and self.offsets[-1] > offset:
                    return CONFLICT
                self.length = end
        elif end > self.length or not fragment.more:
            return CONFLICT
        self.offsets.insert(index, offset)
        self.parts.insert(index, data)
        self.received += len(data)
        if offset == 0:
            self.protocol = fragment.protocol
        return None

    def abandon(self, reason: NotParsed) -> None:
        self.abandoned = reason
        self.offsets.clear()
        self.parts.clear()


class Reassembler:
    """Joins fragments.

    At most ``capacity`` unfinished datagrams are kept, of at most 65535 bytes each and 128 x ``capacity``
    fragments in all, each datagram for ``timeout`` seconds from its first fragment. One more drops the oldest
    datagram: a flood of fragments costs others a detection, and nobody their packets.
    """

    def __init__(self, capacity: int, timeout: float) -> None:
        if capacity < 1 or timeout <= 0:
            raise ValueError("capacity and timeout must be positive")
        self._capacity = capacity
        self._timeout = timeout
        self._datagrams: dict[_Key, _Datagram] = {}
        self._fragments = 0

    def __len__(self) -> int:
        """How many unfinished datagrams are kept."""
        return len(self._datagrams)

    def add(self, fragment: Fragment, now: float) -> Packet | NotParsed | None:
        """The whole packet if this was its last missing fragment, None while others are missing.

        ``now`` is in seconds, on any clock that does not step. A datagram that broke a rule stays NotParsed,
        with the same reason for every later fragment, until its time is over.
        """
        self._expire(now)
        # RFC 791 §3.2 tells datagrams apart by protocol too; in IPv6 only the first fragment's number counts.
        protocol = fragment.protocol if len(fragment.source) == 4 else 0
        key = (fragment.source, fragment.destination, fragment.identification, protocol)
        datagram = self._datagrams.get(key)
        if datagram is None:
            if len(self._datagrams) >= self._capacity:
                self._drop(next(iter(self._datagrams)))
            datagram = self._datagrams[key] = _Datagram(now + self._timeout)
        elif datagram.abandoned is not None:
            return datagram.abandoned
        before = len(datagram.parts)
        reason = datagram.add(fragment)
        if reason is not None:
            self._fragments -= before
            datagram.abandon(reason)
            return reason
        self._fragments += len(datagram.parts) - before
        if datagram.received != datagram.length:
            while self._fragments > self._capacity * FRAGMENTS_PER_DATAGRAM:
                self._drop(next(iter(self._datagrams)))
            return None
        self._drop(key)
        return parse_reassembled(
            datagram.protocol, fragment.source, fragment.destination, b"".join(datagram.parts)
        )

    def _drop(self, key: _Key) -> None:
        self._fragments -= len(self._datagrams.pop(key).parts)

    def _expire(self, now: float) -> None:
        while self._datagrams:
            key, datagram = next(iter(self._datagrams.items()))
            if datagram.deadline > now:
                break
            self._drop(key)
