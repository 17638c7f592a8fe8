"""What a fingerprint says of one packet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Family(StrEnum):
    """The three protocol families in scope."""

    WIREGUARD = "wireguard"
    OPENVPN = "openvpn"
    IPSEC = "ipsec"


class Standing(StrEnum):
    """How much one packet says."""

    PROVEN = "proven"
    """May be acted on: exact shape, exact length, every field in range."""
    CANDIDATE = "candidate"
    """Could be the family; only the peer's answer can tell."""
    SEEN = "seen"
    """Belongs to the family, is counted, and is never acted on (data, ESP, AH)."""


class Evidence(NamedTuple):
    """Bytes of the transport payload that carried the proof: where, which, and what they mean."""

    offset: int
    octets: bytes
    meaning: str


@dataclass(frozen=True, slots=True)
class Detection:
    """A family recognised in one packet.

    ``handshake`` is true only for messages without which no tunnel comes up: those alone may be refused.
    ``from_initiator`` is true when the packet's sender opened the handshake.
    """

    family: Family
    variant: str
    message: str
    standing: Standing
    handshake: bool
    from_initiator: bool
    evidence: tuple[Evidence, ...]
