"""A small world to decide in: one list, one session table, one configuration; each test changes one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Detection, Family, Standing
from enforcer.mobile_networks import wifi_calling_names
from enforcer.policy import Decision, Policy
from enforcer.registry.lookup import Registry
from enforcer.registry.model import HolderKind, Registration
from enforcer.subscribers.table import Session, SessionTable
from enforcer.wire.packet import Packet, Protocol

NOW = 1_790_000_000.0
DAY = 86400.0
TTL = 7200.0
TAG = bytes(range(16))

STATIC = "198.51.100.7"
MOBILE = "100.64.0.7"
HOME = "10.9.9.9"
SERVER = "203.0.113.1"
STATIC6 = "2001:db8:1::7"


def registration(**changes: Any) -> Registration:
    """A current, unconditional entry for STATIC, with changes."""
    entry = Registration(
        id="R-1",
        kind=HolderKind.COMPANY,
        network=ip_network(STATIC),
        tag=None,
        valid_from=NOW - 100 * DAY,
        valid_to=NOW + 100 * DAY,
        protocols=frozenset(),
        peers=(),
        note="",
        source="list.csv:2",
    )
    return replace(entry, **changes)


ELSEWHERE = registration(id="R-0", network=ip_network("192.0.2.1"))
"""An entry that matches nobody in the tests: a list must not be empty to be a list."""


def session(**changes: Any) -> Session:
    """A live session that holds MOBILE, with changes."""
    values: dict[str, Any] = {
        "key": "s1",
        "addresses": (ip_network(MOBILE),),
        "tag": TAG,
        "heard_at": NOW - 60,
        "nas": None,
    }
    return Session(**{**values, **changes})


@dataclass
class World:
    """Everything a decision depends on. The defaults refuse an unregistered static or mobile line."""

    entries: Sequence[Registration] = (ELSEWHERE,)
    sessions: Sequence[Session] = field(default_factory=lambda: (session(),))
    as_of: float | None = NOW - DAY
    settings: dict[str, Any] = field(default_factory=dict)
    resolved: bool = True

    def policy(self) -> Policy:
        """The policy of this world."""
        settings: dict[str, Any] = {
            "mode": "enforce",
            "enforce": ["wireguard", "openvpn", "ipsec"],
            "lines": [
                {"name": "leased", "class": "static", "prefixes": ["198.51.100.0/24", "2001:db8:1::/48"]},
                {"name": "lte", "class": "mobile", "prefixes": ["100.64.0.0/16"]},
            ],
            "exempt": {"wifi_calling": {"networks": ["410-01"]}},
            "sessions": {"ttl": int(TTL)},
            "shadow": {"period": 0},
            **self.settings,
        }
        config = Config.model_validate(settings)
        table = SessionTable(float(config.sessions.ttl))
        table.replace_all(self.sessions)
        exemptions = Exemptions(config.exempt)
        if self.resolved:
            for name in wifi_calling_names("410-01"):
                exemptions.answer(name, [ip_address("203.0.113.77").packed], NOW)
        return Policy(config, Registry(self.entries, self.as_of), table, exemptions)

    def decide(
        self,
        source: str = STATIC,
        destination: str = SERVER,
        family: Family = Family.WIREGUARD,
        now: float = NOW,
        inbound: str | None = None,
        outbound: str | None = None,
        **changes: Any,
    ) -> Decision:
        """The decision on a proven handshake from one address to another, the detection with changes."""
        detection = replace(Detection(family, "any", "initiation", Standing.PROVEN, True, True, ()), **changes)
        packet = Packet(
            Protocol.UDP, ip_address(source).packed, ip_address(destination).packed, 50000, 51820, b"", 0
        )
        return self.policy().decide(packet, detection, now, inbound, outbound)
