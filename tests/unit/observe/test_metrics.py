"""Metrics: what is counted is what is told, and what cannot be read leaves the rest standing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from enforcer.logs import JsonLines
from enforcer.observe import catalogue
from enforcer.observe.definition import counter, gauge
from enforcer.observe.latency import BOUNDS, Durations
from enforcer.observe.metrics import build_info, decisions, kernel, registry_of


def samples(*metrics: Metric) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for each in metrics for sample in each.samples
    }


def test_durations_fall_into_the_bucket_that_bounds_them() -> None:
    durations = Durations()
    for nanoseconds in (25_000, 25_001, 999_999_999, 1_000_000_000, 1_000_000_001):
        durations.add(nanoseconds)
    assert durations.counts == [1, 1, *[0] * 9, 2, 1]
    found = samples(catalogue.VERDICT_SECONDS.buckets(BOUNDS, durations.counts, durations.seconds))
    assert found["enforcer_verdict_seconds_bucket", ("2.5e-05",)] == 1
    assert found["enforcer_verdict_seconds_bucket", ("5e-05",)] == 2
    assert found["enforcer_verdict_seconds_bucket", ("1.0",)] == 4
    assert found["enforcer_verdict_seconds_bucket", ("+Inf",)] == 5
    assert found["enforcer_verdict_seconds_count", ()] == 5
    assert found["enforcer_verdict_seconds_sum", ()] == pytest.approx(3.000050001)


def test_counting_a_duration_costs_next_to_nothing() -> None:
    durations = Durations()
    costs = []
    for _ in range(5):
        began = time.perf_counter_ns()
        for _ in range(10_000):
            durations.add(60_000)
        costs.append((time.perf_counter_ns() - began) / 10_000)
    # Some 0.2 µs, of a verdict's 50 and more; the bound leaves room for a slower and a busier machine.
    assert min(costs) < 1000


def test_labels_are_those_of_the_definition() -> None:
    metric = counter("enforcer_x", "X.", {"a": "", "b": ""})
    assert metric.exposed_name == "enforcer_x_total"
    assert samples(metric.values({("1", "2"): 3})) == {("enforcer_x_total", ("1", "2")): 3}
    with pytest.raises(ValueError, match="a, b"):
        metric.values({("1",): 3})
    assert gauge("enforcer_y", "Y.").exposed_name == "enforcer_y"
    with pytest.raises(TypeError):
        catalogue.VERDICT_SECONDS.value(1)


def test_a_source_that_fails_is_told_and_leaves_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    trouble = ["no kernel"]

    def broken() -> Iterator[Metric]:
        yield catalogue.READY.value(1)
        if trouble:
            raise OSError(trouble[0])

    registry = registry_of({"build": build_info, "kernel": broken})
    text = generate_latest(registry).decode()
    found = samples(*text_string_to_metric_families(text))
    assert found["enforcer_scrape_source_failed", ("kernel",)] == 1
    assert found["enforcer_scrape_source_failed", ("build",)] == 0
    assert ("enforcer_ready", ()) not in found
    assert found["process_resident_memory_bytes", ()] > 0
    generate_latest(registry)
    assert [record.getMessage() for record in caplog.records] == ["metrics of kernel left out: no kernel"]
    trouble.clear()
    generate_latest(registry)
    trouble.append("no kernel")
    generate_latest(registry)
    assert len(caplog.records) == 2, "what failed again is told again"


def test_what_no_code_foresaw_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[Metric]:
        raise KeyError("198.51.100.7")

    generate_latest(registry_of({"sessions": broken}))
    [record] = caplog.records
    line = JsonLines("gw1", prefixed=False).format(record)
    assert "metrics of sessions left out: a fault of this program (KeyError)" in line
    assert "test_metrics.py" in line, "where it was is told"
    assert "198.51.100" not in line


def test_counters_of_the_kernel_are_handshakes_by_outcome_or_only_seen() -> None:
    counters = {"ipsec_rejected_again": (3, 900), "wireguard_data": (7, 700), "native_esp": (1, 100)}
    assert samples(*kernel(counters)) == {
        ("enforcer_kernel_handshake_packets_total", ("ipsec", "rejected_again")): 3,
        ("enforcer_kernel_seen_packets_total", ("wireguard_data",)): 7,
        ("enforcer_kernel_seen_packets_total", ("native_esp",)): 1,
    }


def test_decisions_carry_family_action_and_reason_and_nothing_else() -> None:
    (metric,) = decisions({("wireguard", "reject", "not_registered"): 2})
    assert [sample.labels for sample in metric.samples] == [
        {"protocol": "wireguard", "action": "reject", "reason": "not_registered"}
    ]
