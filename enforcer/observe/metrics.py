"""Prometheus metrics of a running gateway.

Labels are families, reasons, outcomes and statuses: bounded sets, and nothing of a subscriber among them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from enforcer import __version__
from enforcer.fingerprints.detection import Family
from enforcer.policy import Action, Decision

log = logging.getLogger(__name__)

Counts = dict[tuple[str, str, str], int]


class DecisionCounts:
    """Decisions by protocol, action and reason. `would_reject` is what monitor mode holds back."""

    def __init__(self) -> None:
        self.counts: Counts = {}

    def __call__(self, decision: Decision) -> None:
        """Count one decision."""
        held_back = decision.action is Action.ACCEPT and decision.would is Action.REJECT
        action = "would_reject" if held_back else str(decision.action)
        key = (str(decision.detection.family), action, str(decision.reason))
        self.counts[key] = self.counts.get(key, 0) + 1


class GatewayCollector(Collector):
    """Collects at scrape time from what the daemon hands it; a source that fails leaves its metrics out."""

    def __init__(self, sources: Iterable[tuple[str, Callable[[], Iterable[Metric]]]]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterator[Metric]:
        """Every metric of every source."""
        failed = GaugeMetricFamily(
            "enforcer_scrape_source_failed",
            "1 when a source of metrics could not be read at this scrape: see the log for why.",
            labels=["source"],
        )
        for name, read in self._sources:
            try:
                metrics = list(read())
            except Exception as error:
                log.warning("metrics of %s left out: %s", name, error)
                metrics = []
            yield from metrics
            failed.add_metric([name], not metrics)
        yield failed


def build_info() -> Iterator[Metric]:
    """The version that runs."""
    metric = GaugeMetricFamily("enforcer_build_info", "The version that runs; always 1.", labels=["version"])
    metric.add_metric([__version__], 1)
    yield metric


def decisions(counts: Counts) -> Iterator[Metric]:
    """What user space decided."""
    metric = CounterMetricFamily(
        "enforcer_decisions",
        "Decisions of user space on packets in which a family was found. action=would_reject: accepted because "
        "of the mode or the families named. Explain a reason with `enforcer explain`.",
        labels=["protocol", "action", "reason"],
    )
    for key, count in sorted(counts.items()):
        metric.add_metric(list(key), count)
    yield metric


def kernel(counters: dict[str, tuple[int, int]]) -> Iterator[Metric]:
    """The nft counters (packets, bytes) by name: handshakes by protocol and outcome, and what is only seen."""
    handshakes = CounterMetricFamily(
        "enforcer_kernel_handshake_packets",
        "Handshake-shaped packets by what the kernel did with them. queued ones were judged by user space, or "
        "passed if nobody listened.",
        labels=["protocol", "outcome"],
    )
    seen = CounterMetricFamily(
        "enforcer_kernel_seen_packets",
        "Packets of a family's data shape, counted and never acted on.",
        labels=["kind"],
    )
    families = {str(family) for family in Family}
    for name, (packets, _) in sorted(counters.items()):
        family, _, outcome = name.partition("_")
        if family in families and name != "wireguard_data":
            handshakes.add_metric([family, outcome], packets)
        else:
            seen.add_metric([name], packets)
    yield handshakes
    yield seen


def serve(host: str, port: int, collector: Collector) -> WSGIServer:
    """Serve /metrics in a thread of its own. Raises OSError when the address cannot be had."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    server, _ = start_http_server(port, addr=host, registry=registry)
    return server
