"""The daemon's own doings, between a load and the kernel: what is in force after whatever went wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from enforcer import lists as lists_module
from enforcer.config_file import load
from enforcer.fingerprints.detection import Family
from enforcer.gateway import loader as loader_module
from enforcer.gateway.daemon import Daemon, hold_any
from enforcer.gateway.kernel import Change, Everything, Exempt, Registered
from enforcer.gateway.nft import CommandError
from enforcer.gateway.watch import watch_lists
from enforcer.lists import Lists, load_lists
from enforcer.policy import Answer
from enforcer.registry.load import load as read_list
from enforcer.subscribers.radius.settings import Settings
from enforcer.subscribers.snapshot import save
from enforcer.subscribers.table import Session
from tests.unit.policy.worlds import STATIC as REFUSED
from tests.unit.policy.worlds import World as Refused

RADIUS = Settings((), "PK", bytes(32), (), "Calling-Station-Id")
A, B = ip_network("192.0.2.1"), ip_network("192.0.2.2")


class Kernel:
    """Remembers what it was to write."""

    def __init__(self) -> None:
        self.posted: list[Change | Registered | Exempt | Everything] = []

    def post(self, what: Change | Registered | Exempt | Everything) -> None:
        self.posted.append(what)


class World:
    """A daemon on files of a folder, its loop turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.path, self.list = folder / "enforcer.yaml", folder / "list.csv"
        self.write("")
        self.rows("R-1,company,192.0.2.1,2026-01-01")
        config = load(self.path)
        watch = watch_lists(config)
        self.daemon = Daemon(self.path, config, load_lists(config, False, time.time(), self.path), False, watch)
        self.kernel = Kernel()
        self.daemon.kernel = self.kernel  # type: ignore[assignment]

    def write(self, settings: str) -> None:
        lines = "lines: [{name: leased, class: static, prefixes: [192.0.2.0/24]}]\n"
        self.path.write_text(f"registry: {{files: [list.csv]}}\nmetrics: {{listen: null}}\n{lines}{settings}")

    def rows(self, *rows: str) -> None:
        self.list.write_text(
            "\n".join(
                ["id,holder,address,valid_from", *(row if row.count(",") == 3 else f"{row}," for row in rows)]
            )
            + "\n"
        )

    def reload(self) -> None:
        """Load anew, up to what the kernel is to write."""
        self.daemon.reloading.request("test")
        self.daemon.reloading.begin()
        self.daemon.reloading.loader.wait()
        self.daemon._woken()

    def everything(self) -> Everything:
        (found,) = (what for what in self.kernel.posted if isinstance(what, Everything))
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.daemon.mailbox.close()


def test_a_load_that_fails_as_no_code_foresaw_does_not_end_all_reloads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments: object, **options: object) -> Lists:  # noqa: ARG001
        raise FileNotFoundError("list.csv")

    with monkeypatch.context() as broken:
        broken.setattr(loader_module, "load_lists", gone)
        world.reload()
    assert world.daemon.reloads.counts["failure"] == 1
    world.rows("R-1,company,192.0.2.1", "R-2,company,192.0.2.2")
    world.reload()
    assert world.everything().registered == {A, B}


def test_a_reload_the_kernel_refuses_leaves_everything_as_it_was(world: World) -> None:
    daemon = world.daemon
    before = daemon.config, daemon.lists, daemon.exemptions
    world.write("exempt: {prefixes: [203.0.113.0/24]}\n")
    world.rows("R-1,company,192.0.2.1", "R-2,company,192.0.2.2")
    world.reload()
    assert world.everything().exempt == {ip_network("203.0.113.0/24")}
    world.everything().done.set_exception(CommandError("no"))
    daemon._woken()
    # The exemptions above all: they are the ones that resolving keeps up to date.
    assert (daemon.config, daemon.lists, daemon.exemptions) == before
    assert daemon.policy.exemptions is before[2]
    assert world.kernel.posted[1:] == [Registered(frozenset({A})), Exempt(frozenset())]


def test_a_reload_the_kernel_refuses_leaves_the_key_that_the_list_is_under(world: World) -> None:
    daemon = world.daemon
    reconfigured: list[object] = []
    daemon.follower.reconfigure = reconfigured.append  # type: ignore[method-assign, assignment]
    daemon.lists = replace(daemon.lists, radius=RADIUS)
    world.reload()
    world.everything().done.set_exception(CommandError("no"))
    daemon._woken()
    assert reconfigured == [None, RADIUS]


def test_the_clock_never_puts_an_earlier_list_back(world: World) -> None:
    daemon = world.daemon
    daemon.listed = replace(daemon.listed, valid_until=0.0)
    world.rows("R-1,company,192.0.2.1", "R-2,company,192.0.2.2")
    daemon.reloading.request("test")
    daemon.reloading.begin()
    daemon.reloading.loader.wait()
    # The new list is loaded and waits for the loop; the clock speaks first.
    daemon._tick()
    daemon.reloading.loader.wait()
    daemon._woken()
    assert daemon.listed.networks == {A, B}
    assert [type(what) for what in world.kernel.posted] == [Everything]


@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_a_clock_that_is_set_has_the_list_looked_at_again(
    world: World, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = world.daemon
    now = time.time()
    daemon.listed = replace(daemon.listed, networks=frozenset(), valid_until=now + 3600)
    monkeypatch.setattr(time, "time", lambda: now + step)
    daemon._tick()
    daemon.reloading.loader.wait()
    daemon._woken()
    assert world.kernel.posted == [Registered(frozenset({A}))]


def test_a_list_written_while_the_first_is_loaded_is_loaded_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    config = load(world.path)
    watch = watch_lists(config)
    lists = load_lists(config, False, time.time(), world.path)
    world.rows("R-1,company,192.0.2.1", "R-2,company,192.0.2.2")
    daemon = Daemon(world.path, config, lists, False, watch)
    daemon._tick()
    daemon._next_look = 0.0
    daemon._tick()
    assert [by for by, _ in daemon.reloading.wanted] == ["a changed file"]


def test_a_list_named_anew_is_watched_from_before_its_loading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **options: Any) -> Lists:
        loaded = load_lists(*arguments, **options)
        other.write_text("id,holder,address\nR-1,company,192.0.2.1\nR-2,company,192.0.2.2\n")
        return loaded

    other = world.list.with_name("other.csv")
    other.write_bytes(world.list.read_bytes())
    world.path.write_text("registry: {files: [other.csv]}\nmetrics: {listen: null}\n")
    monkeypatch.setattr(loader_module, "load_lists", slow)
    world.reload()
    world.everything().done.set_result(None)
    world.daemon._woken()
    world.daemon._stop_resolving()
    assert [world.daemon.reloading.watch.changed() for _ in range(2)] == [False, True]


def test_a_list_replaced_while_it_is_read_is_as_old_as_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)

    def replacing(*arguments: Any) -> Any:
        result = read_list(*arguments)
        world.list.unlink()
        return result

    os.utime(world.list, (1000.0, 1000.0))
    monkeypatch.setattr(lists_module, "load", replacing)
    assert load_lists(load(world.path), False, time.time(), world.path).registry.as_of == 1000.0


@pytest.mark.parametrize("registered", [True, False])
def test_verdicts_go_on_while_a_long_table_is_read(world: World, registered: bool) -> None:
    daemon = world.daemon
    now, tag = time.time(), bytes(16)
    verdicts: list[None] = []
    for number in range(1000):
        daemon.follower.table.add(
            Session(str(number), (ip_network(f"100.64.{number >> 8}.{number & 255}"),), tag, now)
        )
    daemon.follower.breathe = lambda: verdicts.append(None)
    found = daemon.follower.networks_of({tag} if registered else set(), now)
    assert len(found) == (1000 if registered else 0)
    assert len(verdicts) == 3


def test_a_clock_that_starts_years_back_calls_nobody_unregistered(world: World) -> None:
    policy = world.daemon.policy
    # By the clock of such a machine every registration has yet to begin.
    who = policy.end(A.network_address.packed, None, True, None, 0.0)
    assert who.answer is Answer.UNKNOWN


@pytest.mark.parametrize(("protocols", "answer"), [("", Answer.REGISTERED), ("openvpn", Answer.UNKNOWN)])
def test_a_session_from_before_a_restart_is_held_against_nobody(
    tmp_path: Path, protocols: str, answer: Answer
) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_bytes(bytes(range(32)))
    (tmp_path / "list.csv").write_text(f"id,holder,number,protocols\nF-1,freelancer,+923001234567,{protocols}\n")
    path = tmp_path / "enforcer.yaml"
    path.write_text(
        "registry: {files: [list.csv]}\nnumbers: {key_file: key}\nsessions: {snapshot: sessions.db}\n"
        "lines: [{name: lte, class: mobile, prefixes: [100.64.0.0/16]}]\n"
    )
    config = load(path)
    now = time.time()
    lists = load_lists(config, False, now, path)
    address = ip_network("100.64.0.7")
    (entry,) = lists.registry
    save(tmp_path / "sessions.db", [Session("s", (address,), entry.tag, now - 60, "nas")])
    daemon = Daemon(path, config, lists, False, watch_lists(config))
    packed = address.network_address.packed
    assert daemon.policy.end(packed, None, True, Family.WIREGUARD, now).answer is answer


def test_whether_networks_hold_an_address() -> None:
    networks = [ip_network(text) for text in ("192.0.2.1", "198.51.100.0/24", "2001:db8::/56", "2001:db8:1::1")]
    held = ("192.0.2.1", "198.51.100.255", "2001:db8::ff:0:0:0:1", "2001:db8:1::1")
    others = ("192.0.2.2", "198.51.101.0", "2001:db8:0:100::1", "2001:db8:1::2")
    for address in (*held, *others):
        octets = ip_network(address).network_address.packed
        assert hold_any(networks, [bytes(4), octets]) is (address in held)
    assert not hold_any([], [bytes(4)])
    assert not hold_any(networks, [])


def test_verdicts_do_not_wait_while_many_sessions_change_and_many_are_refused() -> None:
    # Ten thousand changes a second, and a minute of refusals on the first day of enforcement.
    networks = {ip_network((0x0A00_0000 + number, 32)) for number in range(2500)}
    refused = [(0x6440_0000 + number).to_bytes(4) for number in range(10_000)]
    began = time.process_time()
    assert not hold_any(networks, refused)
    assert time.process_time() - began < 0.5


def test_who_gets_an_address_is_not_told_of_what_was_refused_to_its_holder_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, refused = world.daemon, Refused().decide(REFUSED)
    given_on, nobodys = (ip_network(text) for text in (REFUSED, "192.0.2.77"))
    clock = time.monotonic()
    for network in (given_on, nobodys):
        assert refused.who is not None
        who = replace(refused.who, address=network.network_address.packed)
        daemon.recent.add(replace(refused, who=who), time.time(), clock)
    daemon.follower.table.restore(Session("s", (given_on,), bytes(16), time.time() - 1, "nas"))
    monkeypatch.setattr(daemon.follower, "take_changed", lambda: {given_on, nobodys})
    daemon._follow_sessions(time.time())
    assert daemon.recent.addresses(0.0) == [nobodys.network_address.packed]
    [change] = world.kernel.posted
    assert isinstance(change, Change)
    assert change.forget
