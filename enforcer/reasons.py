"""Every reason code in words that can be read out to the person it concerns, and what would change it."""

from __future__ import annotations

from typing import NamedTuple

from enforcer.policy import HeldBack, Reason


class Words(NamedTuple):
    """What a code means, and what would change the answer."""

    meaning: str
    change: str


REASONS: dict[Reason, Words] = {
    Reason.REGISTERED: Words(
        "One end of the connection is registered.",
        "The registration's end, or its revocation.",
    ),
    Reason.REGISTERED_GRACE: Words(
        "The registration has expired or left the list, and still counts for its grace period.",
        "Renew the registration before the grace period ends.",
    ),
    Reason.EXEMPT: Words(
        "The other end is exempt for everyone, as Wi-Fi calling is.",
        "Nothing needs to change.",
    ),
    Reason.AWAITING_ANSWER: Words(
        "This packet alone does not prove a VPN; only the other end's answer can.",
        "The other end's answer.",
    ),
    Reason.NOT_A_HANDSHAKE: Words(
        "Part of a tunnel that is already up, or data; such packets are never refused.",
        "Nothing needs to change.",
    ),
    Reason.SUBSCRIBERS_IPV6_IPSEC: Words(
        "IPsec between IPv6 addresses of subscribers, as game consoles use it, is left alone.",
        "Nothing needs to change.",
    ),
    Reason.NO_SUBSCRIBER: Words(
        "Neither end is known to be a subscriber of this operator.",
        "The operator lists the subscribers' interfaces or prefixes under `subscribers`.",
    ),
    Reason.NO_ROUTE: Words(
        "This kind of line has no way to register, so nobody on it is refused.",
        "The operator declares a registration route for this kind of line under `lines`.",
    ),
    Reason.LIST_MISSING: Words(
        "No list of registrations is loaded, so nobody can be called unregistered.",
        "The operator loads a list under `registry.files`.",
    ),
    Reason.LIST_STALE: Words(
        "The list of registrations is too old to call anybody unregistered.",
        "The operator loads a current list.",
    ),
    Reason.CLOCK_BEHIND: Words(
        "By this gateway's clock the list comes from the future, so no date on it can be relied on.",
        "The operator sets the gateway's clock.",
    ),
    Reason.MAPPING_MISSING: Words(
        "It is not known which number holds this address now.",
        "An accounting message or sessions entry for the address.",
    ),
    Reason.MAPPING_STALE: Words(
        "Which number holds this address was last heard too long ago to rely on.",
        "A newer accounting message or sessions entry for the address.",
    ),
    Reason.MAPPING_AMBIGUOUS: Words(
        "Two sessions claim this address; nobody is picked.",
        "One of the two sessions ends.",
    ),
    Reason.MAPPING_NUMBERLESS: Words(
        "The session that holds this address came without a number.",
        "Accounting that carries the number.",
    ),
    Reason.MAPPING_CUT_OFF: Words(
        "This gateway is cut off from the others, and one of them may know who holds this address by now.",
        "The shared store can be reached again.",
    ),
    Reason.NOT_REGISTERED: Words(
        "The line has a way to register, and nothing on the list matches it.",
        "Register the address (static line) or the mobile number; it counts as soon as the list has it.",
    ),
    Reason.NOT_YET_VALID: Words(
        "The registration starts later.",
        "The registration's first day.",
    ),
    Reason.OTHER_PROTOCOL: Words(
        "The registration is limited to other VPN protocols.",
        "Use a protocol of the registration, or have it extended.",
    ),
    Reason.OTHER_PEER: Words(
        "The registration is limited to other remote addresses.",
        "Connect to an address of the registration, or have it extended.",
    ),
    Reason.ENDED: Words(
        "The registration has ended, and its grace period too.",
        "Renew the registration.",
    ),
    Reason.REVOKED: Words(
        "The registration was revoked, with notice, on the date given.",
        "The authority that revoked it reinstates it or registers anew.",
    ),
}

HELD_BACK: dict[HeldBack, Words] = {
    HeldBack.MONITOR: Words(
        "The gateway only watches (mode: monitor).",
        "The operator sets mode: enforce.",
    ),
    HeldBack.FAMILY: Words(
        "This protocol is not among those the operator enforces.",
        "The operator names it under `enforce`.",
    ),
    HeldBack.WIFI_CALLING: Words(
        "IPsec is only watched while the Wi-Fi calling exemptions, emergency calls included, are not known.",
        "The operator configures `exempt.wifi_calling`, and its names resolve.",
    ),
}
