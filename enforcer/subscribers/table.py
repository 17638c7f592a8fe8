"""Which subscriber holds an address now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from enforcer.registry.model import Network
from enforcer.registry.prefixes import PrefixMap
from enforcer.subscribers.model import Holding, HoldingState

CLOCK_SKEW = 60.0
"""Seconds by which an access server's clock may run ahead of ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One subscriber's line while it is up: its addresses, and the tag of its number if it came with one.

    ``key`` tells sessions apart: a new report of one replaces the old. ``heard_at`` is when it was last
    reported, in seconds since the epoch (UTC); ``nas`` names the access server that did.
    """

    key: str
    addresses: tuple[Network, ...]
    tag: bytes | None
    heard_at: float
    nas: str | None = None


class SessionTable:
    """The sessions known, by every address and prefix they hold.

    ``ttl`` is for how many seconds after its last report a session is live.
    """

    __slots__ = ("_by_address", "_by_key", "_ttl")

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._by_key: dict[str, Session] = {}
        self._by_address: PrefixMap[Session] = PrefixMap()

    def add(self, session: Session) -> None:
        """Put a session in, in place of what is known of the one with its key."""
        known = self._by_key.get(session.key)
        if known is not None:
            for network in known.addresses:
                self._by_address.remove(network, known)
        self._by_key[session.key] = session
        for network in dict.fromkeys(session.addresses):
            self._by_address.add(network, session)

    def replace_all(self, sessions: Iterable[Session]) -> None:
        """Forget every session, and put these in."""
        self._by_key = {}
        self._by_address = PrefixMap()
        for session in sessions:
            self.add(session)

    def __len__(self) -> int:
        return len(self._by_key)

    def live(self, now: float) -> Iterator[Session]:
        """The sessions heard of within their time to live at ``now``, epoch seconds; claims may overlap."""
        for session in self._by_key.values():
            if -CLOCK_SKEW <= now - session.heard_at < self._ttl:
                yield session

    def holder(self, address: bytes, now: float) -> Holding:
        """Who holds ``address`` (4 or 16 bytes, network order) at ``now`` (seconds since the epoch, UTC).

        Every session with the address, or a prefix around it, claims it. A claim last reported less than the
        time to live ago is live, an older one stale. One live claim is the holder, whatever stale ones stand
        beside it: an address is given on when the end of its last session was not heard. Two or more are
        AMBIGUOUS, even under the same tag and whichever is more specific: never a pick. A claim from the
        future, beyond CLOCK_SKEW, has no known age: it is STALE alone, and makes a live one AMBIGUOUS.
        """
        claims = self._by_address.covering(address)
        if not claims:
            return Holding(HoldingState.MISSING)
        live: Session | None = None
        latest: Session | None = None
        undated = False
        for session in claims:
            age = now - session.heard_at
            if age < -CLOCK_SKEW:
                undated = True
            elif age < self._ttl:
                if live is not None and live is not session:
                    return Holding(HoldingState.AMBIGUOUS)
                live = session
            elif latest is None or session.heard_at > latest.heard_at:
                latest = session
        if live is not None:
            if undated:
                return Holding(HoldingState.AMBIGUOUS)
            state = HoldingState.NUMBERLESS if live.tag is None else HoldingState.FRESH
            return Holding(state, live.tag, max(0.0, now - live.heard_at), live.nas)
        if latest is not None:
            return Holding(HoldingState.STALE, None, now - latest.heard_at, latest.nas)
        return Holding(HoldingState.STALE)
