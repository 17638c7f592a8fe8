"""Which subscriber holds an address now: one live session that nothing contradicts, or nobody."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from enforcer.registry.model import Network
from enforcer.subscribers.claims import NEVER, Record, SessionState, unpack
from enforcer.subscribers.events import AccountingEvent
from enforcer.subscribers.model import Holding, HoldingState
from enforcer.subscribers.records import Records, TableCounts
from enforcer.subscribers.reports import take_in

CAPACITY = 2_000_000
"""Sessions held at most, ended ones included, unless told otherwise."""

_LIVE = frozenset({SessionState.LIVE, SessionState.NUMBERLESS})


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One subscriber's line while it is up: its addresses, and the tag of its number if it came with one.

    ``key`` tells the sessions of one access server apart (Acct-Session-Id): a new report of one replaces the
    old. ``heard_at`` is when it was last reported, in seconds since the epoch (UTC); ``nas`` names the access
    server that did.
    """

    key: str
    addresses: tuple[Network, ...]
    tag: bytes | None
    heard_at: float
    nas: str | None = None


class SessionTable:
    """The sessions known, by every address and prefix they hold.

    ``ttl`` is for how many seconds after its last report a session is live. ``capacity`` bounds the sessions
    held. When it is reached a stale or ended one is forgotten, else one of those not heard of for longest: its
    addresses become unknown, and so do the sessions that claim them too, until they are heard of again.
    """

    __slots__ = ("_capacity", "_records")

    def __init__(self, ttl: float, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._records = Records(ttl, capacity)

    def __len__(self) -> int:
        """The sessions known that have not ended."""
        return len(self._records) - self._records.census[SessionState.ENDED]

    @property
    def counts(self) -> TableCounts:
        """What has happened to the table, for metrics."""
        return self._records.counts

    def census(self) -> dict[SessionState, int]:
        """How many sessions stand how. What changes by the clock is counted once ``expire`` has come by."""
        return dict(self._records.census)

    def replace_all(self, sessions: Iterable[Session]) -> None:
        """Forget every session, and put these in."""
        counts = self._records.counts
        self._records = Records(self._records.ttl, self._capacity)
        self._records.counts = counts
        for session in sessions:
            self.add(session)

    def add(self, session: Session) -> None:
        """Put a session in as it is said to stand, in place of what is known of the one with its key."""
        self._put(session)
        self._records.changed.clear()

    def restore(self, session: Session) -> frozenset[Network]:
        """Put back what was known earlier (by a snapshot, a shared store), unless more is known by now.

        The networks whose holder may have changed.
        """
        server = self._records.servers.get(session.nas)
        if server is not None and (session.key in server.sessions or session.heard_at <= server.cleared):
            return frozenset()
        for claim in self._put(session).claims:
            others = self._records.by_address.at(unpack(claim.key))
            if any(other.supersedes(claim) for other in others):
                claim.superseded = True
        return self._records.take_changed()

    def apply(self, event: AccountingEvent, now: float) -> frozenset[Network]:
        """Take in a report that arrived at ``now``, epoch seconds; ``reports`` says what it does.

        The networks whose holder may have changed: none for a report that brings nothing new. When a server
        with many sessions has restarted, answers follow at once and ``expire`` returns the rest of them.
        """
        take_in(self._records, event, now)
        return self._records.take_changed()

    def expire(self, now: float, limit: int) -> frozenset[Network]:
        """Look at some ``limit`` sessions whose time has come at ``now``, and forget the oldest.

        The networks whose holder may have changed. Call it every second or so: answers follow the clock by
        themselves; memory, ``census`` and whoever follows the changes do not.
        """
        self._records.sweep(now, limit)
        self._records.expire(now, limit)
        return self._records.take_changed()

    def live(self, now: float, tags: Container[bytes] | None = None) -> Iterator[Session]:
        """The sessions live at ``now``, epoch seconds, with the addresses they claim; claims may overlap.

        With ``tags`` only those whose number has one of them: of a million sessions, it is making them that
        takes time. The table must not change while they are read.
        """
        ttl = self._records.ttl
        for server in self._records.servers.values():
            for record in server.sessions.values():
                if tags is not None and (record.tag is None or record.tag not in tags):
                    continue
                if record.state_at(now, ttl) in _LIVE:
                    live = (claim for claim in record.claims if claim.state_at(now, ttl) in _LIVE)
                    addresses = tuple(unpack(claim.key) for claim in live)
                    yield Session(record.session, addresses, record.tag, record.heard, server.name)

    def holder(self, address: bytes, now: float) -> Holding:
        """Who holds ``address`` (4 or 16 bytes, network order) at ``now`` (seconds since the epoch, UTC).

        Every session with the address, or a prefix around it, claims it. A claim last reported less than the
        time to live ago is live, an older one stale. One live claim is the holder, whatever stale ones stand
        beside it: an address is given on when the end of its last session was not heard. Two or more are
        AMBIGUOUS, even under the same tag and whichever is more specific: never a pick. A doubtful claim (one
        from the future, beyond CLOCK_SKEW, is one) is STALE alone, and makes another AMBIGUOUS.
        """
        live: Record | None = None
        stale: Record | None = None
        doubtful: Record | None = None
        contested = False
        for claim in self._records.by_address.covering(address):
            record = claim.record
            state = claim.state_at(now, self._records.ttl)
            if state is SessionState.ENDED:
                continue
            if state is SessionState.STALE:
                if stale is None or record.heard > stale.heard:
                    stale = record
            elif state is SessionState.DOUBTFUL:
                contested |= doubtful is not None and doubtful is not record
                doubtful = record
            elif live is not None and live is not record:
                return Holding(HoldingState.AMBIGUOUS)
            else:
                live = record
        if live is not None:
            if contested or (doubtful is not None and doubtful is not live):
                return Holding(HoldingState.AMBIGUOUS)
            kind = HoldingState.NUMBERLESS if live.tag is None else HoldingState.FRESH
            return Holding(kind, live.tag, max(0.0, now - live.heard), live.server.name)
        if doubtful is not None:
            kind = HoldingState.AMBIGUOUS if contested else HoldingState.STALE
            return Holding(kind, None, None, doubtful.server.name)
        if stale is not None:
            return Holding(HoldingState.STALE, None, now - stale.heard, stale.server.name)
        return Holding(HoldingState.MISSING)

    def _put(self, session: Session) -> Record:
        records = self._records
        server = records.server(session.nas)
        record = server.sessions.get(session.key)
        if record is None:
            record = records.admit(server, session.key, session.heard_at, session.heard_at)
        records.drop(record, record.claims)
        server.latest = max(server.latest, session.heard_at)
        record.begun = record.heard = session.heard_at
        record.started = True
        record.kept = record.ended = NEVER
        record.tag, record.tag_at = session.tag, session.heard_at
        for network in dict.fromkeys(session.addresses):
            records.claim(record, network, session.heard_at)
            records.changed.add(network)
        records.settle(record, session.heard_at)
        return record
