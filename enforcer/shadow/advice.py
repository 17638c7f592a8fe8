"""What to do about a report, in words, the first thing first: what is the operator's own to mend, then whom to
tell, then what only takes time. Nobody is named: those who need to register are reached by public notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from enforcer.fingerprints.detection import Family
from enforcer.policy import Reason
from enforcer.shadow.coverage import lasting
from enforcer.shadow.report import Group, ReasonReport, Report

NAMES = {Family.WIREGUARD: "WireGuard", Family.OPENVPN: "OpenVPN", Family.IPSEC: "IPsec"}

FEWER = "fewer than 20, or nobody"

MEND = {
    Reason.LIST_MISSING: (
        "Load a list",
        "no list of registrations was loaded. Name one under registry.files.",
    ),
    Reason.LIST_STALE: (
        "Bring the list up to date",
        "the list was older than registry.max_age. Have it delivered more often, or look why it is not.",
    ),
    Reason.CLOCK_BEHIND: (
        "Set the clock",
        "by this gateway's clock the list came from the future. Run NTP.",
    ),
    Reason.MAPPING_MISSING: (
        "Find the access servers that send no accounting",
        "it was not known which number held their address. Accounting of some access server does not reach this "
        "gateway.",
    ),
    Reason.MAPPING_NUMBERLESS: (
        "Have accounting carry the number",
        "their session came without a number. Look at radius.number_attribute, and at what the access server "
        "sends.",
    ),
    Reason.MAPPING_STALE: (
        "Have Interim-Updates sent more often",
        "their session was not heard of within sessions.ttl.",
    ),
    Reason.MAPPING_AMBIGUOUS: (
        "Clear up sessions that share an address",
        "two sessions claimed their address: Stops get lost, or two access servers share a pool.",
    ),
    Reason.MAPPING_CUT_OFF: (
        "Bring the shared store back",
        "this gateway was cut off from the others. Look at sessions.store.",
    ),
    Reason.NO_SUBSCRIBER: (
        "Say who the subscribers are",
        "neither end was known to be a subscriber. List interfaces or prefixes under subscribers, unless it is "
        "transit.",
    ),
}
"""The operator's own faults: what to do, and why these people pass."""

TELL = {
    Reason.REGISTERED_GRACE: (
        "Remind the holders of ended registrations",
        "use a registration that has ended and still counts. Have the holders told to renew before its grace "
        "period is over; the list says which entries they are.",
    ),
    Reason.ENDED: (
        "Tell the holders of registrations that no longer count",
        "would be refused because their registration ended longer than its grace period ago.",
    ),
    Reason.NOT_YET_VALID: (
        "Look at registrations that have not begun",
        "would be refused because their registration starts later.",
    ),
    Reason.OTHER_PROTOCOL: (
        "Look at registrations limited to other protocols",
        "would be refused because their registration is for other protocols. Their holders may not know.",
    ),
    Reason.OTHER_PEER: (
        "Look at registrations limited to other remote addresses",
        "would be refused because their registration is for other remote addresses. Their holders may not know.",
    ),
    Reason.REVOKED: (
        "Make sure that the revocations are meant",
        "would be refused because their registration was revoked, with notice.",
    ),
    Reason.NOT_REGISTERED: (
        "Give public notice",
        "would be refused because nothing on the list matches their line. Say in the bill, on the web site and "
        "through the authority how to register and from which date, at least a grace period ahead. There is no "
        "list of them here.",
    ),
}
"""People to reach, those with a registration first: what to do, and what they do."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. ``kind`` is mend (the operator's own), tell, or wait."""

    kind: str
    title: str
    text: str


def advice(report: Report) -> tuple[Advice, ...]:
    """What to do, in this order."""
    return (*_mend(report), *_tell(report), *_wait(report))


def about(group: Group, what: str = "") -> str:
    """A typical day's ``what`` in words, and the busiest day's where that is another number."""
    what = what and f" {what}"
    busiest = group.busiest
    if busiest is None:
        return FEWER
    if group.typical is None:
        return f"fewer than 20{what} on a typical day, about {busiest.low:,} on the busiest"
    if group.typical == busiest.low:
        return f"about {group.typical:,}{what} a day"
    return f"about {group.typical:,}{what} on a typical day, {busiest.low:,} on the busiest"


def _mend(report: Report) -> Iterator[Advice]:
    faults = [each for each in report.reasons if each.reason in MEND]
    for each in sorted(faults, key=lambda each: (-(each.subscribers.typical or 0), -each.handshakes)):
        title, why = MEND[each.reason]
        yield Advice("mend", title, f"{_who(each)} passed only because {why}")


def _tell(report: Report) -> Iterator[Advice]:
    found = {each.reason: each for each in report.reasons}
    for reason, (title, text) in TELL.items():
        if reason in found:
            yield Advice("tell", title, f"{_who(found[reason])} {text}")


def _wait(report: Report) -> Iterator[Advice]:
    waiting: dict[str, list[str]] = {}
    for each in report.families:
        if not each.suffices:
            waiting.setdefault(lasting(each.shadowed), []).append(NAMES[each.family])
    for recorded, names in waiting.items():
        *first, last = names
        families = f"{', '.join(first)} and {last}" if first else last
        yield Advice(
            "wait",
            f"Watch {families} for longer",
            f"{recorded} of {lasting(report.period)} (shadow.period) are recorded. Nothing is refused before.",
        )


def _who(each: ReasonReport) -> str:
    said = about(each.subscribers, "subscribers")
    return f"{said[0].upper()}{said[1:]} ({share(each.share)} of the handshakes)"


def share(part: float) -> str:
    """A share, 0 to 1, in percent."""
    return f"{part:.0%}" if part >= 0.005 else "under 1%"
