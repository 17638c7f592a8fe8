"""Prometheus metrics of a running gateway: what is counted as it happens, and the collector that is scraped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from enforcer import __version__
from enforcer.fingerprints.detection import Family
from enforcer.gateway.nft import CommandError
from enforcer.log_events import named
from enforcer.observe import catalogue
from enforcer.policy import Action, Decision

log = logging.getLogger(__name__)

Counts = dict[tuple[str, str, str], int]
Source = Callable[[], Iterable[Metric]]


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

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._told: dict[str, str] = {}

    def collect(self) -> Iterator[Metric]:
        """Every metric of every source."""
        failed: dict[tuple[str, ...], float] = {}
        for name, read in self._sources.items():
            try:
                metrics = list(read())
                self._told.pop(name, None)
            except (OSError, CommandError) as error:
                self._tell(name, str(error))
                metrics = []
            except Exception as error:
                # Its words may quote an address.
                self._tell(name, f"a fault of this program ({type(error).__name__})", error)
                metrics = []
            yield from metrics
            failed[(name,)] = not metrics
        yield catalogue.SOURCE_FAILED.values(failed)

    def _tell(self, name: str, why: str, fault: Exception | None = None) -> None:
        # Once: a scrape comes every few seconds.
        if self._told.get(name) != why:
            self._told[name] = why
            log.warning(
                "metrics of %s left out: %s", name, why,
                exc_info=fault,
                extra=named("metrics_left_out", source=name),
            )  # fmt: skip


def registry_of(sources: Mapping[str, Source]) -> CollectorRegistry:
    """What a scrape asks: the sources, and the process under the names every Prometheus client uses."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(GatewayCollector(sources))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def build_info() -> Iterator[Metric]:
    """The version that runs."""
    yield catalogue.BUILD_INFO.values({(__version__,): 1})


def decisions(counts: Counts) -> Iterator[Metric]:
    """What user space decided."""
    yield catalogue.DECISIONS.values(counts)


def kernel(counters: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    """The nft counters (packets, bytes) by name: handshakes by protocol and outcome, and what is only seen."""
    handshakes: dict[tuple[str, ...], float] = {}
    seen: dict[tuple[str, ...], float] = {}
    families = {str(family) for family in Family}
    for name, (packets, _) in counters.items():
        family, _, outcome = name.partition("_")
        if family in families and name != "wireguard_data":
            handshakes[family, outcome] = packets
        else:
            seen[(name,)] = packets
    yield catalogue.HANDSHAKES.values(handshakes)
    yield catalogue.SEEN_PACKETS.values(seen)
