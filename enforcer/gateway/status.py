"""What the metrics endpoint tells of a running daemon, read at scrape time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from enforcer.fingerprints.detection import Family
from enforcer.gateway import nft
from enforcer.gateway.exempt_status import exempt_names
from enforcer.gateway.nfqueue import statistics
from enforcer.gateway.reloading import Reloads
from enforcer.gateway.ruleset import TABLE
from enforcer.observe.metrics import build_info, decisions, kernel
from enforcer.subscribers.radius.codec import Flaw
from enforcer.subscribers.store.shared import StoreState

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon


def sources(daemon: Daemon) -> list[tuple[str, Callable[[], Iterable[Metric]]]]:
    """Where the metrics come from, each with its name for when it fails."""
    return [
        ("build", build_info),
        ("decisions", lambda: decisions(dict(daemon.decisions.counts))),
        ("kernel", lambda: kernel(kernel_counters())),
        ("queue", lambda: _queues(daemon)),
        ("worker", lambda: _worker(daemon)),
        ("registry", lambda: _registry(daemon)),
        ("sessions", lambda: _sessions(daemon)),
        ("exemptions", lambda: _exemptions(daemon)),
        ("reloads", partial(_reloads, daemon.reloads)),
    ]


def kernel_counters() -> dict[str, tuple[int, int]]:
    """Packets and bytes of each counter of our table. Raises CommandError when it is not there."""
    found = nft.objects("counters", "table", *TABLE.split())
    counters = (item["counter"] for item in found)
    return {counter["name"]: (counter["packets"], counter["bytes"]) for counter in counters}


def _queues(daemon: Daemon) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "enforcer_queue_packets",
        "Packets waiting for user space; near the length, look at the CPU.",
        labels=["queue"],
    )
    length = GaugeMetricFamily("enforcer_queue_length_packets", "Packets a queue holds before it fails open.")
    dropped = CounterMetricFamily(
        "enforcer_queue_dropped_packets",
        "Packets the queue lost: kernel = no room and not failed open, user = the socket was full.",
        labels=["queue", "where"],
    )
    length.add_metric([], daemon.config.gateway.queue_length)
    first = daemon.config.gateway.queue
    for number, (in_queue, by_kernel, by_user) in sorted(statistics().items()):
        if first <= number < first + daemon.config.gateway.queues:
            waiting.add_metric([str(number)], in_queue)
            dropped.add_metric([str(number), "kernel"], by_kernel)
            dropped.add_metric([str(number), "user"], by_user)
    yield from (waiting, length, dropped)


def _worker(daemon: Daemon) -> Iterator[Metric]:
    worker = daemon.worker
    yield CounterMetricFamily(
        "enforcer_judged_packets", "Packets user space gave a verdict on.", value=worker.packets
    )
    yield CounterMetricFamily(
        "enforcer_unrecognised_packets",
        "Packets the kernel's sieve let through in which user space found no family; accepted.",
        value=worker.unrecognised,
    )
    yield CounterMetricFamily(
        "enforcer_judging_errors",
        "Packets accepted because judging them failed; any is a bug: see the log.",
        value=worker.errors,
    )


def _registry(daemon: Daemon) -> Iterator[Metric]:
    now = time.time()
    registry = daemon.lists.registry
    entries = GaugeMetricFamily(
        "enforcer_registry_entries",
        "Registrations by how they stand; grace ones need renewing.",
        labels=["status"],
    )
    for status, count in registry.census(now, float(daemon.config.registry.grace)).items():
        entries.add_metric([str(status)], count)
    yield entries
    if registry.as_of is not None:
        yield GaugeMetricFamily(
            "enforcer_registry_age_seconds",
            "Age of the oldest list file; above registry.max_age nobody is refused.",
            value=max(0.0, now - registry.as_of),
        )
    yield GaugeMetricFamily(
        "enforcer_registry_max_age_seconds", "registry.max_age.", value=daemon.config.registry.max_age
    )


def _sessions(daemon: Daemon) -> Iterator[Metric]:
    sessions = GaugeMetricFamily(
        "enforcer_sessions", "Sessions by how they stand; only live ones identify anybody.", labels=["state"]
    )
    for state, count in daemon.follower.table.census().items():
        sessions.add_metric([str(state)], count)
    yield sessions
    radius = daemon.follower.radius
    if radius is not None:
        datagrams = CounterMetricFamily(
            "enforcer_radius_datagrams",
            "Accounting by access server and result; unknown or forged senders are never answered.",
            labels=["client", "result"],
        )
        flaws = CounterMetricFamily(
            "enforcer_radius_flaws",
            "What accepted accounting lacked; without a number or an address it identifies nobody.",
            labels=["client", "flaw"],
        )
        for (client, what), count in sorted(dict(radius.counts).items()):
            (flaws if what in set(Flaw) else datagrams).add_metric([client, str(what)], count)
        yield from (datagrams, flaws)
        yield CounterMetricFamily(
            "enforcer_radius_restarts", "Times the listener died and was started again.", value=radius.restarts
        )
    if daemon.follower.store is not None:
        yield from _store(daemon.follower.store.state)
    yield CounterMetricFamily(
        "enforcer_kernel_write_failures",
        "Changes the kernel refused; everything is written anew soon after.",
        value=daemon.kernel.failures,
    )


def _store(state: StoreState) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "enforcer_store_connected",
        "0 while the shared store cannot be reached; sessions then age, and prove nothing against anybody.",
        value=state.connected,
    )
    if state.current_at is not None:
        yield GaugeMetricFamily(
            "enforcer_store_current_timestamp_seconds",
            "When this gateway last knew all that the store did.",
            value=state.current_at,
        )
    events = CounterMetricFamily("enforcer_store_events", "Events by what became of them.", labels=["what"])
    for what in ("sent", "received", "dropped", "unreadable", "offered"):
        events.add_metric([what], getattr(state, what))
    yield events
    yield CounterMetricFamily(
        "enforcer_store_resyncs", "Times every record was read, after a gap.", value=state.resyncs
    )


def _exemptions(daemon: Daemon) -> Iterator[Metric]:
    now = time.time()
    missing = daemon.exemptions.wifi_calling_missing(now)
    yield GaugeMetricFamily(
        "enforcer_wifi_calling_known",
        "1 when the Wi-Fi calling exemptions, emergency names included, are configured and resolved.",
        value=missing is None,
    )
    yield GaugeMetricFamily(
        "enforcer_exempt_addresses", "Addresses exempt by name.", value=len(daemon.exemptions.addresses)
    )
    yield from exempt_names(daemon.exemptions, daemon.keeper, now)
    enforcing = GaugeMetricFamily(
        "enforcer_enforcing", "1 when unregistered tunnels of the protocol are refused now.", labels=["protocol"]
    )
    for family in Family:
        enforcing.add_metric([str(family)], daemon.policy.held_back(family, now) is None)
    yield enforcing


def _reloads(reloads: Reloads) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "enforcer_config_last_reload_successful",
        "0 when the last reload was refused and the previous configuration goes on.",
        value=reloads.successful,
    )
    yield GaugeMetricFamily(
        "enforcer_config_last_reload_success_timestamp_seconds",
        "When a configuration last took effect.",
        value=reloads.at,
    )
    counts = CounterMetricFamily("enforcer_config_reloads", "Reloads by result.", labels=["result"])
    for result, count in reloads.counts.items():
        counts.add_metric([result], count)
    yield counts
