"""The files for Prometheus are as promtool wants them, and every alert fires when it should and not otherwise."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.observe.exposed import LABELS, NAMES, names_in

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def alerts(repository: Path) -> list[dict[str, Any]]:
    text = (repository / "config" / "prometheus" / "enforcer.rules.yaml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def promtool(*arguments: str, folder: Path) -> str:
    assert shutil.which("promtool") is not None, "promtool not found: run `make setup`"
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_valid_and_fire_when_they_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", "enforcer.rules.test.yaml", folder=HERE)


def test_a_case_that_does_not_hold_is_noticed(tmp_path: Path, repository: Path) -> None:
    cases = yaml.safe_load((HERE / "enforcer.rules.test.yaml").read_text())
    cases["rule_files"] = [str(repository / "config" / "prometheus" / "enforcer.rules.yaml")]
    (down,) = [case for case in cases["tests"] if case["name"] == "EnforcerDown"]
    down["promql_expr_test"][0]["exp_samples"] = []
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump({**cases, "tests": [down]}))
    with pytest.raises(AssertionError, match="EnforcerDown"):
        promtool("test", "rules", "cases.yaml", folder=tmp_path)


def test_every_alert_has_a_case_in_which_it_fires(alerts: list[dict[str, Any]]) -> None:
    cases = yaml.safe_load((HERE / "enforcer.rules.test.yaml").read_text())["tests"]
    fired = {case["name"] for case in cases if case["promql_expr_test"][0]["exp_samples"]}
    assert fired == {alert["alert"] for alert in alerts}


def test_the_example_scrape_configuration_is_valid(
    alerts: list[dict[str, Any]], repository: Path, tmp_path: Path
) -> None:
    for name in ("prometheus.example.yaml", "enforcer.rules.yaml"):
        (tmp_path / name).write_text((repository / "config" / "prometheus" / name).read_text())
    for name in ("enforcer-metrics.password", "enforcer-metrics-ca.pem"):
        (tmp_path / name).touch()
    said = promtool("check", "config", "prometheus.example.yaml", folder=tmp_path)
    assert f"{len(alerts)} rules found" in said


def test_alerts_ask_for_metrics_that_exist(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        names = names_in(alert["expr"])
        assert names, alert["alert"]
        assert names <= NAMES, f"{alert['alert']}: {names - NAMES}"
        labels = set(re.findall(r"(\w+)=~?\"|(\w+)!~?\"", alert["expr"]))
        assert {first or second for first, second in labels} <= LABELS
        assert alert["labels"]["severity"] in ("critical", "warning")


def test_every_alert_has_its_runbook_and_every_runbook_its_alert(
    alerts: list[dict[str, Any]], repository: Path
) -> None:
    headings = re.findall(r"^### (\w+)$", (repository / "docs" / "alerts.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(alert["alert"] for alert in alerts)
    for alert in alerts:
        assert alert["annotations"]["runbook"] == f"docs/alerts.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"].endswith(".")
