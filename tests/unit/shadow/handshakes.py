"""Decisions as the engine makes them, for the totals: no packet is needed."""

from __future__ import annotations

from ipaddress import ip_address

from enforcer.config import Line
from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.policy import Action, Answer, Decision, HeldBack, Reason, Who
from enforcer.subscribers.model import Holding, HoldingState

LEASED = Line.model_validate({"name": "leased", "class": "static", "prefixes": ["198.51.100.0/24"]})
LTE = Line.model_validate({"name": "lte", "class": "mobile", "prefixes": ["100.64.0.0/16"]})

REFUSED = frozenset(
    {
        Reason.NOT_REGISTERED, Reason.NOT_YET_VALID, Reason.OTHER_PROTOCOL, Reason.OTHER_PEER, Reason.ENDED,
        Reason.REVOKED,
    }
)  # fmt: skip


def handshake(
    subscriber: int,
    family: Family = Family.WIREGUARD,
    variant: str = "wireguard",
    reason: Reason = Reason.NOT_REGISTERED,
    line: Line | None = LEASED,
    held_back: HeldBack | None = HeldBack.MONITOR,
    tag: bytes | None = None,
) -> Decision:
    """The decision on a handshake of one of many subscribers, told apart by number."""
    detection = Detection(family, variant, "initiation", Standing.PROVEN, True, True, ())
    refused = reason in REFUSED
    answer = Answer.NOT_REGISTERED if refused else Answer.UNKNOWN
    holding = Holding(HoldingState.FRESH, tag, 1.0) if tag is not None else Holding(HoldingState.MISSING)
    address = ip_address(0x64400000 + subscriber).packed
    who = Who(answer, reason, address, line, holding=holding)
    would = Action.REJECT if refused else Action.ACCEPT
    action = Action.ACCEPT if held_back else would
    return Decision(action, would, reason, held_back if refused else None, detection, who)
