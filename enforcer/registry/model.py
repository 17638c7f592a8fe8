"""One registration, and how it stands at a given time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from enforcer.fingerprints.detection import Family

Network = IPv4Network | IPv6Network


class HolderKind(StrEnum):
    """Who may register."""

    COMPANY = "company"
    FREELANCER = "freelancer"


class Status(StrEnum):
    """How a registration stands at one moment. CURRENT and GRACE count as registered."""

    UPCOMING = "upcoming"
    CURRENT = "current"
    GRACE = "grace"
    """Expired, or vanished from the list, less than the grace period ago."""
    ENDED = "ended"
    """Expired or vanished, and the grace period is over."""
    REVOKED = "revoked"


REGISTERED = frozenset({Status.CURRENT, Status.GRACE})
"""The statuses that count as registered."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """An explicit end of a registration: the only thing that ends one before its grace period.

    Times are seconds since the epoch (UTC).
    """

    reason: str
    notice_at: float
    effective_at: float
    source: str


@dataclass(frozen=True, slots=True)
class Registration:
    """One entry of the list. Exactly one of ``network`` and ``tag`` is set.

    Times are seconds since the epoch (UTC); ``valid_to`` is exclusive; None is open-ended. An empty
    ``protocols`` or ``peers`` means no such condition. ``source`` is ``file:line``. ``vanished_at`` is when
    the entry was first missing from the list, None while it is on it. ``former_tags`` are the number's under
    keys in use before.
    """

    id: str
    kind: HolderKind
    network: Network | None
    tag: bytes | None
    valid_from: float | None
    valid_to: float | None
    protocols: frozenset[Family]
    peers: tuple[Network, ...]
    note: str
    source: str
    revocation: Revocation | None = None
    vanished_at: float | None = None
    former_tags: tuple[bytes, ...] = ()

    @property
    def unconditional(self) -> bool:
        """Whether it holds for every protocol and every remote peer, so that the kernel may decide alone."""
        return not self.protocols and not self.peers

    def ends_at(self) -> float | None:
        """When it stops being current, without grace: expiry or disappearance, whichever came first."""
        ends = [end for end in (self.valid_to, self.vanished_at) if end is not None]
        return min(ends) if ends else None

    def status(self, now: float, grace: float) -> Status:
        """How it stands at ``now``; ``grace`` in seconds. A revocation ends it when effective, not before."""
        if self.revocation is not None and now >= self.revocation.effective_at:
            return Status.REVOKED
        if self.valid_from is not None and now < self.valid_from:
            return Status.UPCOMING
        end = self.ends_at()
        if end is None or now < end:
            return Status.CURRENT
        return Status.GRACE if now < end + grace else Status.ENDED

    def counts(self, now: float, grace: float) -> bool:
        """Whether it makes its holder registered at ``now``: current, or within its grace period."""
        return self.status(now, grace) in REGISTERED

    def changes(self, grace: float) -> tuple[float, ...]:
        """The times at which its status changes, in no order; ``grace`` in seconds."""
        end = self.ends_at()
        times = (
            self.valid_from,
            end,
            None if end is None else end + grace,
            None if self.revocation is None else self.revocation.effective_at,
        )
        return tuple(at for at in times if at is not None)
