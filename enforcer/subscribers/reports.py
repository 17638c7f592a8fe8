"""What a report of a session changes, by the time it speaks of and not by its arrival.

- A session is named by its access server and Acct-Session-Id. A Start later than the one known begins it anew,
  for ids are used again. What is older than its Start was said of an earlier session, or by a clock set back:
  it only leaves the session, and other claims to what it names, doubtful until heard of again.
- A Stop ends it, as does an Accounting-On or -Off of its server that is no older than its Start. A report from
  before the end does not bring it back; one from after it makes it doubtful.
- *Same server*: a Start that names an address, or the second report that names it in a session whose Start was
  not heard, ends every claim to it last named before: at one server an address has one session at a time.
- *Any other* report that names an address somebody claims (at another server; at the same time; out of order;
  the first of a session whose Start was not heard) contests it. Both claims stand, which is AMBIGUOUS, and the
  other stays doubtful until its session names the address again, even when the contest is over; so does the
  new one if, as clocks go, it may be the older.
- News more than CLOCK_SKEW late makes nobody a holder: there may be more of it to come. A report from more than
  CLOCK_SKEW in the future has no known time. Either leaves its session doubtful until punctual news of it.
- A report that names no address keeps the ones known and not stale; one that names some keeps those, and an
  address that no report keeps goes stale by itself. It is doubtful when others of its family are named without
  it, and unless it was named together with the session's number: an id may have been used again, unheard.

Doubt is unknown, and unknown is accepted. A wrong holder is answered only while the end of the last session
known at an address *and* every report that names the address in a later session are lost or still to come; and
for no longer than the time to live after the last report under that session's id, plus CLOCK_SKEW for its clock.
"""

from __future__ import annotations

from enforcer.registry.model import Network
from enforcer.subscribers.claims import CLOCK_SKEW, NEVER, Claim, Record, pack
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
        _restart(records, event, now, ahead)
        return
    at = now if ahead else event.at
    server = records.server(event.nas)
    server.latest = max(server.latest, at)
    record = server.sessions.get(event.session)
    if record is None:
        record = records.admit(server, event.session, at, now)
        record.started = event.kind is EventKind.START and not ahead
        belongs = True
    else:
        counts.reordered += at < record.heard
        belongs = ahead or _place(records, record, event.kind, at, now)
    if belongs:
        if event.kind is EventKind.STOP and not ahead:
            record.ended = max(record.ended, at)
        record.heard = max(record.heard, at)
        doubtful = _number(records, record, event, at, now) or ahead
        if event.addresses:
            _keep_named(records, record, event, at, now, late)
        else:
            _keep_all(records, record, at, now)
    else:
        doubtful = True
        for network in event.addresses:
            _doubt_others(records, record, network, now)
    if doubtful:
        for claim in record.claims:
            records.doubt(claim, now)
    records.settle(record, now)


def _restart(records: Records, event: AccountingEvent, now: float, ahead: bool) -> None:
    server = records.server(event.nas)
    if event.at == server.cleared:
        return
    if ahead or event.at < server.latest:
        # No telling what of its sessions came after the restart, and what before it by another clock.
        server.doubted = server.latest
    if not ahead:
        server.cleared = max(server.cleared, event.at)
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
            return False
        record.begun = at
        record.started = kind is EventKind.START
    elif kind is EventKind.START:
        if at > record.begun:
            _begin_anew(records, record, at, now)
        record.started = True
    return True


def _begin_anew(records: Records, record: Record, at: float, now: float) -> None:
    records.drop(record, tuple(claim for claim in record.claims if claim.last < at))
    for claim in record.claims:
        # Named after this Start, heard before it: out of order, or by another clock.
        records.doubt(claim, now)
    record.begun = at
    if record.tag_at < at:
        record.tag, record.tag_at = None, NEVER
    if record.ended < at:
        record.ended = NEVER


def _doubt_others(records: Records, record: Record, network: Network, now: float) -> None:
    for claim in records.by_address.at(network):
        if claim.record is not record:
            records.doubt(claim, now)


def _number(records: Records, record: Record, event: AccountingEvent, at: float, now: float) -> bool:
    """Whether a report leaves the session's number open: it has changed since, or the clock was set back."""
    if event.tag is None:
        return False
    if at < record.tag_at:
        return event.tag != record.tag
    if event.tag != record.tag:
        record.tag = event.tag
        for claim in record.claims:
            records.lapse(claim, now)
    record.tag_at = at
    return False


def _keep_all(records: Records, record: Record, at: float, now: float) -> None:
    for claim in record.claims:
        if at - claim.heard >= records.ttl:
            records.lapse(claim, now)
    record.kept = max(record.kept, at)


def _keep_named(
    records: Records, record: Record, event: AccountingEvent, at: float, now: float, late: bool
) -> None:
    of_its_number = event.tag == record.tag
    named: list[Claim] = []
    repeated = True
    for network in dict.fromkeys(event.addresses):
        claim = record.claim(pack(network))
        new = claim is None
        if claim is None:
            claim = records.claim(record, network, at)
            claim.lapsed = not of_its_number
            records.changed.add(network)
            if late:
                claim.doubt(now)
        named.append(claim)
        repeated &= not new and at == claim.last
        if at < claim.last and at != claim.first:
            claim.first = min(claim.first, at)
            if late or record.heard > record.ended:
                _doubt_others(records, record, network, now)
        elif new or (at > claim.last and event.kind is not EventKind.STOP):
            if not claim.certain:
                records.changed.add(network)
            claim.last = at
            if claim.lapsed and of_its_number:
                claim.lapsed = False
                records.changed.add(network)
            _contest(records, claim, network, new, now)
    if not repeated and len(record.claims) > 1:
        _give_way(records, record, named, at, now)
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
            records.counts.superseded += not (other.superseded or rival.over)
            other.superseded = True
            records.changed.add(network)
        elif other.supersedes(claim):
            superseded = True
            # A session new to us, at the address before its holder: old news, or a clock that was set back.
            if new and (claim.record.heard > claim.record.ended or not claim.certain):
                records.doubt(other, now)
        elif not other.superseded:
            if not rival.over:
                records.doubt(other, now)
            apart = 0.0 if rival.server is claim.record.server else 2 * CLOCK_SKEW
            if other.last >= claim.last - apart:
                records.doubt(claim, now)
    if superseded is not claim.superseded:
        claim.superseded = superseded
        records.changed.add(network)


def _give_way(records: Records, record: Record, named: list[Claim], at: float, now: float) -> None:
    """Of each family a report names addresses of, those that were not named at the latest time lapse."""
    for family in {claim.key & 1 for claim in named}:
        others = [claim for claim in record.claims if claim.key & 1 == family and claim not in named]
        latest = max((claim.last for claim in others), default=NEVER)
        for claim in others:
            if claim.last <= at:
                records.lapse(claim, now)
        for claim in named:
            if claim.key & 1 == family and claim.last <= latest:
                # Others were named later, or at the same time apart: by its clock, if that was not set back.
                records.lapse(claim, now)
                for other in others:
                    records.doubt(other, now)
