"""docs/metrics.md has every metric: ``python -m tests.unit.observe.test_documented_metrics`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from enforcer.observe import catalogue
from enforcer.observe.definition import Definition
from enforcer.observe.metrics import registry_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
BEGIN = "## Reference\n"


def reference() -> str:
    """The part of the page that is made from the catalogue."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield BEGIN
    yield "Counters begin at 0 when the daemon starts. Times are in seconds, sizes in bytes."
    for title, metrics in catalogue.SECTIONS.items():
        yield f"\n### {title}\n"
        yield "| metric | type | labels | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from (_row(metric) for metric in metrics)
    yield "\n### Process\n"
    yield "As every Prometheus client names them, from the `prometheus_client` library.\n"
    yield "| metric | type | meaning |"
    yield "| --- | --- | --- |"
    for metric in registry_of({}).collect():
        if not metric.name.startswith("enforcer_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            yield f"| {name} | {metric.type} | {metric.documentation} |"


def _row(metric: Definition) -> str:
    labels = "<br>".join(f"`{label}`: {values}" for label, values in metric.labels.items())
    return f"| `{metric.exposed_name}` | {metric.kind} | {labels} | {metric.help} |"


def test_the_reference_is_up_to_date() -> None:
    _, begin, said = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert begin + said == reference(), "write it anew: python -m tests.unit.observe.test_documented_metrics"


def test_every_definition_is_in_the_reference() -> None:
    defined = [value.name for value in vars(catalogue).values() if isinstance(value, Definition)]
    listed = [metric.name for section in catalogue.SECTIONS.values() for metric in section]
    assert sorted(defined) == sorted(set(listed)) == sorted(listed)


def test_help_is_a_sentence_and_names_are_as_prometheus_wants_them() -> None:
    for metric in (metric for section in catalogue.SECTIONS.values() for metric in section):
        assert metric.name.startswith("enforcer_")
        assert metric.help.endswith((".", ").")), metric.name
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))


if __name__ == "__main__":
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(head + reference(), encoding="utf-8")
