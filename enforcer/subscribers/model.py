"""The answer to "who holds this address now?": never a guess."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class HoldingState(StrEnum):
    """What is known of an address's holder. Only FRESH identifies anyone."""

    FRESH = "fresh"
    """One live session, heard of within its time to live."""
    STALE = "stale"
    """A session not heard of for its time to live."""
    AMBIGUOUS = "ambiguous"
    """Two or more live sessions claim the address."""
    NUMBERLESS = "numberless"
    """One live session, but it came without a number."""
    CUT_OFF = "cut_off"
    """One live session, but what the other gateways have heard since is not known."""
    MISSING = "missing"
    """No session holds the address."""


class Holding(NamedTuple):
    """Who holds an address.

    ``tag`` is the keyed tag of the holder's number, None unless FRESH or CUT_OFF; ``age`` is seconds since the
    session was last heard of; ``nas`` names the access server, if known.
    """

    state: HoldingState
    tag: bytes | None = None
    age: float | None = None
    nas: str | None = None
