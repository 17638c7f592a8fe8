"""The sessions in memory: found by server and id and by address, counted, aged, bounded."""

from __future__ import annotations

from dataclasses import dataclass

from enforcer.registry.model import Network
from enforcer.registry.prefixes import PrefixMap
from enforcer.subscribers.claims import NEVER, Claim, Record, Server, SessionState, pack, unpack
from enforcer.subscribers.deadlines import Deadlines

FORGET_AFTER = 3
"""Times to live after its last report at which a session is forgotten. An ended one is after one."""

_EVICTION_TRIES = 8
_GONE = frozenset({SessionState.STALE, SessionState.ENDED})


@dataclass(slots=True)
class TableCounts:
    """What has happened to a table since it was made, for metrics."""

    reports: int = 0
    """Reports applied, of any kind."""
    reordered: int = 0
    """Reports of a session older than what was known of it."""
    late: int = 0
    """Reports more than CLOCK_SKEW old on arrival."""
    ahead: int = 0
    """Reports more than CLOCK_SKEW in the future: an access server's clock, or ours, is wrong."""
    superseded: int = 0
    """Claims ended because their address was given to another session of the same access server."""
    evicted: int = 0
    """Sessions forgotten before their time because the table was full."""


class Records:
    """Every session known. ``changed`` gathers the networks whose holder may have changed.

    Each record waits in one of two queues: ``_ageing`` for the time at which it may be stale, or, once stale or
    ended, ``_fading`` for the time at which it may be forgotten. A record that comes back to life waits anew:
    what it left in a queue is passed over, for its ``due`` is another.
    """

    __slots__ = (
        "_ageing", "_capacity", "_fading", "_held", "_restarted", "by_address", "census", "changed", "counts",
        "servers", "ttl",
    )  # fmt: skip

    def __init__(self, ttl: float, capacity: int) -> None:
        self.ttl = ttl
        self.servers: dict[str | None, Server] = {}
        self.by_address: PrefixMap[Claim] = PrefixMap()
        self.census = dict.fromkeys(SessionState, 0)
        self.counts = TableCounts()
        self.changed: set[Network] = set()
        self._capacity = capacity
        self._held = 0
        self._ageing: Deadlines[Record] = Deadlines()
        self._fading: Deadlines[Record] = Deadlines()
        self._restarted: list[Record] = []

    def __len__(self) -> int:
        """How many are held, ended ones included."""
        return self._held

    def take_changed(self) -> frozenset[Network]:
        """The networks gathered since the last call."""
        changed = frozenset(self.changed)
        self.changed.clear()
        return changed

    def server(self, name: str | None) -> Server:
        """The access server of that name, with or without sessions."""
        server = self.servers.get(name)
        if server is None:
            server = self.servers[name] = Server(name)
        return server

    def admit(self, server: Server, session: str, at: float, now: float) -> Record:
        """A new record, first reported ``at``; ``settle`` it when it is filled. May forget another."""
        record = server.sessions[session] = Record(server, session, at)
        if self._held >= self._capacity:
            self._evict(now)
        self._held += 1
        self._wait(self._ageing, record, at + self.ttl)
        return record

    def claim(self, record: Record, network: Network, at: float) -> Claim:
        """Give a record a claim it did not have."""
        claim = Claim(record, pack(network), at)
        record.claims = (*record.claims, claim)
        self.by_address.add(network, claim)
        return claim

    def drop(self, record: Record, claims: tuple[Claim, ...]) -> None:
        """Take claims away from a record."""
        for claim in claims:
            network = unpack(claim.key)
            self.by_address.remove(network, claim)
            self.changed.add(network)
        record.claims = tuple(claim for claim in record.claims if claim not in claims)

    def settle(self, record: Record, now: float) -> SessionState:
        """Count a record by how it stands at ``now``."""
        state, before = record.state_at(now, self.ttl), record.state
        if state is not before:
            if before is not None:
                self.census[before] -= 1
                self.changed.update(record.networks())
            self.census[state] += 1
            record.state = state
            if before in _GONE and state not in _GONE:
                self._age_claims(record, now)
        if state is SessionState.ENDED:
            # A tombstone needs no number.
            record.tag, record.tag_at = None, NEVER
        return state

    def doubt(self, claim: Claim, now: float) -> None:
        """Have a claim doubtful until its address is named again."""
        claim.doubt(now)
        self.changed.add(unpack(claim.key))

    def lapse(self, claim: Claim, now: float) -> None:
        """Have a claim doubtful that its session's reports leave open: none but naming it keeps it any longer."""
        if not claim.lapsed:
            claim.lapsed = True
            self.changed.add(unpack(claim.key))
            self._age_claims(claim.record, now)

    def restarted(self, server: Server) -> None:
        """Have every record of a server settled, as ``sweep`` comes by."""
        self._restarted.extend(server.sessions.values())

    def sweep(self, now: float, limit: int) -> None:
        """Settle up to ``limit`` records of restarted servers."""
        for _ in range(min(limit, len(self._restarted))):
            record = self._restarted.pop()
            if self._held_still(record) and self.settle(record, now) is not SessionState.ENDED:
                self.changed.update(record.networks())

    def expire(self, now: float, limit: int) -> None:
        """Settle up to ``limit`` records that wait for ``now`` in each queue, and forget the oldest."""
        for record in (*self._fading.take(now, limit), *self._ageing.take(now, limit)):
            if record.due <= now and self._held_still(record):
                self._age(record, now)

    def _wait(self, queue: Deadlines[Record], record: Record, due: float) -> None:
        record.due = due
        queue.put(record, due)

    def _held_still(self, record: Record) -> bool:
        return record.server.sessions.get(record.session) is record

    def _age(self, record: Record, now: float) -> None:
        state = self.settle(record, now)
        if state is SessionState.ENDED:
            forget_at = max(record.heard, record.end) + self.ttl
        elif state is SessionState.STALE:
            forget_at = record.heard + FORGET_AFTER * self.ttl
        else:
            self._age_claims(record, now)
            return
        if now >= forget_at:
            self._forget(record)
        else:
            self._wait(self._fading, record, forget_at)

    def _age_claims(self, record: Record, now: float) -> None:
        """Reports can keep a session without keeping every address of it."""
        self.drop(record, tuple(c for c in record.claims if now - c.heard >= FORGET_AFTER * self.ttl))
        stale_at = record.heard + self.ttl
        for claim in record.claims:
            if now - claim.heard >= self.ttl:
                self.changed.add(unpack(claim.key))
            else:
                stale_at = min(stale_at, claim.heard + self.ttl)
        self._wait(self._ageing, record, stale_at)

    def _evict(self, now: float) -> None:
        tries = 0
        while True:
            record = (self._fading or self._ageing).first()
            if not self._held_still(record):
                continue
            tries += 1
            if self.settle(record, now) in _GONE or tries > _EVICTION_TRIES:
                break
            # Heard of since it was put there: back to where it belongs by now, and the next one.
            self._age_claims(record, now)
        for network in record.networks():
            for claim in (*self.by_address.at(network), *self.by_address.around(network)):
                if claim.record is not record:
                    self.doubt(claim, now)
        self._forget(record)
        self.counts.evicted += 1

    def _forget(self, record: Record) -> None:
        self.drop(record, record.claims)
        server = record.server
        del server.sessions[record.session]
        if not server.sessions:
            del self.servers[server.name]
        self._held -= 1
        if record.state is not None:
            self.census[record.state] -= 1
