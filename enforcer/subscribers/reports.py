"""What a report of a session changes, by the time it speaks of and not by its arrival.

- A session is named by its access server and Acct-Session-Id. A Start later than the one known begins it anew,
  for ids are used again; whatever is older than its Start was said of an earlier session, and is ignored.
- A Stop ends it, as does an Accounting-On or -Off of its server that is no older than its Start. A report from
  before the end does not bring it back; one from after it makes it doubtful, and so does a Stop from before the
  Start when it comes after it, for a clock may have been set back.
- *Same server*: a Start that names an address, or the second report that names it in a session whose Start was
  not heard, ends every claim to it last named before: at one server an address has one session at a time.
- *Any other* report that names an address somebody claims (at another server; at the same time; out of order;
  the first of a session whose Start was not heard) contests it. Both claims stand, which is AMBIGUOUS, and the
  other session stays doubtful until it is heard of again, even when the contest is over.
- News more than CLOCK_SKEW late makes nobody a holder: there may be more of it to come. A report from more than
  CLOCK_SKEW in the future has no known time. Either leaves its session doubtful until punctual news of it.
- An address is doubtful when others of its family are named without it. A session is when its number changes
  in a report without address, or an address gives way to another in a report without number.

Doubt is unknown, and unknown is accepted. A wrong holder is answered only while the end of the last session
known at an address *and* every report that names the address in a later session are lost or still to come; and
for no longer than the time to live after the last report of that session, plus CLOCK_SKEW for its clock.
"""

from __future__ import annotations

from enforcer.registry.model import Network
from enforcer.subscribers.claims import CLOCK_SKEW, NEVER, Claim, Record, Standing, pack
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.records import Records

MOST_ADDRESSES = 16
"""Addresses kept for a session: the ones named last."""

SWEEP = 1000
"""Sessions of a restarted access server settled at once; the others are when ``sweep`` comes by."""


def take_in(records: Records, event: AccountingEvent, now: float) -> None:
    """Apply one report that arrived at ``now``, in seconds since the epoch (UTC)."""
    counts = records.counts
    ahead = event.at - now > CLOCK_SKEW
    late = now - event.at > CLOCK_SKEW
    counts.reports += 1
    counts.ahead += ahead
    counts.late += late
    if event.kind in (EventKind.ON, EventKind.OFF):
        _restart(records, event, now, ahead, late)
        return
    at = now if ahead else event.at
    server = records.server(event.nas)
    record = server.sessions.get(event.session)
    if record is None:
        record = records.admit(server, event.session, at, now)
        record.started = event.kind is EventKind.START and not ahead
        belongs = True
    else:
        counts.reordered += at < record.heard
        belongs = ahead or _place(records, record, event.kind, at, now)
    if belongs:
        if ahead:
            record.doubt(now)
        elif event.kind is EventKind.STOP:
            record.ended = max(record.ended, at)
        record.heard = max(record.heard, at)
        _number(records, record, event, at, now)
        _addresses(records, record, event, at, now, late)
    records.settle(record, now)


def _restart(records: Records, event: AccountingEvent, now: float, ahead: bool, late: bool) -> None:
    server = records.server(event.nas)
    if event.at <= server.cleared:
        return
    if not ahead:
        server.cleared = event.at
    if ahead or late:
        server.doubted = now
    records.restarted(server)
    if not server.sessions:
        # Something has to remember the restart while reports from before it may still come.
        record = records.admit(server, event.session, min(event.at, now), now)
        record.ended = record.begun
        records.settle(record, now)
    records.sweep(now, SWEEP)


def _place(records: Records, record: Record, kind: EventKind, at: float, now: float) -> bool:
    """Give a report its place in the life of its session; whether it is of that life."""
    if at < record.begun:
        if record.started:
            if kind is EventKind.STOP:
                record.doubt(now)
            return False
        record.begun = at
        record.started = kind is EventKind.START
    elif kind is EventKind.START:
        if at > record.begun:
            _begin_anew(records, record, at)
        record.started = True
    return True


def _begin_anew(records: Records, record: Record, at: float) -> None:
    records.drop(record, tuple(claim for claim in record.claims if claim.last < at))
    record.begun = at
    if record.tag_at < at:
        record.tag, record.tag_at = None, NEVER
    if record.ended < at:
        record.ended = NEVER


def _number(records: Records, record: Record, event: AccountingEvent, at: float, now: float) -> None:
    if event.tag is None or at < record.tag_at:
        return
    if event.tag != record.tag:
        if record.tag is not None and (at == record.tag_at or (record.claims and not event.addresses)):
            record.doubt(now)
        record.tag = event.tag
        records.changed.update(record.networks())
    record.tag_at = at


def _addresses(
    records: Records, record: Record, event: AccountingEvent, at: float, now: float, late: bool
) -> None:
    news: list[tuple[Claim, Network, bool]] = []
    for network in event.addresses:
        claim = record.claim(pack(network))
        if claim is None:
            news.append((records.claim(record, network, at), network, True))
            records.changed.add(network)
            if late:
                record.doubt(now)
        elif at < claim.first:
            claim.first = at
        elif at > claim.last and event.kind is not EventKind.STOP:
            claim.last = at
            news.append((claim, network, False))
    for claim, network, new in news:
        _contest(records, claim, network, new, now)
    if news and len(record.claims) > 1:
        if _lapse(records, record) and event.tag is None and record.tag is not None:
            record.doubt(now)
        latest_first = sorted(record.claims, key=lambda claim: claim.last, reverse=True)
        records.drop(record, tuple(latest_first[MOST_ADDRESSES:]))


def _contest(records: Records, claim: Claim, network: Network, new: bool, now: float) -> None:
    """Weigh a claim just named against every other one to its address."""
    superseded = False
    for other in records.by_address.at(network):
        rival = other.record
        if rival is claim.record:
            continue
        if claim.supersedes(other):
            if other.standing is not Standing.SUPERSEDED:
                other.standing = Standing.SUPERSEDED
                records.changed.add(network)
                records.counts.superseded += not rival.over
        elif other.supersedes(claim):
            superseded = True
            # A session new to us, at the address before its holder: old news, or a clock that was set back.
            if new and not claim.record.over:
                records.doubt(rival, now)
        elif other.standing is not Standing.SUPERSEDED and not rival.over:
            records.doubt(rival, now)
    if superseded:
        claim.standing = Standing.SUPERSEDED
    elif claim.standing is Standing.SUPERSEDED:
        claim.standing = Standing.STANDS
        records.changed.add(network)


def _lapse(records: Records, record: Record) -> bool:
    """Whether an address just gave way to others of its family."""
    gave_way = False
    for family in (0, 1):
        claims = [claim for claim in record.claims if claim.key & 1 == family]
        latest = max((claim.last for claim in claims), default=NEVER)
        for claim in claims:
            if claim.standing is Standing.SUPERSEDED:
                continue
            standing = Standing.STANDS if claim.last == latest else Standing.LAPSED
            if standing is not claim.standing:
                gave_way |= standing is Standing.LAPSED
                claim.standing = standing
                records.changed.update(record.networks())
    return gave_way
