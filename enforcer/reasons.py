"""Every reason code in words: for the technician, and to be read out to the person it concerns."""

from __future__ import annotations

from typing import NamedTuple

from enforcer.policy import HeldBack, Reason


class Words(NamedTuple):
    """What a code means, what would change the answer, and what the help desk reads out.

    ``aloud`` speaks to the caller. Fields in braces are filled in from the facts (``aloud.Fields``).
    """

    meaning: str
    change: str
    aloud: str


REASONS: dict[Reason, Words] = {
    Reason.REGISTERED: Words(
        "One end of the connection is registered.",
        "The registration's end, or its revocation.",
        "Your {what} is registered.",
    ),
    Reason.REGISTERED_GRACE: Words(
        "The registration has expired or left the list, and still counts for its grace period.",
        "Renew the registration before the grace period ends.",
        "Your registration ended {ended}. It still counts until {counts_until}: renew it before then.",
    ),
    Reason.EXEMPT: Words(
        "The other end is exempt for everyone, as Wi-Fi calling is.",
        "Nothing needs to change.",
        "Connections of this address are left alone, as Wi-Fi calls are.",
    ),
    Reason.AWAITING_ANSWER: Words(
        "This packet alone does not prove a VPN; only the other end's answer can.",
        "The other end's answer.",
        "What was sent is not known to be a VPN until the other side answers, so it is let through.",
    ),
    Reason.NOT_A_HANDSHAKE: Words(
        "Part of a tunnel that is already up, or data; such packets are never refused.",
        "Nothing needs to change.",
        "A VPN that is up already is not cut off.",
    ),
    Reason.SUBSCRIBERS_IPV6_IPSEC: Words(
        "IPsec between IPv6 addresses of subscribers, as game consoles use it, is left alone.",
        "Nothing needs to change.",
        "Connections of this kind between two customers, as game consoles make them, are left alone.",
    ),
    Reason.NO_SUBSCRIBER: Words(
        "Neither end is known to be a subscriber of this operator.",
        "The operator lists the subscribers' interfaces or prefixes under `subscribers`.",
        "This address is not known here as a customer's, so nothing of it is refused.",
    ),
    Reason.NO_ROUTE: Words(
        "This kind of line has no way to register, so nobody on it is refused.",
        "The operator declares a registration route for this kind of line under `lines`.",
        "There is no way to register a line like yours, so nothing on it is refused.",
    ),
    Reason.LIST_MISSING: Words(
        "No list of registrations is loaded, so nobody can be called unregistered.",
        "The operator loads a list under `registry.files`.",
        "The list of registrations is missing here, so nobody is refused. That is ours to mend, not yours.",
    ),
    Reason.LIST_STALE: Words(
        "The list of registrations is too old to call anybody unregistered.",
        "The operator loads a current list.",
        "The list of registrations here is out of date, so nobody is refused. That is ours to mend, not yours.",
    ),
    Reason.CLOCK_BEHIND: Words(
        "By this gateway's clock the list comes from the future, so no date on it can be relied on.",
        "The operator sets the gateway's clock.",
        "A clock of ours is wrong, so nobody is refused. That is ours to mend, not yours.",
    ),
    Reason.MAPPING_MISSING: Words(
        "It is not known which number holds this address now.",
        "An accounting message or sessions entry for the address.",
        "It is not known here which mobile number has this address now, so nothing of it is refused.",
    ),
    Reason.MAPPING_STALE: Words(
        "Which number holds this address was last heard too long ago to rely on.",
        "A newer accounting message or sessions entry for the address.",
        "It was long ago that we heard which mobile number has this address, so nothing of it is refused.",
    ),
    Reason.MAPPING_AMBIGUOUS: Words(
        "Two sessions claim this address; nobody is picked.",
        "One of the two sessions ends.",
        "Two mobile connections claim this address, and we do not guess which is right: nothing of it is refused.",
    ),
    Reason.MAPPING_NUMBERLESS: Words(
        "The session that holds this address came without a number.",
        "Accounting that carries the number.",
        "The connection that has this address came without a mobile number, so nothing of it is refused.",
    ),
    Reason.MAPPING_CUT_OFF: Words(
        "This gateway is cut off from the others, and one of them may know who holds this address by now.",
        "The shared store can be reached again.",
        "Another gateway of ours may know better which mobile number has this address, so nothing of it is "
        "refused.",
    ),
    Reason.NOT_REGISTERED: Words(
        "The line has a way to register, and nothing on the list matches it.",
        "Register the address (static line) or the mobile number; it counts as soon as the list has it.",
        "On a line like yours a VPN needs a registration, and none on the list matches your {what}. Register your "
        "{what}: it counts as soon as it is on the list.",
    ),
    Reason.NOT_YET_VALID: Words(
        "The registration starts later.",
        "The registration's first day.",
        "Your registration starts {starts}, and does not count before.",
    ),
    Reason.OTHER_PROTOCOL: Words(
        "The registration is limited to other VPN protocols.",
        "Use a protocol of the registration, or have it extended.",
        "Your registration is for {protocols} only. Use that, or have the registration extended.",
    ),
    Reason.OTHER_PEER: Words(
        "The registration is limited to other remote addresses.",
        "Connect to an address of the registration, or have it extended.",
        "Your registration is for VPNs with certain remote addresses only, and yours went to another. Connect to "
        "one of those, or have the registration extended.",
    ),
    Reason.ENDED: Words(
        "The registration has ended, and its grace period too.",
        "Renew the registration.",
        "Your registration ended {ended}. It went on counting until {counts_until}, and that is over. Renew it: "
        "it counts as soon as the list has it.",
    ),
    Reason.REVOKED: Words(
        "The registration was revoked, with notice, on the date given.",
        "The authority that revoked it reinstates it or registers anew.",
        "Your registration was revoked. Notice was given {notice}, the reason was: {why}. It ended {revoked}.",
    ),
}

HELD_BACK: dict[HeldBack, Words] = {
    HeldBack.MONITOR: Words(
        "The gateway only watches (mode: monitor).",
        "The operator sets mode: enforce.",
        "At present this gateway only watches, and refuses nobody.",
    ),
    HeldBack.FAMILY: Words(
        "This protocol is not among those the operator enforces.",
        "The operator names it under `enforce`.",
        "At present VPNs of this kind are not refused here.",
    ),
    HeldBack.WIFI_CALLING: Words(
        "IPsec is only watched while the Wi-Fi calling exemptions, emergency calls included, are not known.",
        "The operator configures `exempt.wifi_calling`, and its names resolve.",
        "At present VPNs of this kind are not refused here, so that no call over Wi-Fi is cut off.",
    ),
    HeldBack.SHADOW: Words(
        "This protocol is only watched until it has been for the whole shadow period (shadow.period).",
        "The rest of the shadow period; `enforcer report` shows what refusing will do.",
        "At present VPNs of this kind are not refused here.",
    ),
}
