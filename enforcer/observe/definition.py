"""What a metric is called and means, in one place: the endpoint and the reference are made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Labels = TypeVar("Labels", bound=tuple[str, ...])


class Kind(StrEnum):
    """The types of the exposition format that are in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric. ``name`` is the family's: a counter's samples have ``_total`` behind it.

    ``labels`` maps each label to the values it takes, in words: always a bounded set, and never anything of a
    subscriber.
    """

    kind: Kind
    name: str
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def exposed_name(self) -> str:
        """The name in queries; a histogram's samples have a suffix behind it."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name

    def value(self, value: float) -> Metric:
        """The metric with its one sample, for one without labels."""
        return self.values({(): value})

    def values(self, values: Mapping[Labels, float]) -> Metric:
        """The metric with a sample for each tuple of label values, which are in the order of ``labels``.

        Raises TypeError for a histogram, ValueError when a tuple does not fit the labels.
        """
        family: CounterMetricFamily | GaugeMetricFamily
        if self.kind is Kind.COUNTER:
            family = CounterMetricFamily(self.name, self.help, labels=list(self.labels))
        elif self.kind is Kind.GAUGE:
            family = GaugeMetricFamily(self.name, self.help, labels=list(self.labels))
        else:
            raise TypeError(f"{self.name} is a histogram: use buckets()")
        for labels, value in sorted(values.items()):
            if len(labels) != len(self.labels):
                raise ValueError(f"{self.name} has the labels {', '.join(self.labels)}")
            family.add_metric(labels, value)
        return family

    def buckets(self, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
        """The histogram: ``counts`` has one more than the ascending ``bounds``, each count for its bucket alone.

        ``total`` is the sum of all observed values.
        """
        cumulated = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(repr, bounds), "+Inf"), counts, strict=True):
            cumulated += count
            buckets.append((bound, cumulated))
        return HistogramMetricFamily(self.name, self.help, buckets=buckets, sum_value=total)


def counter(name: str, help: str, labels: Mapping[str, str] | None = None) -> Definition:
    """A metric that only grows until the daemon is restarted."""
    return Definition(Kind.COUNTER, name, help, labels or {})


def gauge(name: str, help: str, labels: Mapping[str, str] | None = None) -> Definition:
    """A metric that is what it is at the moment of the scrape."""
    return Definition(Kind.GAUGE, name, help, labels or {})


def histogram(name: str, help: str) -> Definition:
    """A metric of how often which values came, without labels."""
    return Definition(Kind.HISTOGRAM, name, help)
