"""The time that counts, and the thread that writes: what is in force, and when."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enforcer.config import Config
from enforcer.fingerprints.detection import Family
from enforcer.policy import HeldBack, Policy
from enforcer.shadow.coverage import LONGEST, Coverage, Recorded, lasting
from enforcer.shadow.keeper import SAVE, Shadow
from enforcer.shadow.store import Store, StoreError
from enforcer.shadow.totals import DAY, HOUR
from tests.unit.policy.worlds import NOW, World
from tests.unit.shadow.handshakes import handshake


class Gateway:
    """A daemon's share of the shadow report, its clocks turned by hand."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.file = folder / "shadow.sqlite"
        self.settings: dict[str, Any] = {"file": self.file, "period": 3600, "retention": 40 * DAY, **settings}
        self.now, self.clock = NOW, 1000.0
        self._posted: list[Callable[[], None]] = []
        self.start()

    def start(self) -> None:
        self.world = World(settings={"shadow": self.settings})
        config = self.config()
        self.shadow = Shadow(config.shadow, self.now, self._posted.append)
        self.shadow.start(self.clock)

    def config(self) -> Config:
        return self.world.policy().config

    def policy(self) -> Policy:
        made = self.world.policy()
        made.shadow = self.shadow
        return made

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, a tick every ``step`` seconds."""
        policy = self.policy()
        for _ in range(round(seconds / step)):
            self.now, self.clock = self.now + step, self.clock + step
            self.shadow.tick(self.now, self.clock, policy)
            self.deliver()

    def deliver(self) -> None:
        """What the writing thread says, once it has written all that it was given."""
        recorder = self.shadow._recorder
        if recorder is not None:
            recorder.join()
        while self._posted:
            self._posted.pop(0)()

    def stop(self) -> None:
        self.shadow.stop(self.now)
        self.deliver()

    def held_back(self, family: Family = Family.WIREGUARD) -> HeldBack | None:
        return self.policy().held_back(family, NOW)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def test_a_family_is_refused_when_its_period_is_on_disk_and_not_before(gateway: Gateway) -> None:
    gateway.run(3598)
    assert gateway.held_back() is HeldBack.SHADOW
    gateway.run(4)
    assert gateway.held_back() is None
    assert Store(gateway.file).recorded().passed == set(Family)
    gateway.stop()
    gateway.start()
    assert gateway.held_back() is None


def test_what_was_recorded_counts_on_after_a_restart_and_the_time_between_does_not(gateway: Gateway) -> None:
    gateway.run(3000)
    gateway.stop()
    gateway.now += 10 * HOUR
    gateway.clock += 10 * HOUR
    gateway.start()
    assert gateway.shadow.shadowed(Family.WIREGUARD) == pytest.approx(2999)
    gateway.run(590)
    assert gateway.held_back() is HeldBack.SHADOW
    gateway.run(20)
    assert gateway.held_back() is None


def test_a_daemon_that_is_killed_loses_minutes(gateway: Gateway) -> None:
    gateway.run(1000)
    gateway.start()
    assert gateway.shadow.shadowed(Family.WIREGUARD) == pytest.approx(1000, abs=SAVE + 1)


def test_a_loop_that_stalled_decided_nothing(gateway: Gateway) -> None:
    gateway.run(1000, step=100)
    gateway.stop()
    assert Store(gateway.file).recorded().seconds[Family.WIREGUARD] == 9 * LONGEST


@pytest.mark.parametrize("missing", ["lines", "list", "fresh list"])
def test_no_time_counts_in_which_nobody_could_be_called_unregistered(gateway: Gateway, missing: str) -> None:
    if missing == "lines":
        gateway.world.settings["lines"] = []
    else:
        gateway.world.as_of = None if missing == "list" else NOW - 8 * DAY
    gateway.run(5000)
    assert gateway.held_back() is HeldBack.SHADOW
    assert Store(gateway.file).recorded().seconds == {}


def test_a_family_that_is_refused_is_watched_and_not_shadowed() -> None:
    coverage = Coverage(Recorded())
    for second in range(11):
        coverage.tick(NOW + second, second, True, {Family.OPENVPN})
    watched = {each.family: (each.seconds, each.shadow) for each in coverage.take(60.0).watched}
    assert watched == {Family.WIREGUARD: (10, 10), Family.OPENVPN: (10, 0), Family.IPSEC: (10, 10)}


def test_without_a_period_nothing_has_passed(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, period=0)
    gateway.run(100)
    assert gateway.held_back() is None
    gateway.stop()
    assert Store(gateway.file).recorded().passed == set()


def test_a_period_that_a_reload_makes_longer_or_shorter(gateway: Gateway) -> None:
    gateway.run(1000)
    gateway.settings["period"] = 1200
    gateway.world = World(settings={"shadow": gateway.settings})
    gateway.shadow.reconfigure(gateway.config().shadow)
    assert gateway.held_back() is HeldBack.SHADOW
    gateway.run(300)
    assert gateway.held_back() is None
    gateway.settings["period"] = 30 * DAY
    gateway.world = World(settings={"shadow": gateway.settings})
    gateway.shadow.reconfigure(gateway.config().shadow)
    assert gateway.held_back() is None


def test_without_a_file_nothing_is_kept_and_nothing_is_ever_refused(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, file=None)
    for number in range(30):
        gateway.shadow.observe(handshake(number))
    gateway.run(5000)
    gateway.stop()
    assert gateway.held_back() is HeldBack.SHADOW
    assert list(tmp_path.iterdir()) == []


def test_the_running_hour_is_written_at_the_end_by_the_same_rule(gateway: Gateway) -> None:
    for number in range(45):
        gateway.shadow.observe(handshake(number))
    for number in range(5):
        gateway.shadow.observe(handshake(number, family=Family.OPENVPN))
    gateway.run(1)
    gateway.stop()
    (total,) = Store(gateway.file).read(0).totals
    assert (total.cell.family, total.decisions) == ("wireguard", 45)


def test_hours_are_written_while_it_runs(gateway: Gateway) -> None:
    for number in range(45):
        gateway.shadow.observe(handshake(number))
    gateway.now += HOUR
    gateway.run(1)
    assert len(Store(gateway.file).read(0).totals) == 1


def test_while_the_disk_fails_all_waits_and_nothing_counts(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: object) -> None:  # noqa: ARG001
        raise StoreError("cannot be used: database or disk is full")

    for number in range(45):
        gateway.shadow.observe(handshake(number))
    with caplog.at_level(logging.INFO), monkeypatch.context() as failing:
        failing.setattr(Store, "write", full)
        gateway.run(2 * HOUR)
        assert gateway.held_back() is HeldBack.SHADOW
        assert caplog.text.count("disk is full") == 1
    with caplog.at_level(logging.INFO):
        gateway.run(400)
    assert "written again, with all that waited" in caplog.text
    assert gateway.held_back() is None
    assert len(Store(gateway.file).read(0).totals) == 1


def test_a_file_damaged_under_way_is_set_aside_and_what_is_known_is_kept(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.run(3700)
    assert gateway.held_back() is None
    gateway.file.write_bytes(b"no database " * 1000)
    gateway.run(400)
    assert "set aside as" in caplog.text
    assert gateway.held_back() is None
    assert Store(gateway.file).recorded().passed == set(Family)


def test_a_file_lost_between_runs_is_recorded_anew(gateway: Gateway) -> None:
    gateway.run(3700)
    gateway.stop()
    gateway.file.unlink()
    gateway.start()
    assert gateway.held_back() is HeldBack.SHADOW


def test_counting_never_waits_for_the_disk(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    write = Store.write

    def slow(store: Store, *arguments: Any) -> None:
        released.wait(5)
        write(store, *arguments)

    monkeypatch.setattr(Store, "write", slow)
    policy = gateway.policy()
    began = time.perf_counter()
    for _ in range(3):
        gateway.now, gateway.clock = gateway.now + HOUR, gateway.clock + HOUR
        gateway.shadow.observe(handshake(1))
        gateway.shadow.tick(gateway.now, gateway.clock, policy)
    assert time.perf_counter() - began < 1
    released.set()
    gateway.stop()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (2 * DAY + 3 * HOUR + 5, "2 d 3 h"),
        (7 * DAY, "7 d"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, said: str) -> None:
    assert lasting(seconds) == said
