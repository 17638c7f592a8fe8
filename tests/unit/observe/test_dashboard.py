"""The Grafana dashboard: its structure, and that all it asks for exists. Its queries are run in tests/e2e."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from tests.lab.dashboard import Panel, panels, read
from tests.unit.observe.exposed import LABELS, NAMES, names_in

MODEL = read()
PANELS = list(panels(MODEL))

UNITS = {"none", "short", "percentunit", "bytes", "s", "dtdurations", "cps", "cpm", "pps"}
"""Of Grafana's units (packages/grafana-data/src/valueFormats/categories.ts) those in use."""

TYPES = {"stat", "timeseries", "bargauge", "state-timeline"}


def test_rows_and_variables() -> None:
    assert list(dict.fromkeys(panel.row for panel in PANELS)) == [
        "Is it well?",
        "Decisions",
        "Kernel",
        "Who: list, sessions, accounting",
        "Shadow: what enforcement would do",
        "Process",
    ]
    assert [variable["name"] for variable in MODEL["templating"]["list"]] == ["datasource", "instance"]
    # Grafana 10 writes 38 and takes it; later ones migrate it.
    assert MODEL["schemaVersion"] == 38
    assert MODEL["id"] is None


def test_ids_are_unique_and_nothing_overlaps() -> None:
    ids = [panel["id"] for panel in MODEL["panels"]]
    assert len(ids) == len(set(ids))
    boxes = [panel["gridPos"] for panel in MODEL["panels"]]
    for box in boxes:
        assert box["x"] >= 0
        assert 0 < box["w"] <= 24 - box["x"]
        assert box["h"] > 0
    for one, other in combinations(boxes, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{one} and {other} overlap"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_is_whole(panel: Panel) -> None:
    model = panel.model
    assert model["type"] in TYPES
    assert len(model["description"]) > 30
    assert model["description"].endswith(".")
    defaults = model["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    assert [step["value"] for step in steps[1:]] == sorted(step["value"] for step in steps[1:])
    for thing in (model, *model["targets"]):
        assert thing["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in model["targets"]]
    assert len(references) == len(set(references))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_query_asks_for_what_exists(panel: Panel) -> None:
    for query in panel.queries:
        names = names_in(query.filled_in("5m", "1h"))
        assert names, query.expression
        assert names <= NAMES, f"{query.expression}: {names - NAMES}"
        assert labels_in(query.expression) <= LABELS, query.expression
        assert set(re.findall(r"{{(\w+)}}", query.legend)) <= LABELS
        assert "ALERTS" in names or query.expression.count('job="enforcer", instance=~"$instance"') >= len(names)


def test_the_annotation_asks_for_what_exists() -> None:
    (reloads,) = [each for each in MODEL["annotations"]["list"] if "expr" in each]
    assert names_in(reloads["expr"]) <= NAMES


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (
            'sum by (a) (rate(x_total{b="c(d)", e!~"f"}[5m] offset 1d)) / on (g) group_left () max(y) > 0',
            {"x_total", "y"},
        ),
        ("time() - z{} or vector(0)", {"z"}),
        ("histogram_quantile(0.99, sum by (le) (rate(q_bucket[1h])))", {"q_bucket"}),
    ],
)
def test_names_are_found_in_expressions(expression: str, names: set[str]) -> None:
    assert names_in(expression) == names


def labels_in(expression: str) -> set[str]:
    found: list[Any] = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    for listed in re.findall(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", expression):
        found += [label.strip() for label in listed.split(",") if label.strip()]
    return set(found)
