"""What a scrape of a gateway can hold, by name and label, for tests of what asks for it."""

from __future__ import annotations

import re

from enforcer.observe import catalogue
from enforcer.observe.definition import Kind
from enforcer.observe.metrics import registry_of

_SUFFIXES = ("_bucket", "_count", "_sum")
_OURS = [metric for section in catalogue.SECTIONS.values() for metric in section]
_PROCESS = list(registry_of({}).collect())

PROMETHEUS = {"up", "scrape_duration_seconds", "ALERTS"}
"""What Prometheus itself adds."""

NAMES = (
    PROMETHEUS
    | {metric.exposed_name for metric in _OURS if metric.kind is not Kind.HISTOGRAM}
    | {metric.name + suffix for metric in _OURS if metric.kind is Kind.HISTOGRAM for suffix in _SUFFIXES}
    | {sample.name for metric in _PROCESS for sample in metric.samples}
)
LABELS = (
    {"instance", "job", "le", "alertname", "alertstate"}
    | {label for metric in _OURS for label in metric.labels}
    | {label for metric in _PROCESS for sample in metric.samples for label in sample.labels}
)


def names_in(expression: str) -> set[str]:
    """The metrics a PromQL expression asks for."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    words = re.findall(r"[A-Za-z_:][\w:]*(?!\w*\s*\()", bare)
    return {word for word in words if word not in _WORDS}


_WORDS = frozenset({"and", "or", "unless", "offset", "by", "on", "bool", "d", "m", "h", "s"})
