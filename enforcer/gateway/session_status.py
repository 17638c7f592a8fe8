"""The sessions' side of the metrics: the table, accounting, and the store that gateways share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from enforcer.gateway.followers import SessionFollower
from enforcer.observe import catalogue
from enforcer.subscribers.radius.codec import Flaw, Outcome
from enforcer.subscribers.radius.process import RadiusProcess
from enforcer.subscribers.radius.settings import Settings

if TYPE_CHECKING:
    from enforcer.subscribers.store.shared import StoreState


def sessions(follower: SessionFollower, settings: Settings | None) -> Iterator[Metric]:
    """The metrics of a follower; ``settings`` are those accounting was started with, None for no accounting."""
    yield catalogue.SESSIONS.values({(state,): count for state, count in follower.table.census().items()})
    if follower.radius is not None and settings is not None:
        yield from _radius(follower.radius, settings)
    if follower.store is not None:
        yield from _store(follower.store.state)


def _radius(radius: RadiusProcess, settings: Settings) -> Iterator[Metric]:
    # A client that was never heard has its 0: silence can be alerted on.
    datagrams: dict[tuple[str, ...], float] = {(each.name, Outcome.ACCEPTED): 0 for each in settings.clients}
    flaws: dict[tuple[str, ...], float] = {}
    for (client, what), count in dict(radius.counts).items():
        (flaws if what in set(Flaw) else datagrams)[client, what] = count
    yield catalogue.RADIUS_LISTENING.value(radius.running)
    yield catalogue.RADIUS_DATAGRAMS.values(datagrams)
    yield catalogue.RADIUS_FLAWS.values(flaws)
    yield catalogue.RADIUS_RESTARTS.value(radius.restarts)


def _store(state: StoreState) -> Iterator[Metric]:
    yield catalogue.STORE_CONNECTED.value(state.connected)
    if state.current_at is not None:
        yield catalogue.STORE_CURRENT.value(state.current_at)
    yield catalogue.STORE_WAITING.value(state.waiting)
    yield catalogue.STORE_EVENTS.values(
        {(what,): getattr(state, what) for what in ("sent", "received", "dropped", "unreadable", "offered")}
    )
    yield catalogue.STORE_RESYNCS.value(state.resyncs)
