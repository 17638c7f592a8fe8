"""The list's side of the metrics: how registrations stand, and how many end soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from enforcer.observe import catalogue
from enforcer.registry.lookup import Registry
from enforcer.registry.standing import Listed

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon

DAY = 86400.0

WITHIN = (1, 7, 30)
"""Days ahead for which what ends is counted."""

RECOUNT = 3600.0
"""Seconds for which what ends soon is good as counted."""


class ListStatus:
    """Counts a list when it has changed, by a reload or by the clock, and else once in a while."""

    def __init__(self) -> None:
        self._listed: Listed | None = None
        self._counted = 0.0
        self._entries: dict[tuple[str, ...], float] = {}
        self._expiring: dict[tuple[str, ...], float] = {}

    def read(self, daemon: Daemon, now: float) -> Iterator[Metric]:
        """The metrics at ``now``, epoch seconds."""
        registry, settings = daemon.lists.registry, daemon.config.registry
        if daemon.listed is not self._listed or not 0 <= now - self._counted < RECOUNT:
            self._listed, self._counted = daemon.listed, now
            self._count(registry, now, float(settings.grace))
        yield catalogue.REGISTRY_ENTRIES.values(self._entries)
        yield catalogue.REGISTRY_EXPIRING.values(self._expiring)
        if registry.as_of is not None:
            yield catalogue.REGISTRY_AGE.value(now - registry.as_of)
        yield catalogue.REGISTRY_MAX_AGE.value(settings.max_age)

    def _count(self, registry: Registry, now: float, grace: float) -> None:
        self._entries = {(status,): count for status, count in registry.census(now, grace).items()}
        self._expiring = {
            (status, str(days)): count
            for days in WITHIN
            for status, count in registry.ending(now, grace, days * DAY).items()
        }
