"""The Grafana dashboard as data: its rows, panels and queries, with Grafana's variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parents[2] / "config" / "grafana" / "enforcer.json"


@dataclass(frozen=True)
class Query:
    """One query of a panel: at an instant, or over the time range."""

    panel: str
    expression: str
    legend: str
    instant: bool

    def filled_in(self, rate_interval: str, time_range: str) -> str:
        """The expression as Grafana would send it, for all gateways; both durations as PromQL writes them."""
        expression = self.expression.replace("$__rate_interval", rate_interval).replace("$__range", time_range)
        expression = expression.replace("$instance", ".*")
        if "$" in expression:
            raise ValueError(f"{self.panel}: a variable nobody fills in: {expression}")
        return expression

    def name_of(self, labels: Mapping[str, str]) -> str:
        """What the legend calls a series."""
        return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True)
class Panel:
    """A panel and where it stands: 24 columns, units of height."""

    row: str
    model: dict[str, Any]

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.model["title"])

    @property
    def queries(self) -> list[Query]:
        """Its queries."""
        targets = self.model["targets"]
        return [Query(self.title, each["expr"], each["legendFormat"], each["instant"]) for each in targets]


def read(path: Path = DASHBOARD) -> dict[str, Any]:
    """The dashboard's model."""
    model: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return model


def panels(model: Mapping[str, Any]) -> Iterator[Panel]:
    """The panels in their order, each with its row's title."""
    row = ""
    for each in model["panels"]:
        if each["type"] == "row":
            row = each["title"]
        else:
            yield Panel(row, each)
