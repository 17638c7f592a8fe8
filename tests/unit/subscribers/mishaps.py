"""What goes wrong with accounting, and what then becomes of a registered subscriber.

``python -m tests.unit.subscribers.mishaps`` prints docs/accounting-mishaps.md; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple

from enforcer.policy import Reason
from enforcer.subscribers.events import AccountingEvent, EventKind
from tests.unit.policy.worlds import NOW, TTL

MINUTE, HOUR = 60.0, 3600.0
X, PREFIX, WITHIN = "100.64.0.7", "2001:db8:a:700::/56", "2001:db8:a:7ff::1"
R, U = b"r" * 16, b"u" * 16
"""The tags of a registered and of an unregistered number."""


class Arrival(NamedTuple):
    """A report and when it arrives; None where nothing arrives and only the clock goes on. Seconds since NOW."""

    at: float
    event: AccountingEvent | None


@dataclass(frozen=True)
class Mishap:
    """One thing that goes wrong: what arrives, who really holds ``asked``, and what is answered in the end.

    ``holds`` says from when on the registered subscriber really holds the address, and until when.
    """

    name: str
    story: str
    outcome: str
    reason: Reason
    arrivals: tuple[Arrival, ...]
    holds: tuple[float, float] = (-1.0, 1e9)
    asked: str = X


def start(
    session: str, tag: bytes | None, *addresses: str, at: float, seen: float | None = None, nas: str = "n1"
) -> Arrival:
    """A Start of ``at``, that arrives then or when ``seen``."""
    return _report(EventKind.START, nas, session, tag, addresses, at, seen)


def interim(
    session: str, tag: bytes | None, *addresses: str, at: float, seen: float | None = None, nas: str = "n1"
) -> Arrival:
    """An Interim-Update."""
    return _report(EventKind.INTERIM, nas, session, tag, addresses, at, seen)


def stop(
    session: str, tag: bytes | None, *addresses: str, at: float, seen: float | None = None, nas: str = "n1"
) -> Arrival:
    """A Stop."""
    return _report(EventKind.STOP, nas, session, tag, addresses, at, seen)


def on(at: float, seen: float | None = None, nas: str = "n1") -> Arrival:
    """An Accounting-On."""
    return _report(EventKind.ON, nas, "", None, (), at, seen)


def later(at: float) -> Arrival:
    """Time passes."""
    return Arrival(at, None)


def _report(
    kind: EventKind,
    nas: str,
    session: str,
    tag: bytes | None,
    addresses: tuple[str, ...],
    at: float,
    seen: float | None,
) -> Arrival:
    event = AccountingEvent(kind, nas, session, NOW + at, tuple(map(ip_network, addresses)), tag)
    return Arrival(at if seen is None else seen, event)


_REGISTERED = "registered"
_UNTIL_HEARD = "unknown until the holder's next report, then registered"

MISHAPS = (
    Mishap(
        "lost Start", "The registered subscriber's Start is lost; an Interim-Update comes.",
        "unknown, then registered with the first report", Reason.REGISTERED,
        (interim("a", R, X, at=900),),
    ),
    Mishap(
        "lost Stop", "Its NAS gives an unregistered subscriber's address to a registered one.",
        "the Start ends the old claim at once: registered", Reason.REGISTERED,
        (start("a", U, X, at=0), start("b", R, X, at=1800)), (1800, 1e9),
    ),
    Mishap(
        "lost Stop and lost Start", "The same, and an Interim-Update is the first that is heard.",
        "the first report contests: unknown; the second ends the old claim: registered", Reason.REGISTERED,
        (start("a", U, X, at=0), interim("b", R, X, at=1800), interim("b", R, X, at=2700)), (1800, 1e9),
    ),
    Mishap(
        "lost Stop, and nobody after", "The registered subscriber's Stop is lost, and the address stays free.",
        "registered until the TTL has passed, then unknown", Reason.MAPPING_STALE,
        (start("a", R, X, at=0), later(300), later(TTL)), (0, 600),
    ),
    Mishap(
        "lost Interim-Updates", "Every report is lost for longer than the TTL.",
        "unknown", Reason.MAPPING_STALE, (start("a", R, X, at=0), later(TTL + 1)),
    ),
    Mishap(
        "Stop before Start", "Another's Stop overtakes its Start; the Start arrives while the address is held.",
        _REGISTERED, Reason.REGISTERED,
        (stop("a", U, X, at=10, seen=11), start("b", R, X, at=20), start("a", U, X, at=5, seen=21)), (20, 1e9),
    ),
    Mishap(
        "Start before the other's Stop", "The new holder's Start overtakes the old one's Stop.",
        _REGISTERED, Reason.REGISTERED,
        (start("a", U, X, at=0), start("b", R, X, at=601), stop("a", U, X, at=600, seen=602)), (601, 1e9),
    ),
    Mishap(
        "older Start after newer", "Two Starts of one address come in the wrong order, without the Stop.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("b", R, X, at=20), start("a", U, X, at=0, seen=21), interim("b", R, X, at=900)), (20, 1e9),
    ),
    Mishap(
        "repeated reports", "Every report comes three times, old ones among new ones.",
        _REGISTERED, Reason.REGISTERED,
        (start("a", U, X, at=0), stop("a", U, X, at=60), start("a", U, X, at=0, seen=61), start("b", R, X, at=90),
         stop("a", U, X, at=60, seen=91), start("a", U, X, at=0, seen=92), start("b", R, X, at=90, seen=93)),
        (90, 1e9),
    ),
    Mishap(
        "Start delayed by an hour", "An unregistered subscriber's old Start arrives; its Stop never does.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("b", R, X, at=3000), start("a", U, X, at=0, seen=3600), interim("b", R, X, at=3900)), (3000, 1e9),
    ),
    Mishap(
        "Start delayed by an hour, holder unheard of", "The same, before any report of its holder.",
        "late news makes nobody a holder: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=0, seen=3600),), (3000, 1e9),
    ),
    Mishap(
        "backlog replayed", "After an outage the NAS sends an hour of Starts and Stops in order.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("a", U, X, at=0, seen=3600), stop("a", U, X, at=600, seen=3601),
         start("b", R, X, at=1200, seen=3602), interim("b", R, X, at=3900)), (1200, 1e9),
    ),
    Mishap(
        "Interim-Update from before the Stop", "It comes after the Stop and the next Start.",
        "it does not revive: registered", Reason.REGISTERED,
        (start("a", U, X, at=0), stop("a", U, X, at=600), start("b", R, X, at=620),
         interim("a", U, X, at=590, seen=630)), (620, 1e9),
    ),
    Mishap(
        "Interim-Updates after the Stop", "The NAS goes on reporting a session it has stopped.",
        "contested: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", U, X, at=0), stop("a", U, X, at=600), start("b", R, X, at=620), interim("a", U, X, at=900),
         interim("b", R, X, at=1500)), (620, 1e9),
    ),
    Mishap(
        "two NASes claim one address", "Both report it, in turn.", "contested: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", U, X, at=0, nas="n1"), start("b", R, X, at=60, nas="n2"), interim("a", U, X, at=900, nas="n1"),
         interim("b", R, X, at=960, nas="n2")), (60, 1e9),
    ),
    Mishap(
        "address moved to another NAS", "The pool is shared; the Stop is lost.",
        "contested: unknown until the old claim is stale, then registered", Reason.REGISTERED,
        (start("a", U, X, at=0, nas="n1"), start("b", R, X, at=300, nas="n2"),
         interim("b", R, X, at=TTL, nas="n2")), (300, 1e9),
    ),
    Mishap(
        "contest ends with the wrong one left", "A shared pool again: the claim that remains is the dead one.",
        "doubtful until heard of again: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=0, nas="n1"), start("b", U, X, at=60, nas="n2"), stop("b", U, X, at=120, nas="n2"),
         later(200)), (180, 1e9),
    ),
    Mishap(
        "NAS restarts and says so", "Accounting-On comes; the next Start is lost.",
        "the old claim is gone: unknown, then registered", Reason.REGISTERED,
        (start("a", U, X, at=0), on(600), interim("b", R, X, at=900)), (610, 1e9),
    ),
    Mishap(
        "NAS restarts and does not say so", "The Accounting-On is lost.",
        "the Start ends the old claim: registered", Reason.REGISTERED,
        (start("a", U, X, at=0), start("b", R, X, at=700)), (700, 1e9),
    ),
    Mishap(
        "Accounting-On after the Starts that follow it", "It arrives half a minute late.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("a", U, X, at=0), start("b", R, X, at=610), on(600, seen=630), interim("b", R, X, at=1500)),
        (610, 1e9),
    ),
    Mishap(
        "NAS restarts without a clock", "Its Accounting-On and the Starts after it are dated 1970.",
        "nothing of that NAS is believed until it is heard of by the right clock: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=0), on(10 - NOW, seen=600), start("b", R, X, at=30 - NOW, seen=620)), (620, 1e9),
    ),
    Mishap(
        "session id used again", "The NAS counts its sessions from one again; all reports arrive.",
        _REGISTERED, Reason.REGISTERED,
        (start("1", U, X, at=0), stop("1", U, X, at=600), start("1", R, X, at=900)), (900, 1e9),
    ),
    Mishap(
        "session id used again, unheard", "The same, and both the Stop and the new Start are lost.",
        "the number now reported with the address counts: registered", Reason.REGISTERED,
        (start("1", U, X, at=0), interim("1", R, X, at=1800)), (1800, 1e9),
    ),
    Mishap(
        "session id used again, number without address", "The same, and the first report names no address.",
        "no address is held under a number it was not named with: unknown", Reason.MAPPING_STALE,
        (start("1", U, X, at=0), interim("1", U, at=900), interim("1", b"v" * 16, at=1800)), (1750, 1e9),
    ),
    Mishap(
        "Stop of an earlier session of that id", "It arrives after the new Start.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("1", R, X, at=900), stop("1", U, X, at=600, seen=905), interim("1", R, X, at=1800)), (900, 1e9),
    ),
    Mishap(
        "Start twice", "The session begins anew under its id; the Stop was lost, the address has changed.",
        "only the address of the new Start is held: the old one is unknown", Reason.MAPPING_MISSING,
        (start("1", U, X, at=0), start("1", U, "100.64.0.8", at=900), later(920)), (910, 1e9),
    ),
    Mishap(
        "Start without address", "The address comes with the first Interim-Update.",
        "unknown, then registered", Reason.REGISTERED, (start("a", R, at=0), interim("a", R, X, at=5)),
    ),
    Mishap(
        "Interim-Update without address", "The NAS names addresses only in the Start.",
        _REGISTERED, Reason.REGISTERED, (start("a", R, X, at=0), interim("a", R, at=TTL - 60), later(TTL + 60)),
    ),
    Mishap(
        "address changed in a session", "Its old address is given on, unheard.",
        "the old address is unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=0), interim("a", U, "100.64.0.8", at=900), later(920)), (910, 1e9),
    ),
    Mishap(
        "number missing", "The reports carry no number, or one that is none.",
        "unknown", Reason.MAPPING_NUMBERLESS, (start("a", None, X, at=0), interim("a", None, X, at=900)),
    ),
    Mishap(
        "number missing at first", "The Start has none, the Interim-Update has it.",
        "unknown, then registered", Reason.REGISTERED, (start("a", None, X, at=0), interim("a", R, X, at=900)),
    ),
    Mishap(
        "number changes in a session", "A SIM is changed (IMSI and number): the number reported last counts.",
        _REGISTERED, Reason.REGISTERED, (start("a", U, X, at=0), interim("a", R, X, at=900)), (900, 1e9),
    ),
    Mishap(
        "old number after the new", "The same, and a report with the old number arrives last.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("a", U, X, at=0), interim("a", R, X, at=900), interim("a", U, X, at=880, seen=905),
         interim("a", R, X, at=1800)), (900, 1e9),
    ),
    Mishap(
        "malformed or forged report", "The listener drops it (bad attributes, wrong secret): it is as if lost.",
        _REGISTERED, Reason.REGISTERED, (start("a", R, X, at=0), later(900)),
    ),
    Mishap(
        "replay of an old Start", "The former holder's Start, from hours ago.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("a", U, X, at=0), stop("a", U, X, at=60), start("b", R, X, at=TTL), later(TTL + 90),
         start("a", U, X, at=0, seen=2 * TTL - 60), interim("b", R, X, at=2 * TTL)), (TTL, 1e9),
    ),
    Mishap(
        "NAS clock an hour ahead", "Every report is from the future.",
        "unknown, and counted", Reason.MAPPING_STALE,
        (start("a", R, X, at=HOUR, seen=0), interim("a", R, X, at=HOUR + 900, seen=900)),
    ),
    Mishap(
        "NAS clock an hour ahead, another's old claim", "The same, and a Stop was lost.",
        "contested: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", U, X, at=0), interim("a", U, X, at=900), start("b", R, X, at=HOUR + 1000, seen=1000),
         interim("a", U, X, at=1800)), (1000, 1e9),
    ),
    Mishap(
        "NAS clock ten minutes behind", "Every report seems late.",
        "unknown, then registered with the second report", Reason.REGISTERED,
        (start("a", R, X, at=-600, seen=0), interim("a", R, X, at=300, seen=900)),
    ),
    Mishap(
        "NAS clock set back", "By half a minute, between a lost Stop and the next subscriber's Start.",
        "contested by a report from before: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=30, seen=0), start("b", R, X, at=15, seen=15)), (15, 1e9),
    ),
    Mishap(
        "gateway's clock jumps ahead", "By three hours.", "all is stale: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=0), later(3 * HOUR)), (3 * HOUR, 1e9),
    ),
    Mishap(
        "gateway's clock jumps back", "By an hour.", "all is from the future: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, at=HOUR, seen=HOUR), later(0)), (0, 1),
    ),
    Mishap(
        "delegated prefix moved", "To another subscriber; the Stop is lost.",
        _REGISTERED, Reason.REGISTERED,
        (start("a", U, "100.64.0.9", PREFIX, at=0), start("b", R, X, PREFIX, at=900)), (900, 1e9), WITHIN,
    ),
    Mishap(
        "prefix within a prefix", "Two sessions: one has the prefix, the other an address in it.",
        "contested, whichever is more specific: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", U, PREFIX, at=0), start("b", R, WITHIN, at=900)), (900, 1e9), WITHIN,
    ),
    Mishap(
        "one family reported, the other not", "A session of both families; only the IPv4 address is kept alive.",
        "its IPv6 prefix goes stale by itself: unknown", Reason.MAPPING_STALE,
        (start("a", U, X, PREFIX, at=0), interim("a", U, X, at=TTL - 60), later(TTL + 60)), (TTL, 1e9), WITHIN,
    ),
    Mishap(
        "everything in one second", "Start, Stop, and the next subscriber's Start have the same time.",
        _UNTIL_HEARD, Reason.REGISTERED,
        (start("a", U, X, at=0), stop("a", U, X, at=0, seen=0.2), start("b", R, X, at=0, seen=0.4),
         interim("b", R, X, at=900)), (0.4, 1e9),
    ),
    Mishap(
        "everything in one second, Stop lost", "There is no telling which Start came last.",
        "contested: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", U, X, at=0), start("b", R, X, at=0, seen=0.4), interim("a", U, X, at=900)), (0.4, 1e9),
    ),
    Mishap(
        "one subscriber at two NASes", "A reconnect; both sessions have its number.",
        "contested, for two live claims are never picked from: unknown", Reason.MAPPING_AMBIGUOUS,
        (start("a", R, X, at=0, nas="n1"), start("b", R, X, at=60, nas="n2"),
         interim("a", R, X, at=900, nas="n1")),
    ),
)  # fmt: skip

_HEAD = """# Accounting mishaps

What goes wrong with RADIUS accounting in the field, and what the gateway then answers for the address. In each
of these an address is, or comes to be, in the hands of a subscriber with a *registered* number, and the others in
the story are not registered. The tests play every row, ask after every report, and hold that the registered
subscriber is refused at no moment; "unknown" is accepted and counted.

| Mishap | What happens | The answer |
|---|---|---|
"""

_TAIL = """
## What no table can know

If the Stop of the last session at an address is lost, and so is every report of the session that has it now, the
gateway goes on believing what it was last told: the address is its former holder's, for no longer than `ttl` after
that session's last report (plus a minute that a NAS's clock may be ahead). Then it is unknown. In that time a
registered subscriber can be refused if the former holder is not registered, and an unregistered one let pass if
the former holder is. The first report that names the address ends it: a Start at once, any other by making it
unknown. To keep that time short, have the NAS send Interim-Updates (RFC 2869 section 2.1) several times a `ttl`,
each with the addresses and the number.

When an access server uses a session id again, the Stop and the Start between are lost, and further reports leave
out the number or the address, it is believed to go on with the first session under that id.
"""


def document() -> str:
    """The text of docs/accounting-mishaps.md."""
    rows = "".join(f"| {mishap.name} | {mishap.story} | {mishap.outcome} |\n" for mishap in MISHAPS)
    return _HEAD + rows + _TAIL


if __name__ == "__main__":
    print(document(), end="")
