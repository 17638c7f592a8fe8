"""What the metrics endpoint tells of a running daemon, read at scrape time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from enforcer.fingerprints.detection import Family
from enforcer.gateway.exempt_status import exempt_names
from enforcer.gateway.kernel_status import KernelStatus
from enforcer.gateway.list_status import ListStatus
from enforcer.gateway.readiness import Readiness
from enforcer.gateway.reloading import Reloads
from enforcer.gateway.session_status import sessions
from enforcer.gateway.worker import Worker
from enforcer.observe import catalogue
from enforcer.observe.latency import BOUNDS
from enforcer.observe.metrics import Source, build_info, decisions
from enforcer.policy import HeldBack, Policy
from enforcer.shadow.keeper import Shadow

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon


def sources(daemon: Daemon, readiness: Readiness) -> dict[str, Source]:
    """Where the metrics come from, by name for when one fails."""
    kernel = KernelStatus()
    lists = ListStatus()
    return {
        "build": build_info,
        "readiness": lambda: _readiness(readiness),
        "decisions": lambda: decisions(dict(daemon.decisions.counts)),
        "flows": lambda: _flows(*daemon.flows),
        "worker": lambda: _worker(daemon.worker),
        "kernel": lambda: kernel.read(daemon),
        "enforcement": lambda: _enforcement(daemon.policy, daemon.shadow, time.time()),
        "exemptions": lambda: _exemptions(daemon, time.time()),
        "registry": lambda: lists.read(daemon, time.time()),
        "sessions": lambda: sessions(daemon.follower, daemon.lists.radius),
        "reloads": lambda: _reloads(daemon.reloads),
    }


def _readiness(readiness: Readiness) -> Iterator[Metric]:
    yield catalogue.READY.value(readiness.unready() is None)
    yield catalogue.LOOP_LAG.value(readiness.lag() or 0.0)


def _flows(candidates: int, proven: int) -> Iterator[Metric]:
    yield catalogue.FLOWS.values({("candidate",): candidates, ("proven",): proven})


def _worker(worker: Worker) -> Iterator[Metric]:
    yield catalogue.JUDGED.value(worker.packets)
    yield catalogue.UNRECOGNISED.value(worker.unrecognised)
    yield catalogue.JUDGING_ERRORS.value(worker.errors)
    durations = worker.durations
    yield catalogue.VERDICT_SECONDS.buckets(BOUNDS, tuple(durations.counts), durations.seconds)


def _enforcement(policy: Policy, shadow: Shadow, now: float) -> Iterator[Metric]:
    held_back = {family: policy.held_back(family, now) for family in Family}
    yield catalogue.ENFORCING.values({(family,): why is None for family, why in held_back.items()})
    yield catalogue.HELD_BACK.values(
        {(family, each): each is why for family, why in held_back.items() for each in HeldBack}
    )
    yield catalogue.SHADOW_RECORDED.values({(family,): shadow.shadowed(family) for family in Family})
    yield catalogue.SHADOW_PERIOD.value(policy.config.shadow.period)


def _exemptions(daemon: Daemon, now: float) -> Iterator[Metric]:
    exemptions = daemon.exemptions
    yield catalogue.WIFI_CALLING_KNOWN.value(exemptions.wifi_calling_missing(now) is None)
    yield catalogue.EXEMPT_ADDRESSES.value(len(exemptions.addresses))
    yield from exempt_names(exemptions, daemon.keeper, now)


def _reloads(reloads: Reloads) -> Iterator[Metric]:
    yield catalogue.RELOAD_SUCCESSFUL.value(reloads.successful)
    yield catalogue.RELOAD_TIMESTAMP.value(reloads.at)
    yield catalogue.RELOADS.values({(result,): count for result, count in dict(reloads.counts).items()})
