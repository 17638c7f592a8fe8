"""What the metrics endpoint tells of exempt names, read at scrape time: totals only."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from enforcer.exemptions import Exemptions
from enforcer.gateway.exempt_keeper import ExemptKeeper


def exempt_names(exemptions: Exemptions, keeper: ExemptKeeper | None, now: float) -> Iterator[Metric]:
    """Names known, answered, resolved, and how old that is at ``now``, epoch seconds.

    ``whose`` is own for the names the operator configured, others for those of the world's other networks.
    ``keeper`` is None before resolving has started.
    """
    known = GaugeMetricFamily("enforcer_exempt_names", "Names to resolve.", labels=["whose"])
    answered = GaugeMetricFamily(
        "enforcer_exempt_names_answered",
        "Names with a definite answer, be it that they do not exist.",
        labels=["whose"],
    )
    resolved = GaugeMetricFamily(
        "enforcer_exempt_names_resolved",
        "Names that have addresses, be they from an earlier answer.",
        labels=["whose"],
    )
    age = GaugeMetricFamily(
        "enforcer_exempt_oldest_answer_age_seconds",
        "Age of the oldest among the names' last definite answers.",
        labels=["whose"],
    )
    for whose, census in exemptions.census().items():
        known.add_metric([whose], census.names)
        answered.add_metric([whose], census.answered)
        resolved.add_metric([whose], census.resolved)
        if census.oldest is not None:
            age.add_metric([whose], max(0.0, now - census.oldest))
    yield from (known, answered, resolved, age)
    yield GaugeMetricFamily(
        "enforcer_exempt_names_refused",
        "Names in whose last answer were addresses not believed; see the log.",
        value=len(exemptions.refused),
    )
    if keeper is not None:
        yield CounterMetricFamily(
            "enforcer_exempt_questions", "DNS questions asked for exempt names.", value=keeper.refresher.questions
        )
        yield CounterMetricFamily(
            "enforcer_exempt_lookup_failures",
            "Lookups without a definite answer; the name keeps its last addresses.",
            value=keeper.refresher.failures,
        )
        yield GaugeMetricFamily(
            "enforcer_exempt_outage", "1 while no DNS server answers.", value=keeper.refresher.outage
        )
