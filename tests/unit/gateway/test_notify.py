"""What the service manager hears: in its words, when it is due, and nothing of it reaches a child."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from enforcer.gateway import preflight
from enforcer.gateway.notify import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    words = []
    while True:
        try:
            words.append(manager.recv(4096).decode())
        except BlockingIOError:
            return words


def test_a_life_is_told(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "OTHER": "1"}
    told = ServiceManager(environment)
    told.ready("mode monitor")
    told.turn("mode monitor")
    told.reloading()
    told.ready("mode enforce")
    told.turn("mode enforce; nothing known")
    told.stopping()
    told.close()
    told.turn("too late")
    words = heard(manager)
    begun = words.pop(1).splitlines()
    assert words == [
        "READY=1\nSTATUS=mode monitor",
        "READY=1\nSTATUS=mode enforce",
        "STATUS=mode enforce; nothing known",
        "STOPPING=1\nSTATUS=Taking everything out of the kernel",
    ]
    assert begun[0] == "RELOADING=1"
    assert begun[1].removeprefix("MONOTONIC_USEC=").isdecimal()
    assert environment == {"OTHER": "1"}


@pytest.mark.parametrize(
    ("pid", "expected"), [(None, [0.0, 1.0, 2.0]), (os.getpid(), [0.0, 1.0, 2.0]), (os.getpid() + 1, [])]
)
def test_the_watchdog_is_told_at_half_its_time(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, pid: int | None, expected: list[float]
) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000"}
    if pid is not None:
        environment["WATCHDOG_PID"] = str(pid)
    now = [0.0]
    monkeypatch.setattr("enforcer.gateway.notify.time.monotonic", lambda: now[0])
    told = ServiceManager(environment)
    told.ready("x")
    heard(manager)
    at = []
    for tick in range(10):
        now[0] = tick / 4
        told.turn("x")
        if heard(manager) == ["WATCHDOG=1"]:
            at.append(now[0])
    assert at == expected
    assert set(environment) == {"NOTIFY_SOCKET"} - {"NOTIFY_SOCKET"}


def test_a_manager_that_is_busy_is_told_with_the_next_turn(manager: socket.socket) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100_000):
                others.sendto(b"of another", manager.getsockname())
    told.reloading()
    told.ready("mode enforce")
    assert set(heard(manager)) == {"of another"}
    told.turn("mode enforce")
    begun, ready = heard(manager)
    assert begun.startswith("RELOADING=1\n")
    assert ready == "READY=1\nSTATUS=mode enforce"
    told.turn("mode enforce")
    assert heard(manager) == []


def test_an_abstract_socket_is_reached() -> None:
    name = f"enforcer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready("x")
        assert heard(listening) == ["READY=1\nSTATUS=x"]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_without_a_manager_that_listens_nothing_happens(address: str) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"})
    told.ready("x")
    told.turn("y")
    told.close()


@pytest.mark.parametrize(
    ("effective", "may"), [("0000000000001000", True), ("00000000fcecbfff", True), ("0", False)]
)
def test_the_capability_counts_and_not_the_user(
    monkeypatch: pytest.MonkeyPatch, effective: str, may: bool
) -> None:
    status = f"CapPrm:\t0000000000001000\nCapEff:\t{effective}\nCapBnd:\t0000000000001000\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: status)
    assert preflight.may_administer_the_network() is may
