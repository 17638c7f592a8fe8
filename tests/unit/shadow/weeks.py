"""Synthetic days of a gateway in mode monitor, through the real totals, ledger and store.

``python -m tests.unit.shadow.weeks FOLDER`` writes the reports that docs/images shows.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from enforcer.config import Line
from enforcer.fingerprints.detection import Family
from enforcer.policy import Decision, Reason
from enforcer.shadow.coverage import Unsaved, Watched
from enforcer.shadow.ledger import Ledger
from enforcer.shadow.page import page
from enforcer.shadow.report import Report, make
from enforcer.shadow.store import Batch, Store
from enforcer.shadow.totals import DAY, HOUR, Totals
from tests.unit.shadow.handshakes import LEASED, LTE, handshake

MONDAY = 20_773 * DAY
"""The start of a Monday, UTC."""

OFFICE = (2, 1, 1, 1, 1, 2, 5, 12, 25, 30, 30, 28, 24, 28, 30, 30, 26, 18, 12, 9, 8, 6, 4, 3)
"""How busy the hours of a day are, in percent of a population that shows itself."""


@dataclass(frozen=True)
class Population:
    """Subscribers alike: how many, what they run, why they pass or do not, and from which day on."""

    size: int
    family: Family
    variant: str
    reason: Reason
    line: Line | None
    first_day: int = 0
    last_day: int = 99


CITY = (
    Population(1350, Family.WIREGUARD, "wireguard", Reason.NOT_REGISTERED, LTE),
    Population(260, Family.WIREGUARD, "wireguard", Reason.NOT_REGISTERED, LEASED),
    Population(540, Family.OPENVPN, "tls-auth", Reason.NOT_REGISTERED, LTE),
    Population(310, Family.OPENVPN, "tls-crypt", Reason.NOT_REGISTERED, LTE),
    Population(330, Family.OPENVPN, "plain", Reason.NOT_REGISTERED, LEASED),
    Population(90, Family.IPSEC, "ikev2", Reason.NOT_REGISTERED, LEASED),
    Population(75, Family.OPENVPN, "plain", Reason.ENDED, LEASED),
    Population(12, Family.WIREGUARD, "wireguard", Reason.REVOKED, LEASED),
    Population(14, Family.OPENVPN, "plain", Reason.REVOKED, LEASED),
    Population(160, Family.WIREGUARD, "wireguard", Reason.OTHER_PROTOCOL, LTE),
    Population(640, Family.WIREGUARD, "wireguard", Reason.MAPPING_MISSING, LTE, 0, 3),
    Population(300, Family.OPENVPN, "tls-crypt", Reason.MAPPING_MISSING, LTE, 0, 3),
    Population(220, Family.OPENVPN, "tls-auth", Reason.MAPPING_STALE, LTE),
    Population(45, Family.WIREGUARD, "wireguard", Reason.MAPPING_AMBIGUOUS, LTE),
    Population(110, Family.OPENVPN, "tls-auth", Reason.REGISTERED_GRACE, LEASED),
    Population(820, Family.WIREGUARD, "wireguard", Reason.REGISTERED, LTE),
    Population(900, Family.IPSEC, "ikev2", Reason.NO_ROUTE, None),
)
"""A gateway of a middling town: an access server without accounting until Thursday, and revocations so few that
only together they may be told."""


def write(
    store: Store,
    populations: tuple[Population, ...],
    hours: int,
    restart_at: int | None = None,
    down: range = range(0),
    seed: int = 1,
) -> None:
    """Hours of handshakes from Monday on, with a restart at one of them, and nothing while the daemon is down."""
    chance = random.Random(seed)
    known: dict[tuple[int, int], Decision] = {}
    totals, ledger = Totals(MONDAY), Ledger()
    for index in range(hours):
        start = MONDAY + index * HOUR
        over = totals.roll(start)
        if over is not None:
            store.write([Batch(start, ledger.take(over), _watched(index - 1, down))], 0)
        if index == restart_at:
            # An hour's first minute: nothing of it was counted.
            store.write([Batch(start, ledger.take(totals.close()), Unsaved([], frozenset()))], 0)
        if index not in down:
            for decision in _decisions(populations, index, chance, known):
                totals.observe(decision)
    store.write([Batch(start + HOUR, ledger.take(totals.close()), _watched(hours - 1, down))], 0)


def _watched(index: int, down: range) -> Unsaved:
    hour = float(HOUR)
    families = () if index in down else Family
    return Unsaved([Watched(MONDAY + index * HOUR, family, hour, hour) for family in families], frozenset())


def _decisions(
    populations: tuple[Population, ...],
    index: int,
    chance: random.Random,
    known: dict[tuple[int, int], Decision],
) -> Iterator[Decision]:
    day, hour = divmod(index, 24)
    for number, people in enumerate(populations):
        if not people.first_day <= day <= people.last_day:
            continue
        weekend = 0.45 if day % 7 >= 5 else 1.0
        share = OFFICE[hour] / 100 * weekend * chance.uniform(0.85, 1.15)
        for _ in range(round(people.size * share)):
            one = chance.randrange(people.size)
            if (number, one) not in known:
                known[number, one] = handshake(
                    number * 100_000 + one, people.family, people.variant, people.reason, people.line
                )
            yield from [known[number, one]] * chance.randint(1, 3)


def week(folder: Path) -> Report:
    """A week with a restart on Tuesday morning and a quiet night without the daemon."""
    store = Store(folder / "week.sqlite")
    write(store, CITY, 6 * 24 + 21, restart_at=24 + 11, down=range(4 * 24, 4 * 24 + 9))
    return _report(store, 6 * 24 + 21, 6)


def first_morning(folder: Path) -> Report:
    """The first hours of the first day."""
    store = Store(folder / "morning.sqlite")
    write(store, CITY[:6], 11)
    return _report(store, 11, 0)


def nothing_yet(folder: Path) -> Report:
    """A gateway nobody has met with a VPN so far."""
    store = Store(folder / "nothing.sqlite")
    write(store, (), 3)
    return _report(store, 3, 6)


def quarter(folder: Path) -> Report:
    """Sixty days, the first thirty of them without the daemon."""
    store = Store(folder / "quarter.sqlite")
    write(store, CITY[3:8], 60 * 24, down=range(30 * 24))
    return _report(store, 60 * 24, 59)


def _report(store: Store, hours: int, days_before: int) -> Report:
    now = MONDAY + hours * HOUR - 60.0
    since = now - days_before * DAY
    return make(store.read(int(since) // DAY * DAY), since, now, 7.0 * DAY)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for made in (week, first_morning, nothing_yet, quarter):
        (target / f"{made.__name__}.html").write_text(page(made(target)), encoding="utf-8")
