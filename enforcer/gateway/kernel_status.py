"""The kernel's side of the metrics: its counters of our table, and of our queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from enforcer.fingerprints.detection import Family
from enforcer.gateway import nf_tables
from enforcer.gateway.nfqueue import QueueStatistics, statistics
from enforcer.observe import catalogue
from enforcer.observe.metrics import kernel

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon

_WRAP = 1 << 32


class Unjudged:
    """How many packets the kernel meant for user space and let pass, from what it counted on the way.

    A packet is counted by the rule that queues it, gets a number when the queue has room for it (a full queue that
    fails open gives none: __nfqnl_enqueue_packet in net/netfilter/nfnetlink_queue.c), and is counted by us. The
    three are not read at the same instant: they are read in that order, so that each difference is too small, if
    wrong, and never shrinks what was told before.
    """

    def __init__(self) -> None:
        self.not_queued = 0
        self.not_delivered = 0
        self._begin = (0, 0, 0)
        self._told = (0, 0)
        self._ruled = 0
        self._sequence = 0
        self._numbered = 0

    def update(self, ruled: int, sequence: int, waiting: int, judged: int) -> None:
        """Take in the counts, read in this order: by the rules, the queues' last numbers, packets in them, ours.

        ``ruled`` begins anew when the table is loaded anew: what passed since the last look is then left out.
        ``sequence`` wraps at 32 bits.
        """
        self._numbered += (sequence - self._sequence) % _WRAP
        self._sequence = sequence
        if ruled < self._ruled:
            self._begin = (ruled, self._numbered, judged + waiting)
            self._told = (self.not_queued, self.not_delivered)
        self._ruled = ruled
        ruled_before, numbered_before, taken_before = self._begin
        numbered = self._numbered - numbered_before
        not_queued = ruled - ruled_before - numbered
        not_delivered = numbered - (judged + waiting - taken_before)
        self.not_queued = max(self.not_queued, self._told[0] + not_queued)
        self.not_delivered = max(self.not_delivered, self._told[1] + not_delivered)


class KernelStatus:
    """Reads the kernel at each scrape, and remembers what tells how many packets passed unjudged."""

    def __init__(self) -> None:
        self._unjudged = Unjudged()

    def read(self, daemon: Daemon) -> Iterator[Metric]:
        """The metrics. Raises CommandError when our table is not in the kernel."""
        counters = nf_tables.counters()
        gateway = daemon.config.gateway
        ours = range(gateway.queue, gateway.queue + gateway.queues)
        queues = {number: queue for number, queue in statistics().items() if number in ours}
        self._unjudged.update(
            sum(counters[f"{family}_queued"][0] for family in Family),
            sum(queue.sequence for queue in queues.values()),
            sum(queue.waiting for queue in queues.values()),
            daemon.worker.packets,
        )
        yield from kernel(counters)
        yield from _queues(queues)
        yield catalogue.QUEUE_LENGTH.value(gateway.queue_length)
        yield catalogue.UNJUDGED.values(
            {("not_queued",): self._unjudged.not_queued, ("not_delivered",): self._unjudged.not_delivered}
        )
        yield catalogue.KERNEL_WRITE_FAILURES.value(daemon.kernel.failures)
        yield catalogue.KERNEL_REPAIRS.values({(what,): count for what, count in daemon.kernel.repairs.items()})


def _queues(queues: Mapping[int, QueueStatistics]) -> Iterator[Metric]:
    yield catalogue.QUEUE_PACKETS.values({(str(number),): queue.waiting for number, queue in queues.items()})
    yield catalogue.QUEUE_DROPPED.values(
        {
            (str(number), where): count
            for number, queue in queues.items()
            for where, count in (("kernel", queue.dropped_by_kernel), ("user", queue.dropped_to_user))
        }
    )
