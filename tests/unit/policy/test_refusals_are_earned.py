"""Property: whatever the world looks like, a refusal has every one of its conditions, checked from outside."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enforcer.fingerprints.detection import Family, Standing
from enforcer.policy import Action
from enforcer.registry.model import Registration, Revocation
from tests.unit.policy.worlds import (
    DAY,
    ELSEWHERE,
    MOBILE,
    NOW,
    SERVER,
    STATIC,
    STATIC6,
    TAG,
    TTL,
    World,
    registration,
    session,
)

GRACE = 30 * DAY
_times = st.sampled_from([NOW - 100 * DAY, NOW - GRACE - 1, NOW - GRACE + 1, NOW - 1, NOW, NOW + 1, NOW + DAY])
_optional_times = st.one_of(st.none(), _times)


@st.composite
def _entries(draw: st.DrawFn) -> Registration:
    by_number = draw(st.booleans())
    revoked_at = draw(_optional_times)
    return registration(
        network=None if by_number else ip_network(draw(st.sampled_from([STATIC, STATIC6, SERVER, "192.0.2.1"]))),
        tag=TAG if by_number else None,
        valid_from=draw(_optional_times),
        valid_to=draw(_optional_times),
        vanished_at=draw(_optional_times),
        revocation=None if revoked_at is None else Revocation("r", revoked_at - DAY, revoked_at, "l:1"),
        protocols=draw(st.sampled_from([frozenset[Family](), frozenset({Family.OPENVPN})])),
    )


_sessions = st.lists(
    st.builds(
        session,
        key=st.uuids().map(str),
        heard_at=st.sampled_from([NOW - TTL - 1, NOW - TTL + 1, NOW, NOW + 3600]),
        tag=st.sampled_from([None, TAG, bytes(16)]),
    ),
    max_size=3,
)

_worlds = st.builds(
    World,
    entries=st.lists(_entries(), max_size=3).map(lambda entries: [ELSEWHERE, *entries]),
    sessions=_sessions,
    as_of=st.sampled_from([None, NOW - 8 * DAY, NOW - DAY]),
    settings=st.fixed_dictionaries(
        {"mode": st.sampled_from(["monitor", "enforce"]), "enforce": st.lists(st.sampled_from(list(Family)))}
    ),
    resolved=st.booleans(),
)


def _holds(entry: Registration, family: Family) -> bool:
    """Whether the entry makes its holder registered now, by the words of the design."""
    if entry.revocation is not None and entry.revocation.effective_at <= NOW:
        return False
    if entry.valid_from is not None and entry.valid_from > NOW:
        return False
    ends = [end for end in (entry.valid_to, entry.vanished_at) if end is not None]
    if ends and min(ends) + GRACE <= NOW:
        return False
    return not entry.protocols or family in entry.protocols


@given(
    world=_worlds,
    address=st.sampled_from([STATIC, STATIC6, MOBILE, "10.9.9.9"]),
    swapped=st.booleans(),
    family=st.sampled_from(list(Family)),
    standing=st.sampled_from(list(Standing)),
    handshake=st.booleans(),
)
def test_a_refusal_has_all_its_conditions(
    world: World, address: str, swapped: bool, family: Family, standing: Standing, handshake: bool
) -> None:
    ends = (SERVER, address) if swapped else (address, SERVER)
    decision = world.decide(*ends, family=family, standing=standing, handshake=handshake)
    if decision.action is not Action.REJECT:
        return
    assert standing is Standing.PROVEN
    assert handshake
    assert world.settings["mode"] == "enforce"
    assert family in world.settings["enforce"]
    assert family is not Family.IPSEC or world.resolved
    assert world.as_of is not None
    assert NOW - world.as_of <= 7 * DAY
    assert address != "10.9.9.9"
    live: list[Any] = [s for s in world.sessions if -60 <= NOW - s.heard_at < TTL]
    if address == MOBILE:
        assert len(live) == 1
        assert live[0].tag is not None
        assert len(live) == len([s for s in world.sessions if NOW - s.heard_at < TTL])
    for entry in world.entries:
        if entry.tag is not None:
            concerns = address == MOBILE and entry.tag == live[0].tag
        else:
            concerns = entry.network is not None and str(entry.network.network_address) in (address, SERVER)
        assert not (concerns and _holds(entry, family))
