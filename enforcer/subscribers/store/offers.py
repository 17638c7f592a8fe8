"""What a gateway knows, as events: for a store that may have lost them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.store.encoding import Heard
from enforcer.subscribers.table import Session


def offers(sessions: Iterable[Session]) -> Iterator[Heard]:
    """The last report of each session as an Interim-Update that names all it holds, punctual as it was.

    Sessions without an access server are not from accounting, and are left out.
    """
    for session in sessions:
        if session.nas is not None:
            at, held = session.heard_at, session.addresses
            yield Heard(AccountingEvent(EventKind.INTERIM, session.nas, session.key, at, held, session.tag), at)
