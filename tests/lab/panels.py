"""Pictures of the dashboard's rows from a lab's real data: ``python -m tests.lab.panels``, as root.

Grafana is in no package registry this project uses. So each panel's queries are asked of a real Prometheus that
scrapes a live gateway, and drawn from the answers by the same dashboard file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.lab.dashboard import Panel, panels, read
from tests.lab.drawing import Sheet
from tests.lab.network import Lab
from tests.lab.observed import METRICS, Observed
from tests.lab.pki import Pki
from tests.lab.prometheus import Prometheus

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

LARGEST = 150_000
"""Bytes of a picture."""


class Window:
    """A stretch of time of a Prometheus: Unix times; ``step`` in seconds."""

    def __init__(self, prometheus: Prometheus, begin: float, end: float, interval: int) -> None:
        self._prometheus = prometheus
        self._begin, self._end = begin, end
        self._step = max(float(interval), (end - begin) / 240)
        self._rate_interval = f"{max(12 * interval, round(4 * self._step))}s"

    def answers(self, panel: Panel) -> list[tuple[str, list[tuple[float, float]]]]:
        """The panel's series with their legends."""
        found: list[tuple[str, list[tuple[float, float]]]] = []
        for query in panel.queries:
            expression = query.filled_in(self._rate_interval, f"{self._end - self._begin:.0f}s")
            if query.instant:
                answer = self._prometheus.query(expression)
            else:
                answer = self._prometheus.query_range(expression, self._begin, self._end, self._step)
            for series in answer:
                points = [(at, value) for at, value in series.points if value == value]
                if points:
                    found.append((query.name_of(series.labels), points))
        return found


def draw(window: Window, model: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw each row; the pictures made."""
    made = []
    for row, members in groupby(panels(model), key=lambda panel: panel.row):
        of_row = list(members)
        top = min(panel.model["gridPos"]["y"] for panel in of_row)
        bottom = max(panel.model["gridPos"]["y"] + panel.model["gridPos"]["h"] for panel in of_row)
        sheet = Sheet(row, bottom - top)
        for panel in of_row:
            sheet.panel(panel.model, top, window.answers(panel))
        made.append(folder / f"dashboard-{slug(row)}.png")
        sheet.save(str(made[-1]))
    return made


def slug(row: str) -> str:
    """A row's title as part of a file's name."""
    return "-".join(row.lower().partition(":")[0].replace("?", "").split())


def main() -> int:
    """Run a gateway and its traffic for some minutes, and draw; the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0, help="how long traffic runs (default: 8)")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="where the pictures go")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    interval = 5
    with Lab() as lab:
        observed = Observed(lab, Pki(lab.new_folder("pki"), (lab.internet.ip4, lab.internet.ip6)))
        prometheus = Prometheus(lab.gateway, METRICS, interval)
        with observed.gateway:
            prometheus.start()
            prometheus.scraped()
            begin = time.time()
            observed.run(arguments.minutes * 60)
            window = Window(prometheus, begin + 4 * interval, time.time(), interval)
            made = draw(window, read(), arguments.folder)
        prometheus.stop()
        observed.close()
    too_large = [path for path in made if path.stat().st_size > LARGEST]
    for path in made:
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
