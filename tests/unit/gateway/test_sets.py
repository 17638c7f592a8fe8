"""The kernel's sets: what belongs in them, and that the statements lead from any state to any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from enforcer.config import ExemptConfig
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Family
from enforcer.gateway.sets import Contents, KernelSets, desired
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Network, Registration
from enforcer.subscribers.table import Session, SessionTable
from tests.unit.policy.worlds import DAY, NOW, TAG, TTL, registration, session

GRACE = 30 * DAY


def contents(
    *entries: Registration, sessions: Sequence[Session] = (), exempt: dict[str, object] | None = None
) -> Contents:
    table = SessionTable(TTL)
    table.replace_all(sessions)
    exemptions = Exemptions(ExemptConfig.model_validate(exempt or {}))
    return desired(Registry(entries, NOW), table, exemptions, NOW, GRACE)


def held(name: str, found: Contents) -> set[str]:
    return {str(network) for network in found[name]}


def test_unconditional_entries_only() -> None:
    found = contents(
        registration(id="1", network=ip_network("192.0.2.1")),
        registration(id="2", network=ip_network("192.0.2.2"), protocols=frozenset({Family.OPENVPN})),
        registration(id="3", network=ip_network("192.0.2.3"), peers=(ip_network("203.0.113.1"),)),
        registration(id="4", network=ip_network("192.0.2.4"), valid_to=NOW - DAY),
        registration(id="5", network=ip_network("192.0.2.5"), valid_to=NOW - 31 * DAY),
        registration(id="6", network=ip_network("192.0.2.6"), valid_from=NOW + DAY),
        registration(id="7", network=ip_network("2001:db8::/56")),
    )
    assert held("registered4", found) == {"192.0.2.1/32", "192.0.2.4/32"}
    assert held("registered6_56", found) == {"2001:db8::/56"}


def test_sessions_of_registered_numbers() -> None:
    by_number = registration(id="1", network=None, tag=TAG)
    both = (ip_network("100.64.0.7"), ip_network("2001:db8:a::/64"))
    found = contents(by_number, sessions=(session(addresses=both), session(key="other", tag=bytes(16))))
    assert held("registered4", found) == {"100.64.0.7/32"}
    assert held("registered6_64", found) == {"2001:db8:a::/64"}
    assert held("registered4", contents(by_number, sessions=(session(heard_at=NOW - TTL),))) == set()


def test_exempt_prefixes_and_addresses() -> None:
    found = contents(
        exempt={"prefixes": ["203.0.113.5", "203.0.113.64/26"], "wifi_calling": {"prefixes": ["::1"]}}
    )
    assert held("exempt4", found) == {"203.0.113.5/32"}
    assert held("exempt4_prefixes", found) == {"203.0.113.64/26"}
    assert held("exempt6", found) == {"::1/128"}


def _networks_of(base: str, bits: int, lengths: list[int]) -> st.SearchStrategy[Network]:
    """Networks within the last byte above ``bits`` host bits of a base address."""
    first = int(ip_address(base))
    return st.builds(
        lambda number, length: ip_network((first | number << bits, length), strict=False),
        st.integers(0, 255),
        st.sampled_from(lengths),
    )


_networks = st.one_of(
    _networks_of("192.0.2.0", 0, [26, 28, 30, 32, 32, 32]),
    _networks_of("2001:db8::", 64, [56, 58, 60, 64, 64, 128]),
)
_contents = st.lists(_networks, max_size=12).map(
    lambda networks: contents(
        *(registration(id=str(n), network=net) for n, net in enumerate(dict.fromkeys(networks)))
    )
)


def _full(name: str, element: str) -> str:
    """The network that an element of a set stands for: masked sets hold the prefix's first address."""
    length = name.removeprefix("registered6_")
    return str(ip_network(f"{element}/{length}" if length.isdecimal() else element))


def _apply(kernel: dict[str, set[str]], text: str) -> None:
    """What nft does with the statements; deleting what is not there or overlapping intervals is its error."""
    for line in text.splitlines():
        flush = re.fullmatch(r"flush set inet enforcer (\w+)", line)
        change = re.fullmatch(r"(add|delete) element inet enforcer (\w+) \{ (.+) \}", line)
        if flush:
            kernel[flush[1]] = set()
        elif change:
            named = {_full(change[2], text) for text in change[3].split(", ")}
            if change[1] == "add":
                kernel[change[2]] |= named
            else:
                assert named <= kernel[change[2]]
                kernel[change[2]] -= named
        else:
            raise AssertionError(line)
    for name, members in kernel.items():
        nets = [ip_network(member) for member in members]
        # What nft says of overlapping intervals.
        overlapping = [(a, b) for a in nets for b in nets if a != b and a.version == b.version and a.overlaps(b)]
        assert not name.endswith("_prefixes") or not overlapping


@given(st.lists(_contents, min_size=1, max_size=4))
def test_the_statements_lead_from_any_state_to_any_other(states: list[Contents]) -> None:
    sets = KernelSets()
    kernel: dict[str, set[str]] = {name: set() for name in states[0]}
    _apply(kernel, sets.fill(states[0]))
    sets.done(states[0])
    for state in [*states, states[-1]]:
        _apply(kernel, sets.update(state))
        sets.done(state)
        assert {name: {str(ip_network(m)) for m in members} for name, members in kernel.items()} == {
            name: held(name, state) for name in state
        }
    assert sets.update(states[-1]) == ""


def test_a_refused_transaction_is_tried_again() -> None:
    sets = KernelSets()
    empty, full = contents(), contents(registration())
    sets.done(empty)
    first = sets.update(full)
    assert first
    assert sets.update(full) == first
