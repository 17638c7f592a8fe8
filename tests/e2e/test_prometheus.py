"""A real Prometheus scrapes a live gateway: every panel and every alert gets its data, also through the proxy."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from enforcer.observe import catalogue
from tests.lab.dashboard import Panel, panels, read
from tests.lab.metrics_proxy import PASSWORD, PORT, MetricsProxy
from tests.lab.network import Lab
from tests.lab.observed import QUEUE_LENGTH, Observed
from tests.lab.pki import Pki
from tests.lab.processes import LabError, wait_until
from tests.lab.prometheus import Prometheus

TRAFFIC = 16.0
"""Seconds of traffic: each kind of tunnel is tried, and Prometheus scrapes every second."""

EMPTY = {
    ("Refusals, and the day before", "a day before"): "the lab is not a day old",
}
"""Panels' series that have no data here, and why; all others must."""


class World:
    """A gateway with its traffic behind it, and Prometheus."""

    def __init__(self, observed: Observed, prometheus: Prometheus, proxy: MetricsProxy) -> None:
        self.observed = observed
        self.prometheus = prometheus
        self.proxy = proxy


@pytest.fixture(scope="module")
def world(lab: Lab, pki: Pki) -> Iterator[World]:
    for program in ("prometheus", "nginx"):
        if shutil.which(program) is None:
            raise LabError(f"{program} not found: run `make setup`")
    observed = Observed(lab, pki)
    proxy = MetricsProxy(lab.gateway)
    prometheus = Prometheus(lab.gateway, f"127.0.0.1:{PORT}", credentials=proxy.credentials, at_once=True)
    with observed.gateway:
        proxy.start()
        prometheus.start()
        prometheus.scraped()
        observed.run(TRAFFIC)
        yield World(observed, prometheus, proxy)
    prometheus.stop()
    proxy.stop()
    observed.close()


def test_the_proxy_asks_for_the_password_and_shows_nothing_else(world: World) -> None:
    proxy = world.proxy
    assert proxy.get("/metrics").startswith("401 ")
    assert proxy.get("/metrics", "wrong").startswith("401 ")
    assert proxy.get("/metrics", PASSWORD).startswith("200 # HELP enforcer_build_info")
    assert proxy.get("/metrics", PASSWORD, method="POST").startswith("403 ")
    assert proxy.get("/healthz") == "200 ok"
    assert proxy.get("/readyz") == "200 ok"
    assert proxy.get("/", PASSWORD).startswith("404 ")


def test_every_metric_of_the_reference_is_told_and_no_other(world: World) -> None:
    found = {
        metric.name: {label for sample in metric.samples for label in sample.labels} - {"le"}
        for metric in text_string_to_metric_families(world.observed.gateway._get("/metrics"))
        if metric.name.startswith("enforcer_")
    }
    expected = {metric.name: set(metric.labels) for section in catalogue.SECTIONS.values() for metric in section}
    assert found == expected


def test_the_scrape_is_lint_free(world: World) -> None:
    text = world.observed.gateway._get("/metrics")
    done = world.observed.lab.gateway.run(["promtool", "check", "metrics"], text=text, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("panel", list(panels(read())), ids=lambda panel: panel.title)
def test_every_query_of_every_panel_is_answered_with_data(world: World, panel: Panel) -> None:
    for query in panel.queries:
        answer = world.prometheus.query(query.filled_in("5s", "20s"))
        assert bool(answer) is ((query.panel, query.legend) not in EMPTY), query.expression
        for series in answer:
            assert all(value == value for _, value in series.points), f"{query.expression}: {series}"
            assert "{{" not in query.name_of(series.labels)


def test_every_alert_is_evaluated_and_only_those_meant_fire(world: World) -> None:
    prometheus = world.prometheus
    assert wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), 10)
    assert [(rule["name"], rule["lastError"]) for rule in prometheus.rules() if rule["health"] != "ok"] == []
    # The lab's list has grace that ends this week, and somebody sends accounting with a wrong secret: too rarely
    # for an alert.
    assert prometheus.firing() == {"EnforcerGraceEnding"}


def says_that_rules_are_missing(world: World) -> bool:
    missing = "503 rules are missing from the kernel; they are put back soon"
    world.observed.lab.gateway.run(["nft", "delete", "table", "inet", "enforcer"])
    return wait_until(lambda: world.proxy.get("/readyz") == missing, 2, 0.1)


def unjudged(world: World) -> dict[str, float]:
    return {
        dict(labels)["why"]: value
        for (name, labels), value in world.observed.gateway.metrics().items()
        if name == "enforcer_unjudged_packets_total"
    }


def test_what_goes_wrong_is_alerted_on_and_counted(world: World) -> None:
    gateway, prometheus = world.observed.gateway, world.prometheus
    good = gateway.config.read_text()
    gateway.config.write_text("mode: perhaps\n")
    gateway.process.signal(signal.SIGHUP)
    assert wait_until(lambda: "EnforcerReloadRefused" in prometheus.firing(), 10, 0.3)
    gateway.config.write_text(good)
    gateway.process.signal(signal.SIGHUP)
    assert wait_until(lambda: "EnforcerReloadRefused" not in prometheus.firing(), 10, 0.3)

    # Rules that another program flushes: the gateway says that it is not deciding, and mends it. It looks for
    # them every five seconds, which may be at once.
    assert any(says_that_rules_are_missing(world) for _ in range(4))
    assert world.proxy.get("/healthz") == "200 ok"
    assert wait_until(lambda: world.proxy.get("/readyz") == "200 ok", 12, 0.2)

    # A daemon that does not turn: its metrics are gone, and what finds no room in the queue passes and is counted.
    before = unjudged(world)
    gateway.process.signal(signal.SIGSTOP)
    assert wait_until(lambda: "EnforcerDown" in prometheus.firing(), 15, 0.3)
    for _ in range(QUEUE_LENGTH + 100):
        world.observed.initiate("home")
    gateway.process.signal(signal.SIGCONT)
    assert wait_until(lambda: "EnforcerDown" not in prometheus.firing(), 10, 0.3)
    after = unjudged(world)
    assert 100 <= after["not_queued"] - before["not_queued"] < 150
    assert after["not_delivered"] == before["not_delivered"] == 0
