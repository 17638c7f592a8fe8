"""The kernel's sets: what belongs in them, and that the statements lead from any state to any other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from enforcer.config import ExemptConfig
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Family
from enforcer.gateway.sets import KernelSets, exempt, registered
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Network, Registration
from enforcer.subscribers.table import Session, SessionTable
from tests.unit.policy.worlds import DAY, NOW, TAG, TTL, registration, session

GRACE = 30 * DAY


Contents = dict[str, set[str]]


def contents(
    *entries: Registration, sessions: Sequence[Session] = (), exempted: dict[str, object] | None = None
) -> Contents:
    table = SessionTable(TTL)
    table.replace_all(sessions)
    exemptions = Exemptions(ExemptConfig.model_validate(exempted or {}))
    kernel: Contents = {}
    sets = KernelSets()
    sets.replace("registered", registered(Registry(entries, NOW), table, NOW, GRACE))
    sets.replace("exempt", exempt(exemptions))
    _apply(kernel, sets.fill())
    return kernel


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
    assert found["registered4"] == {"192.0.2.1/32", "192.0.2.4/32"}
    assert found["registered6_56"] == {"2001:db8::/56"}


def test_sessions_of_registered_numbers() -> None:
    by_number = registration(id="1", network=None, tag=TAG)
    both = (ip_network("100.64.0.7"), ip_network("2001:db8:a::/64"))
    found = contents(by_number, sessions=(session(addresses=both), session(key="other", tag=bytes(16))))
    assert found["registered4"] == {"100.64.0.7/32"}
    assert found["registered6_64"] == {"2001:db8:a::/64"}
    assert "registered4" not in contents(by_number, sessions=(session(heard_at=NOW - TTL),))


def test_exempt_prefixes_and_addresses() -> None:
    found = contents(
        exempted={"prefixes": ["203.0.113.5", "203.0.113.64/26"], "wifi_calling": {"prefixes": ["::1"]}}
    )
    assert found["exempt4"] == {"203.0.113.5/32"}
    assert found["exempt4_prefixes"] == {"203.0.113.64/26"}
    assert found["exempt6"] == {"::1/128"}


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


def _full(name: str, element: str) -> str:
    """The network that an element of a set stands for: masked sets hold the prefix's first address."""
    length = name.removeprefix("registered6_")
    return str(ip_network(f"{element}/{length}" if length.isdecimal() else element))


def _apply(kernel: Contents, text: str) -> None:
    """What nft does with the statements; deleting what is not there or overlapping intervals is its error."""
    for line in text.splitlines():
        flush = re.fullmatch(r"flush set inet enforcer (\w+)", line)
        change = re.fullmatch(r"(add|delete) element inet enforcer (\w+) \{ (.+) \}", line)
        if flush:
            kernel[flush[1]] = set()
        elif change:
            named = {_full(change[2], text) for text in change[3].split(", ")}
            members = kernel.setdefault(change[2], set())
            if change[1] == "add":
                members |= named
            else:
                assert named <= members
                members -= named
        else:
            raise AssertionError(line)
    for name, members in kernel.items():
        nets = [ip_network(member) for member in members]
        overlapping = [(a, b) for a in nets for b in nets if a != b and a.version == b.version and a.overlaps(b)]
        assert not name.endswith("_prefixes") or not overlapping


def _covered(kernel: Contents) -> set[str]:
    """Every address, or /64 prefix, that the sets let go."""
    return {
        str(part)
        for name, members in kernel.items()
        if name.startswith("registered")
        for member in members
        for part in _parts(ip_network(member))
    }


def _parts(network: Network) -> Iterable[Network]:
    if network.version == 4:
        return network.subnets(new_prefix=32)
    return network.subnets(new_prefix=64) if network.prefixlen < 64 else (network,)


_sets_of_networks = st.lists(_networks, max_size=12).map(frozenset)


@given(st.lists(_sets_of_networks, min_size=1, max_size=4), st.booleans())
def test_the_statements_lead_from_any_state_to_any_other(states: list[frozenset[Network]], at_once: bool) -> None:
    sets = KernelSets()
    kernel: Contents = {}
    held: frozenset[Network] = frozenset()
    for state in [*states, states[-1]]:
        if at_once:
            _apply(kernel, sets.replace("registered", state))
        else:
            _apply(kernel, sets.change("registered", state - held, held - state))
        held = state
        assert _covered(kernel) == {str(part) for network in state for part in _parts(network)}
    assert sets.replace("registered", held) == ""
    refilled: Contents = {"registered4": {"198.51.100.1/32"}, "registered4_prefixes": {"198.51.100.0/24"}}
    _apply(refilled, sets.refill())
    assert _covered(refilled) == _covered(kernel)


@given(_sets_of_networks, _sets_of_networks)
def test_one_table_becomes_another(before: frozenset[Network], after: frozenset[Network]) -> None:
    one, other = KernelSets(), KernelSets()
    kernel: Contents = {}
    one.replace("registered", before)
    other.replace("registered", after)
    _apply(kernel, one.fill())
    _apply(kernel, one.copy().become(other))
    assert _covered(kernel) == {str(part) for network in after for part in _parts(network)}
    _apply(kernel, other.become(one))
    assert _covered(kernel) == {str(part) for network in before for part in _parts(network)}


def test_adding_one_address_is_one_statement_however_many_there_are() -> None:
    sets = KernelSets()
    sets.replace("registered", [ip_network(f"10.0.{n >> 8}.{n & 255}") for n in range(5000)])
    text = sets.change("registered", [ip_network("192.0.2.1")], [ip_network("10.0.0.1")])
    assert text.splitlines() == [
        "delete element inet enforcer registered4 { 10.0.0.1 }",
        "add element inet enforcer registered4 { 192.0.2.1 }",
    ]
