"""What a benchmark measured: a table on the terminal, and a file for those who draw from it."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parents[2] / "build" / "bench"


class Results:
    """Measurements of one benchmark. Where there is a target, it is an upper bound."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[dict[str, object]] = []
        self._table = Table("measured", "", "target")

    def add(self, what: str, value: float, unit: str, target: float | None = None) -> None:
        """One measurement."""
        self._rows.append({"what": what, "value": value, "unit": unit, "target": target})
        wanted = "" if target is None else f"≤ {target:g} {unit}" + ("" if value <= target else "  MISSED")
        self._table.add_row(what, f"{value:,.4g} {unit}" if value < 100 else f"{value:,.0f} {unit}", wanted)

    def show(self, title: str) -> None:
        """Print the table, and write build/bench/NAME.json."""
        self._table.title = title
        Console().print(self._table)
        FOLDER.mkdir(parents=True, exist_ok=True)
        content = {"title": title, "results": self._rows}
        (FOLDER / f"{self._name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
