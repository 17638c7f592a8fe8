"""What accounting tells of a session, whoever told it: RADIUS, a shared store, a file."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from enforcer.registry.model import Network


class EventKind(StrEnum):
    """Acct-Status-Type values that matter here (RFC 2866 §5.1)."""

    START = "start"
    INTERIM = "interim-update"
    STOP = "stop"
    ON = "accounting-on"
    OFF = "accounting-off"


class AccountingEvent(NamedTuple):
    """One accounting message, reduced to what the decision needs.

    ``nas`` names the access server and ``session`` is its Acct-Session-Id, empty for ON and OFF, which speak of
    every session of the server. ``at`` is when it happened, in seconds since the epoch (UTC): Event-Timestamp
    where given, else arrival less Acct-Delay-Time. ``addresses`` are the addresses and prefixes the message
    names, perhaps none; ``tag`` is the keyed tag of its number, None when it had none.
    """

    kind: EventKind
    nas: str
    session: str
    at: float
    addresses: tuple[Network, ...] = ()
    tag: bytes | None = None
