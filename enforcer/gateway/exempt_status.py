"""What the metrics endpoint tells of exempt names, read at scrape time: totals only."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from enforcer.exemptions import Exemptions
from enforcer.gateway.exempt_keeper import ExemptKeeper
from enforcer.observe import catalogue


def exempt_names(exemptions: Exemptions, keeper: ExemptKeeper | None, now: float) -> Iterator[Metric]:
    """Names known, answered, resolved, and how old that is at ``now``, epoch seconds.

    ``keeper`` is None before resolving has started.
    """
    census = exemptions.census()
    yield catalogue.EXEMPT_NAMES.values({(whose,): each.names for whose, each in census.items()})
    yield catalogue.EXEMPT_NAMES_ANSWERED.values({(whose,): each.answered for whose, each in census.items()})
    yield catalogue.EXEMPT_NAMES_RESOLVED.values({(whose,): each.resolved for whose, each in census.items()})
    yield catalogue.EXEMPT_OLDEST_ANSWER.values(
        {(whose,): max(0.0, now - each.oldest) for whose, each in census.items() if each.oldest is not None}
    )
    yield catalogue.EXEMPT_NAMES_REFUSED.value(len(exemptions.refused))
    if keeper is not None:
        yield catalogue.EXEMPT_QUESTIONS.value(keeper.refresher.questions)
        yield catalogue.EXEMPT_LOOKUP_FAILURES.value(keeper.refresher.failures)
        yield catalogue.EXEMPT_OUTAGE.value(keeper.refresher.outage)
