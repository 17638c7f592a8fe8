"""What each session is known to hold, and how one report weighs against another.

Millions of these are in memory: addresses are kept as integers, times are seconds since the epoch (UTC).
"""

from __future__ import annotations

import math
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from enforcer.registry.model import Network

CLOCK_SKEW = 60.0
"""Seconds by which an access server's clock may run ahead of ours, and by which its news may be late."""

NEVER = -math.inf


class SessionState(StrEnum):
    """How a session stands at one moment. Only LIVE ones identify anybody."""

    LIVE = "live"
    """Heard of within its time to live, with a number."""
    NUMBERLESS = "numberless"
    """The same, without a number."""
    DOUBTFUL = "doubtful"
    """Something contradicts it, or it has no known age: it identifies nobody, and contests what it claims."""
    STALE = "stale"
    """Not heard of for its time to live."""
    ENDED = "ended"
    """Stopped; remembered so that reports from before its end do not bring it back."""


class Server:
    """An access server (NAS): its sessions by Acct-Session-Id.

    ``latest`` is the time of its latest report. Sessions begun no later than ``cleared`` ended then
    (Accounting-On or -Off). Addresses not named since ``doubted`` are doubtful.
    """

    __slots__ = ("cleared", "doubted", "latest", "name", "sessions")

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.sessions: dict[str, Record] = {}
        self.latest = NEVER
        self.cleared = NEVER
        self.doubted = NEVER


class Record:
    """One session. ``begun`` is its Start, or the first report of it while that is unknown (not ``started``).

    ``heard`` is the time of its latest report; ``kept`` of the latest that named no address, and so kept them
    all. ``state`` is the state last counted; ``state_at`` is the truth. ``due`` is when to look at it again.
    """

    __slots__ = (
        "begun", "claims", "due", "ended", "heard", "kept", "server", "session", "started", "state", "tag",
        "tag_at",
    )  # fmt: skip

    def __init__(self, server: Server, session: str, at: float) -> None:
        self.server = server
        self.session = session
        self.begun = at
        self.heard = at
        self.due = at
        self.started = False
        self.kept = NEVER
        self.ended = NEVER
        self.tag: bytes | None = None
        self.tag_at = NEVER
        self.claims: tuple[Claim, ...] = ()
        self.state: SessionState | None = None

    @property
    def end(self) -> float:
        """When it ended, by its Stop or by its server's restart; NEVER while it has not."""
        cleared = self.server.cleared
        return max(self.ended, cleared) if self.begun <= cleared else self.ended

    @property
    def over(self) -> bool:
        """Whether nothing was heard of it after its end."""
        return self.heard <= self.end

    def state_at(self, now: float, ttl: float) -> SessionState:
        """How it stands at ``now``, whatever its addresses do; ``ttl`` in seconds."""
        end = self.end
        if self.heard <= end:
            return SessionState.ENDED
        age = now - self.heard
        if age >= ttl:
            return SessionState.STALE
        if end > NEVER or age < -CLOCK_SKEW:
            return SessionState.DOUBTFUL
        return SessionState.NUMBERLESS if self.tag is None else SessionState.LIVE

    def claim(self, key: int) -> Claim | None:
        """Its claim to an address (as of ``pack``), if it has one."""
        for claim in self.claims:
            if claim.key == key:
                return claim
        return None

    def networks(self) -> list[Network]:
        """Every address and prefix it has a claim to, however that stands."""
        return [unpack(claim.key) for claim in self.claims]


class Claim:
    """A session's claim to an address: named in its reports from ``first`` to ``last``.

    ``superseded``: another session of the same access server has taken the address over. ``doubted``: when
    something last contradicted the claim, which is doubtful until the address is named after that. ``lapsed``:
    the session's latest reports leave open whether it still has the address, or under which number.
    """

    __slots__ = ("doubted", "first", "key", "lapsed", "last", "record", "superseded")

    def __init__(self, record: Record, key: int, at: float) -> None:
        self.record = record
        self.key = key
        self.first = at
        self.last = at
        self.doubted = NEVER
        self.lapsed = False
        self.superseded = False

    @property
    def heard(self) -> float:
        """The latest report that speaks for it: it names it or, unless it has lapsed, no address at all."""
        return self.last if self.lapsed else max(self.last, self.record.kept)

    @property
    def certain(self) -> bool:
        """Whether it was named after everything that contradicts it."""
        return self.last > self.doubted and self.last > self.record.server.doubted

    def state_at(self, now: float, ttl: float) -> SessionState:
        """How it stands at ``now``; ``ttl`` in seconds. No better than its session, and ENDED when superseded."""
        if self.superseded:
            return SessionState.ENDED
        state = self.record.state_at(now, ttl)
        if state is SessionState.ENDED:
            return state
        if now - self.heard >= ttl:
            return SessionState.STALE
        return SessionState.DOUBTFUL if self.lapsed or not self.certain else state

    def doubt(self, now: float) -> None:
        """Something contradicts the claim, as is known since ``now``."""
        self.doubted = max(now, self.last)

    def supersedes(self, other: Claim) -> bool:
        """Whether this claim ends the ``other``'s to the same address.

        An access server gives an address to one session at a time. So it does when it began after the other
        was last named, at the same server, and is well founded: its session's Start was heard, or it was named
        twice. One report of a session whose Start is unknown may come from a session that is long over.
        """
        return (
            self.first > other.last
            and self.record.server is other.record.server
            and (self.record.started or self.last > self.first)
            and self.certain
        )


def pack(network: Network) -> int:
    """An address or prefix as one integer: from the low end, 1 bit of family, 8 of prefix length, the address."""
    return int(network.network_address) << 9 | network.prefixlen << 1 | (network.version == 6)


def unpack(key: int) -> Network:
    """The address or prefix that ``pack`` made ``key`` of."""
    return (IPv6Network if key & 1 else IPv4Network)((key >> 9, key >> 1 & 0xFF))
