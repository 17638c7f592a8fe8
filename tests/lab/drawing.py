"""Draws the panel types the dashboard uses with matplotlib, roughly as Grafana does: for the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

mpl.use("agg")

Named = Sequence[tuple[str, Sequence[tuple[float, float]]]]
"""Series: what the legend calls each, and its (Unix time, value) points."""

Inside = tuple[float, float, float, float]
"""Where a panel's content goes: left, top, width and height in pixels."""

PALETTE = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0")
COLORS = {"green": "#56A64B", "red": "#E02F44", "orange": "#FF780A", "blue": "#3274D9", "yellow": "#F2CC0C"}
TEXT, FAINT, LINE = "#24292e", "#6e7780", "#e4e7eb"

COLUMN, UNIT, GAP = 54.0, 38.0, 4.0
"""Pixels of a grid column, of a unit of height, and around a panel."""

_SCALES = {"pps": "p/s", "cps": "/s", "cpm": "/min"}


def text_of(value: float, unit: str, decimals: int | None = None) -> str:
    """A value in a unit of Grafana's (packages/grafana-data/src/valueFormats/categories.ts)."""
    if unit == "percentunit":
        return f"{value * 100:.{1 if decimals is None and 0 < abs(value) < 0.1 else 0}f} %"
    if unit in ("s", "dtdurations"):
        return _duration(value, decimals)
    if unit == "bytes":
        power = min(4, int(math.log(max(abs(value), 1), 1024)))
        return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    for limit, suffix in ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix} {_SCALES.get(unit, '')}".rstrip()
    digits = decimals if decimals is not None else (0 if value == round(value) else 2 if abs(value) < 10 else 1)
    return f"{value:.{digits}f} {_SCALES.get(unit, '')}".rstrip()


def _duration(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    sizes = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
    size, name = next((each for each in sizes if abs(value) >= each[0]), sizes[-1])
    shown = value / size
    return f"{shown:.{decimals if decimals is not None and size == 1 else 0 if shown >= 10 else 1}f} {name}"


class Sheet:
    """A picture of one row: panels are placed on it by their gridPos."""

    def __init__(self, title: str, height: int) -> None:
        """``height`` is in units of the dashboard's grid, without the row's own."""
        self._width, self._height = 24 * COLUMN, height * UNIT + 34
        self.figure = Figure(figsize=(self._width / 100, self._height / 100), dpi=100, facecolor="#f4f5f7")
        self._text(10, 8, f"▾  {title}", size=11.5, weight="bold")

    def panel(self, model: Mapping[str, Any], top: int, series: Named) -> None:
        """Draw a panel whose row begins at ``top``."""
        grid = model["gridPos"]
        x, y = grid["x"] * COLUMN + GAP, (grid["y"] - top) * UNIT + 34
        width, height = grid["w"] * COLUMN - 2 * GAP, grid["h"] * UNIT - 2 * GAP
        self._box(x, y, width, height, "white", LINE)
        self._text(x + 10, y + 8, model["title"], size=9, weight="bold")
        inside = (x, y + 26, width, height - 26)
        if not series:
            self._text(x + width / 2, y + height / 2, "No data", size=10, color=FAINT, ha="center")
        elif model["type"] == "stat":
            self._stat(model, inside, series)
        elif model["type"] == "bargauge":
            self._bars(model, inside, series)
        elif model["type"] == "state-timeline":
            self._timeline(model, inside, series)
        elif model["type"] == "timeseries":
            self._graph(model, inside, series)
        else:
            raise ValueError(f"{model['title']}: nobody can draw a {model['type']}")

    def save(self, path: str) -> None:
        """Write it as PNG."""
        self.figure.savefig(path, facecolor=self.figure.get_facecolor(), pil_kwargs={"optimize": True})

    def _axes(self, x: float, y: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(
            (x / self._width, 1 - (y + height) / self._height, width / self._width, height / self._height)
        )

    def _box(self, x: float, y: float, width: float, height: float, face: str, edge: str) -> None:
        corner = (x / self._width, 1 - (y + height) / self._height)
        box = Rectangle(corner, width / self._width, height / self._height, linewidth=0.8, zorder=-1)
        box.set(facecolor=face, edgecolor=edge)
        self.figure.add_artist(box)

    def _text(self, x: float, y: float, text: str, size: float, **more: Any) -> None:
        options = {"color": TEXT, "ha": "left", "va": "top", **more}
        self.figure.text(x / self._width, 1 - y / self._height, text, fontsize=size, **options)

    def _stat(self, model: Mapping[str, Any], inside: Inside, series: Named) -> None:
        x, y, width, height = inside
        each = (width - 12) / len(series)
        filled = model["options"]["colorMode"] == "background"
        for number, (name, points) in enumerate(series):
            value = points[-1][1]
            text, color = _shown(model, value)
            left = x + 6 + number * each
            if filled:
                self._box(left + 2, y, each - 4, height - 8, color, color)
            named = model["options"]["textMode"] == "value_and_name"
            middle = y + (height - 8) / 2
            ink = "white" if filled else color
            size = min(15.0, each / (1.15 * len(text)))
            centred: dict[str, Any] = {"color": ink, "ha": "center", "va": "center"}
            self._text(left + each / 2, middle + (9 if named else 0), text, size, weight="bold", **centred)
            if named:
                self._text(left + each / 2, middle - 16, name, 8, **centred)

    def _bars(self, model: Mapping[str, Any], inside: Inside, series: Named) -> None:
        x, y, width, height = inside
        each = min(30.0, (height - 16) / len(series))
        most = max(max(points[-1][1] for _, points in series), 1e-9)
        names = 7.0 * max(len(name) for name, _ in series) + 18
        room = width - names - 74
        for number, (name, points) in enumerate(series):
            value = points[-1][1]
            middle = y + 6 + (number + 0.5) * each
            color = _fixed(model, name) or COLORS["blue"]
            self._text(x + 10, middle, name, 8, va="center")
            self._box(x + names, middle - each * 0.32, room, each * 0.64, "#f0f2f4", "#f0f2f4")
            self._box(x + names, middle - each * 0.32, max(2.0, room * value / most), each * 0.64, color, color)
            self._text(x + names + room + 8, middle, _shown(model, value)[0], 8.5, va="center", weight="bold")

    def _timeline(self, model: Mapping[str, Any], inside: Inside, series: Named) -> None:
        x, y, width, height = inside
        names = 6.2 * max(len(name) for name, _ in series) + 16
        axes = self._axes(x + names, y + 6, width - names - 16, height - 50)
        times = [time for _, points in series for time, _ in points]
        step = min((b - a for a, b in zip(sorted(set(times)), sorted(set(times))[1:], strict=False)), default=15)
        used: dict[str, str] = {}
        for number, (_, points) in enumerate(series):
            for time, value in points:
                text, color = _shown(model, value)
                used[text] = color
                axes.add_patch(Rectangle((time, number - 0.25), step, 0.5, color=color, alpha=0.8, linewidth=0))
        axes.set_ylim(len(series) - 0.5, -0.5)
        axes.set_xlim(min(times), max(times) + step)
        axes.set_yticks(range(len(series)), [name for name, _ in series])
        _clean(axes)
        axes.grid(visible=False)
        self._legend(x + 10, y + height - 18, [(name, color, False) for name, color in used.items()], width - 20)

    def _graph(self, model: Mapping[str, Any], inside: Inside, series: Named) -> None:
        x, y, width, height = inside
        defaults = model["fieldConfig"]["defaults"]
        custom, unit, decimals = defaults["custom"], defaults["unit"], defaults.get("decimals")
        axes = self._axes(x + 68, y + 6, width - 84, height - 62)
        rest = iter(PALETTE)
        styles = [(name, _fixed(model, name) or next(rest, TEXT), _dashed(model, name)) for name, _ in series]
        if custom["stacking"]["mode"] == "normal":
            times = sorted({time for _, points in series for time, _ in points})
            layers = [[dict(points).get(time, 0.0) for time in times] for _, points in series]
            colors = [color for _, color, _ in styles]
            axes.stackplot(times, layers, colors=colors, alpha=0.55, linewidth=0)
        else:
            for (_, points), (_, color, dashed) in zip(series, styles, strict=True):
                when, values = [time for time, _ in points], [value for _, value in points]
                axes.plot(when, values, color=color, linewidth=1.6, linestyle=(0, (5, 4)) if dashed else "-")
                if not dashed and custom.get("scaleDistribution") is None:
                    axes.fill_between(when, values, color=color, alpha=0.08, linewidth=0)
        if custom.get("scaleDistribution"):
            axes.set_yscale("log")
            axes.minorticks_off()
        else:
            low, high = axes.get_ylim()
            low = defaults["min"] if defaults.get("min") is not None else min(0.0, low)
            axes.set_ylim(low, max(high * 1.08, low + 1e-6, *_room(model, unit)))
            if unit == "bytes":
                axes.yaxis.set_major_locator(MultipleLocator(2 ** round(math.log2(axes.get_ylim()[1] / 4))))
            else:
                axes.yaxis.set_major_locator(MaxNLocator(4, integer=decimals == 0))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text_of(value, unit, decimals)))
        if custom["thresholdsStyle"]["mode"] == "line":
            for step in defaults["thresholds"]["steps"][1:]:
                axes.axhline(step["value"], color=COLORS.get(step["color"], step["color"]), linewidth=1, alpha=0.8)
        times = [time for _, points in series for time, _ in points]
        axes.set_xlim(min(times), max(times))
        _clean(axes)
        self._legend(x + 10, y + height - 20, styles, width - 20)

    def _legend(self, x: float, y: float, styles: Sequence[tuple[str, str, bool]], width: float) -> None:
        left = x
        for name, color, _ in styles:
            space = 28 + 6.6 * len(name)
            if left + space > x + width + 8:
                self._text(left, y, "…", 8, color=FAINT)
                return
            self._box(left, y + 4, 11, 3.5, color, color)
            self._text(left + 15, y - 1, name, 8, color=FAINT)
            left += space


def _room(model: Mapping[str, Any], unit: str) -> tuple[float, ...]:
    """Values the axis must reach: what a flat line at zero is seen against."""
    defaults = model["fieldConfig"]["defaults"]
    if defaults["custom"]["thresholdsStyle"]["mode"] == "line":
        return (defaults["thresholds"]["steps"][-1]["value"] * 1.1,)
    return (1.02,) if unit == "percentunit" else (1e-3 if unit == "s" else 1.0,)


def _clean(axes: Axes) -> None:
    begin, end = axes.get_xlim()
    between = next((each for each in (15, 30, 60, 120, 300, 600, 1800, 3600) if end - begin < 6 * each), 7200)
    axes.xaxis.set_major_locator(MultipleLocator(between))
    form = "%H:%M" if between >= 60 else "%H:%M:%S"
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at, UTC).strftime(form)))
    axes.tick_params(labelsize=7.5, colors=FAINT, length=0)
    axes.grid(color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _shown(model: Mapping[str, Any], value: float) -> tuple[str, str]:
    """What a value is shown as, and in which colour."""
    defaults = model["fieldConfig"]["defaults"]
    color = "green"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    text = text_of(value, defaults["unit"], defaults.get("decimals"))
    for mapping in defaults["mappings"]:
        found = mapping["options"].get(f"{value:g}")
        if found is not None:
            text, color = found["text"], found["color"]
    return text, COLORS.get(color, color)


def _properties(model: Mapping[str, Any], name: str) -> dict[str, Any]:
    overrides = model["fieldConfig"]["overrides"]
    return {
        each["id"]: each["value"]
        for override in overrides
        if override["matcher"]["options"] == name
        for each in override["properties"]
    }


def _fixed(model: Mapping[str, Any], name: str) -> str | None:
    found = _properties(model, name).get("color")
    return None if found is None else COLORS.get(found["fixedColor"], found["fixedColor"])


def _dashed(model: Mapping[str, Any], name: str) -> bool:
    return "custom.lineStyle" in _properties(model, name)
