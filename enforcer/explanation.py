"""The form of an explanation: what `enforcer explain --json` prints, and what the daemon answers.

docs/explain.schema.json is made from it. Times carry the offset of the operator's time zone (registry.timezone).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from enforcer.fingerprints.detection import Family
from enforcer.policy import Action, HeldBack, Reason
from enforcer.registry.model import HolderKind, Status
from enforcer.subscribers.model import HoldingState


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LineFacts(_Facts):
    """A class of line with a way to register."""

    name: str = Field(description="Its name in the configuration.")
    kind: Literal["static", "mobile"] = Field(
        alias="class", description="static: addresses are registered. mobile: numbers are."
    )


class RevocationFacts(_Facts):
    """The explicit end of a registration."""

    reason: str = Field(description="As the list gives it.")
    notice_at: AwareDatetime = Field(description="When notice was given.")
    effective_at: AwareDatetime = Field(description="When it ends the registration.")


class RegistrationFacts(_Facts):
    """One entry of the list. It never says which address a number's holder has."""

    id: str = Field(description="The entry's id.")
    holder: HolderKind
    source: str = Field(description="File and line it stands in.")
    status: Status = Field(description="How it stands now. current and grace count as registered.")
    valid_from: AwareDatetime | None = Field(description="null: no first day.")
    valid_to: AwareDatetime | None = Field(description="The moment it expires; null: no last day.")
    vanished_at: AwareDatetime | None = Field(description="When it was first missing from the list.")
    counts_until: AwareDatetime | None = Field(
        description="When it stops counting: the end of its grace period, or its revocation. null: never."
    )
    protocols: list[Family] = Field(description="Limited to these; empty: to none.")
    peers: list[str] = Field(description="Limited to these remote addresses; empty: to none.")
    revocation: RevocationFacts | None


class SessionFacts(_Facts):
    """What is known of which number holds the address. Neither the number nor its tag."""

    state: HoldingState
    age_seconds: float | None = Field(description="Seconds since it was last heard of.")


class FamilyAnswer(_Facts):
    """What would happen now to a tunnel of one protocol from or to the address."""

    protocol: Family
    action: Action
    reason: Reason = Field(description="docs/reason-codes.md explains each.")
    held_back: HeldBack | None = Field(description="Why what would be refused is accepted all the same.")
    meaning: str
    change: str = Field(description="What would change the answer.")
    line: LineFacts | None = Field(description="null: no class of line with a way to register.")
    entry: RegistrationFacts | None = Field(description="The entry of the list that decided.")
    session: SessionFacts | None = Field(description="null where no number matters: static lines.")
    list_age_seconds: float | None = Field(description="Age of the list; null: none is loaded.")


class RecentRefusal(_Facts):
    """Something that was refused lately. Where it went to is not remembered."""

    at: AwareDatetime
    seconds_ago: int
    protocol: Family
    variant: str
    reason: Reason
    meaning: str


class GatewayFacts(_Facts):
    """The gateway that answered."""

    mode: Literal["monitor", "enforce"]
    started_at: AwareDatetime
    remembers_since: AwareDatetime = Field(
        description="Refusals before this are not known: ten minutes ago, or when the gateway was started."
    )


class _Explanation(_Facts):
    at: AwareDatetime = Field(description="When the question was answered, or the time given with --at.")
    aloud: str = Field(description="To be read out to the caller word for word.")
    source: Literal["gateway", "files"] = Field(
        description="gateway: the running one was asked. files: configuration and lists alone; see not_asked."
    )
    not_asked: str | None = Field(description="Why the running gateway was not asked.")


class AddressExplanation(_Explanation):
    """The answer about an address."""

    kind: Literal["address"] = "address"
    gateway: GatewayFacts | None = Field(description="null: the running gateway was not asked.")
    answers: list[FamilyAnswer] = Field(description="One for each protocol asked about.")
    recent: list[RecentRefusal] | None = Field(
        description="Refusals of the last ten minutes, oldest first; null: the running gateway was not asked."
    )


class NumberExplanation(_Explanation):
    """The answer about a number: its registrations, and never an address."""

    kind: Literal["number"] = "number"
    answers: list[RegistrationFacts] = Field(description="Empty: the number is not on the list.")


Explanation = Annotated[AddressExplanation | NumberExplanation, Field(discriminator="kind")]
