"""The kernel's own sets, counters and rules as they are read back, and a million of them beside verdicts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from itertools import permutations

import pytest
from pyroute2 import netns

from enforcer.config import Config
from enforcer.gateway import elements, nf_tables, nft
from enforcer.gateway.invariant import confirmed, suspects
from enforcer.gateway.replacement import replacement
from enforcer.gateway.ruleset import COUNTED, TABLE, Backend, forget_rejected, table
from enforcer.gateway.sets import KernelSets
from enforcer.registry.model import Network
from tests.lab.gateway import Gateway, Setup
from tests.lab.network import COMPANY, STRANGER, Lab, within
from tests.lab.processes import wait_until

ENFORCE = Config.model_validate({"mode": "enforce", "enforce": ["wireguard"]})
REGISTERED = [
    *("192.0.2.1", "192.0.2.2", "10.0.0.0/8", "11.0.0.0/8", "0.0.0.0/6", "255.0.0.0/8", "10.1.0.0/16"),
    *("2001:db8::/64", "2001:db8:1::/48", "2001:db8:2::/47", "2001:db8::1", "2001:db8::100", "ff00::/8"),
]
EXEMPT = ["203.0.113.60", "2001:db8:f::/48"]


@pytest.fixture
def apart() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs something in a network namespace of its own."""
    name = f"vpnlab-{threading.get_native_id()}-invariant"
    netns.create(name)

    try:
        yield lambda work: within(name, work)
    finally:
        netns.remove(name)


def networks(texts: list[str]) -> list[Network]:
    return [ip_network(text) for text in texts]


CHANGES = {
    "delete element inet enforcer registered4 { 192.0.2.1 }": "registered4",
    "add element inet enforcer registered4 { 192.0.2.3 }": "registered4",
    "add element inet enforcer registered6 { ::5 }": "registered6",
    "delete element inet enforcer registered6 { 2001:db8::100 }": "registered6",
    "delete element inet enforcer registered6_64 { 2001:db8:: }": "registered6_64",
    "delete element inet enforcer registered4_prefixes { 11.0.0.0/8 }": "registered4_prefixes",
    "add element inet enforcer registered4_prefixes { 12.0.0.0/8 }": "registered4_prefixes",
    "delete element inet enforcer registered6_prefixes { ff00::/8 }": "registered6_prefixes",
    "flush set inet enforcer exempt4": "exempt4",
    "flush set inet enforcer exempt6_prefixes": "exempt6_prefixes",
}


def test_each_change_of_a_set_is_found_and_repaired(apart: Callable[[Callable[[], None]], None]) -> None:
    def work() -> None:
        sets = KernelSets()
        sets.replace("registered", networks(REGISTERED))
        sets.replace("exempt", networks(EXEMPT))
        before = nf_tables.generation()
        nft.load(table(ENFORCE, Backend.PAIRED) + sets.fill())
        assert nf_tables.generation() == before + 1
        rules = nf_tables.rules().digest
        assert list(suspects(sets.members)) == []
        for change, name in CHANGES.items():
            nft.load(change)
            found = list(suspects(sets.members))
            assert [one.name for one in found] == [name], change
            repair = confirmed(found, sets)
            assert (repair.missing + repair.extra, repair.complete) == (1, True), change
            nft.load(repair.text)
            assert list(suspects(sets.members)) == [], change
        assert nf_tables.rules().digest == rules
        assert set(nf_tables.counters().values()) == {(0, 0)}

    apart(work)


def test_a_few_addresses_are_written_without_nft_all_of_them_or_none(
    apart: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        sets = KernelSets()
        sets.replace("registered", networks(REGISTERED))
        nft.load(table(ENFORCE, Backend.PAIRED) + sets.fill())
        monkeypatch.setattr(nft, "run", lambda *_: pytest.fail("nft was started"))
        before = nf_tables.generation()
        more = [ip_network((0x0A000000 + n, 32)) for n in range(700)] + networks(["2001:db8:5::/64", "::5"])
        nft.load(sets.change("registered", more, networks(["192.0.2.1", "2001:db8::/64"])))
        assert nf_tables.generation() == before + 1
        assert list(suspects(sets.members)) == []
        with pytest.raises(nft.CommandError, match="No such file"):
            nft.load(
                "add element inet enforcer registered4 { 192.0.2.9 }\n"
                "delete element inet enforcer registered4 { 192.0.2.1 }\n"
            )
        assert list(suspects(sets.members)) == []
        nft.load("flush set inet enforcer registered4\n")
        assert nf_tables.addresses("registered4", 4) == b""

    apart(work)


@pytest.mark.parametrize("netlink", [True, False])
def test_what_changes_nothing_is_counted_too(
    apart: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch, netlink: bool
) -> None:
    def work() -> None:
        nft.load(table(ENFORCE, Backend.PAIRED))
        rules, before = nf_tables.rules()
        nothing = forget_rejected(ENFORCE)
        if netlink:
            monkeypatch.setattr(nft, "run", lambda *_: pytest.fail("nft was started"))
        else:
            monkeypatch.setattr(elements, "written", lambda _: False)
        nft.load(nothing)
        assert nf_tables.generation() == before
        nft.load(nothing + COUNTED)
        assert nf_tables.rules() == (rules, before + 1)

    apart(work)


def test_a_table_that_becomes_another_is_as_one_just_made(apart: Callable[[Callable[[], None]], None]) -> None:
    configs = [
        Config(),
        ENFORCE,
        Config.model_validate({"mode": "enforce", "enforce": ["wireguard", "openvpn", "ipsec"]}),
        Config.model_validate({"mode": "enforce", "enforce": ["openvpn"], "gateway": {"reject": "drop"}}),
        Config.model_validate({"mode": "enforce", "enforce": ["openvpn"], "gateway": {"remember_rejected": 5}}),
    ]

    def listed() -> list[str]:
        # In another order: chains that stay come before those that are new.
        return sorted(nft.run(["nft", "--stateless", "list", "table", *TABLE.split()]).splitlines())

    def work() -> None:
        made = {}
        for number, config in enumerate(configs):
            nft.load(table(config, Backend.PAIRED))
            made[number] = listed()
        before = configs[-1]
        for one, other in permutations(range(len(configs)), 2):
            for number in (one, other):
                nft.load(replacement(before, configs[number], Backend.PAIRED))
                before = configs[number]
                assert listed() == made[number]
        with pytest.raises(nft.CommandError):
            nft.load(replacement(ENFORCE, Config(), Backend.PAIRED))
        assert listed() == made[number]

    apart(work)


@pytest.mark.parametrize(
    "change", ["flush chain inet enforcer late", "insert rule inet enforcer early accept", "flush ruleset"]
)
def test_each_change_of_the_rules_is_noticed(apart: Callable[[Callable[[], None]], None], change: str) -> None:
    def work() -> None:
        nft.load(table(ENFORCE, Backend.PAIRED))
        rules = nf_tables.rules().digest
        nft.load("table inet enforcer_not { chain early { type filter hook forward priority 0; }; }")
        assert nf_tables.rules().digest == rules
        nft.load(change)
        assert nf_tables.rules().digest != rules

    apart(work)


def test_a_drift_made_by_hand_is_repaired_told_and_counted(lab: Lab) -> None:
    with Gateway(lab, Setup(wifi_calling=False, enforce=("wireguard",))) as gateway:

        def registered() -> str:
            return lab.gateway.run(["nft", "list", "set", "inet", "enforcer", "registered4"]).stdout

        before = registered()
        lab.gateway.run(["nft", "delete", "element", "inet", "enforcer", "registered4", f"{{ {COMPANY.ip4.ip} }}"])
        lab.gateway.run(["nft", "add", "element", "inet", "enforcer", "registered4", f"{{ {STRANGER.ip4.ip} }}"])
        assert registered() != before
        begun = time.monotonic()
        assert wait_until(lambda: registered() == before, 20)
        print(f"\nrepaired after {time.monotonic() - begun:.1f} s")
        assert wait_until(lambda: "1 elements were missing, 1 too many" in gateway.log(), 5), gateway.log()
        assert str(COMPANY.ip4.ip) not in gateway.log()
        repairs = {
            dict(labels)["what"]: value
            for (name, labels), value in gateway.metrics().items()
            if name == "enforcer_kernel_repairs_total"
        }
        assert repairs == {"rules": 0, "elements": 2}
        # A rule alone is missed as a table is.
        lab.gateway.run(["nft", "flush", "chain", "inet", "enforcer", "early"])
        assert wait_until(lambda: "goto tcp_shapes" in gateway.ruleset(), 20)
        assert "took rules of ours out of the kernel" in gateway.log()
