"""One NFQUEUE: packets in, verdicts out, and nothing lost when we are slow."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from netfilterqueue import NetfilterQueue
from netfilterqueue import Packet as QueuedPacket

_AF_NETLINK = 16
_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_NO_ENOBUFS = 5

# linux/netfilter/nfnetlink.h and nfnetlink_queue.h
_NFNL_SUBSYS_QUEUE = 3
_NFQNL_MSG_CONFIG = 2
_NFQA_CFG_MASK = 4
_NFQA_CFG_FLAGS = 5
_NFQA_CFG_F_FAIL_OPEN = 1
_NLM_F_REQUEST = 1

_COPY_RANGE = 2048
"""Bytes of a packet copied to us: every handshake fits, the rest of a large one is not needed."""

BURST = 64
"""Packets handled in one turn, so that signals and timers get theirs under a flood."""

LAST_BURST = 1 << 20
"""Packets handled at most at the end: as many as the longest queue holds."""


class QueueError(Exception):
    """The queue cannot be bound."""


class Queue:
    """A bound queue. ``callback`` gets each packet and must give its verdict."""

    def __init__(self, number: int, length: int, callback: Callable[[QueuedPacket], None]) -> None:
        """Bind queue ``number`` with room for ``length`` packets, failing open beyond.

        Raises QueueError when the kernel refuses: no right to, or another program has the queue.
        """
        self.number = number
        try:
            self._socket = socket.socket(_AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
            # A lost netlink message must not look like an error of the whole queue.
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
            self._queue = NetfilterQueue(sockfd=self._socket.fileno())
            self._queue.bind(number, callback, max_len=length, range=_COPY_RANGE)
            self._socket.send(_fail_open(number))
        except OSError as error:
            raise QueueError(
                f"queue {number} cannot be bound ({error}): another program may have it (see "
                "/proc/net/netfilter/nfnetlink_queue), or this one lacks CAP_NET_ADMIN"
            ) from None
        self._source = _Burst(self._socket)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def handle(self) -> None:
        """Handle what has come, at most BURST packets."""
        self._source.left = BURST
        self._queue.run_socket(self._source)  # type: ignore[arg-type]

    def drain(self) -> None:
        """Handle all that has come."""
        self._source.left = LAST_BURST
        self._queue.run_socket(self._source)  # type: ignore[arg-type]

    def close(self) -> None:
        """Give what still waits its verdict, then unbind: the kernel drops what is left in an unbound queue."""
        self.drain()
        self._queue.unbind()
        self._socket.close()


class _Burst:
    """Looks like a socket to NetfilterQueue.run_socket and runs dry after ``left`` messages."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self.left = 0

    def recv(self, size: int) -> bytes:
        if self.left == 0:
            raise BlockingIOError(errno.EAGAIN, "enough for one turn")
        self.left -= 1
        return self._source.recv(size, socket.MSG_DONTWAIT)


def _fail_open(number: int) -> bytes:
    """NFQNL_MSG_CONFIG that sets NFQA_CFG_F_FAIL_OPEN: a full queue accepts (linux/nfnetlink_queue.h)."""
    flag = struct.pack(">I", _NFQA_CFG_F_FAIL_OPEN)
    attributes = b"".join(
        struct.pack("=HH", 4 + len(flag), kind) + flag for kind in (_NFQA_CFG_MASK, _NFQA_CFG_FLAGS)
    )
    nfgen = struct.pack(">BBH", socket.AF_UNSPEC, 0, number)
    body = nfgen + attributes
    kind = _NFNL_SUBSYS_QUEUE << 8 | _NFQNL_MSG_CONFIG
    return struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST, 0, 0) + body


class QueueStatistics(NamedTuple):
    """The kernel's counts of one queue since it was bound; ``sequence`` is the last packet's number (32 bits)."""

    waiting: int
    dropped_by_kernel: int
    dropped_to_user: int
    sequence: int


def statistics() -> dict[int, QueueStatistics]:
    """The bound queues of this network namespace.

    /proc/net/netfilter/nfnetlink_queue, columns as printed by seq_show in net/netfilter/nfnetlink_queue.c.
    Empty when the kernel has no such file.
    """
    found: dict[int, QueueStatistics] = {}
    try:
        text = Path("/proc/self/net/netfilter/nfnetlink_queue").read_text(encoding="ascii")
    except OSError:
        return found
    for line in text.splitlines():
        fields = line.split()
        found[int(fields[0])] = QueueStatistics(*(int(fields[column]) for column in (2, 5, 6, 7)))
    return found
