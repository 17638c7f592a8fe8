"""The listener's process: radclient at one end, the daemon's side at the other."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from enforcer.subscribers.radius import process as module
from enforcer.subscribers.radius.codec import Outcome
from enforcer.subscribers.radius.process import RadiusError, RadiusProcess
from tests.lab import radius as lab
from tests.lab.processes import wait_until

_START = (
    'Acct-Status-Type = Start, Acct-Session-Id = "s-1", Calling-Station-Id = "923001234567", '
    "Framed-IP-Address = 100.64.1.20, Framed-IPv6-Prefix = 2001:db8:1:2::/64, Message-Authenticator = 0x00\n"
)


@pytest.fixture
def port() -> int:
    return lab.free_port()


@pytest.fixture
def receiver(port: int) -> Iterator[lab.Receiver]:
    process = RadiusProcess(lab.settings(port))
    yield lab.Receiver(process)
    process.close()


def child(process: RadiusProcess) -> int:
    assert process._child is not None
    return process._child.pid


class Gone:
    """Whether a process has ended."""

    def __init__(self, pid: int) -> None:
        self._path = Path("/proc", str(pid))

    def __call__(self) -> bool:
        return not self._path.exists()


def test_radclient_is_answered_and_the_daemon_told(receiver: lab.Receiver, port: int) -> None:
    done = lab.radclient(f"127.0.0.1:{port}", _START)
    assert done.returncode == 0, done.stdout + done.stderr
    (event,) = receiver.wait_for(1)
    assert [str(address) for address in event.addresses] == ["100.64.1.20/32", "2001:db8:1:2::/64"]
    assert event.tag is not None
    receiver.wait_for_count(Outcome.ACCEPTED, 1)


def test_radclient_asks_for_the_status(receiver: lab.Receiver, port: int) -> None:
    done = lab.radclient(f"127.0.0.1:{port}", "Message-Authenticator = 0x00\n", lab.SECRET, "status")
    assert done.returncode == 0, done.stdout + done.stderr
    receiver.wait_for_count(Outcome.STATUS_SERVER, 1)
    assert receiver.events == []


def test_a_wrong_secret_gets_no_answer(receiver: lab.Receiver, port: int) -> None:
    done = lab.radclient(f"127.0.0.1:{port}", _START, b"wrong", "acct", "-r", "1", "-t", "0.3")
    assert done.returncode != 0
    receiver.wait_for_count(Outcome.BAD_AUTHENTICATOR, 1)
    assert receiver.events == []


def test_a_dead_listener_is_replaced_and_what_waited_is_served(
    receiver: lab.Receiver, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = receiver.process
    monkeypatch.setattr(module, "RESTART", 0.0)
    descriptor = process.fileno()
    os.kill(child(process), signal.SIGKILL)
    assert wait_until(lambda: not process.running, 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
        nas.settimeout(5)
        asked = lab.request(lab.session())
        nas.sendto(asked, ("127.0.0.1", port))
        process.supervise()
        assert lab.is_answer(nas.recv(4096), asked)
    assert len(receiver.wait_for(1)) == 1
    assert (process.restarts, process.fileno()) == (1, descriptor)
    process.supervise()
    assert process.restarts == 1


def test_one_that_keeps_dying_is_not_started_at_every_turn(receiver: lab.Receiver) -> None:
    os.kill(child(receiver.process), signal.SIGKILL)
    assert wait_until(lambda: not receiver.process.running, 2)
    receiver.process.supervise()
    assert receiver.process.restarts == 0


def test_a_daemon_that_does_not_read_bounds_the_listener(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(end: socket.socket, size: int) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    monkeypatch.setattr(module, "WAITING", 4096)
    monkeypatch.setattr(module, "widen_sending", narrow)
    process = RadiusProcess(lab.settings(port))
    receiver = lab.Receiver(process)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
        nas.connect(("127.0.0.1", port))
        nas.settimeout(0.5)
        asked = [lab.request(lab.session(session_id=b"%d" % n), identifier=n) for n in range(256)]
        answered = set()
        for each in asked:
            nas.send(each)
        with pytest.raises(TimeoutError):  # noqa: PT012 (which of them is the last is not known)
            for _ in asked:
                answered.add(nas.recv(4096)[1])
        assert answered
        receiver.wait_for(len(answered))
        missing = next(each for each in asked if each[1] not in answered)
        nas.send(missing)
        assert lab.is_answer(nas.recv(4096), missing)
        receiver.wait_for(len(answered) + 1)
    process.close()
    sessions = [event.session for event in receiver.events]
    assert len(sessions) == len(set(sessions)) == len(answered) + 1


def test_it_ends_with_the_daemon_however_that_ends(port: int) -> None:
    script = (
        "import sys, time; from tests.lab import radius as lab;"
        "from enforcer.subscribers.radius.process import RadiusProcess;"
        f"p = RadiusProcess(lab.settings({port})); print(p._child.pid, flush=True); time.sleep(60)"
    )
    for number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
            start_new_session=True,
        ) as daemon:
            assert daemon.stdout is not None
            listener = int(daemon.stdout.readline())
            assert lab.radclient(f"127.0.0.1:{port}", _START).returncode == 0
            os.killpg(daemon.pid, number)
            daemon.wait(5)
            assert wait_until(Gone(listener), 3), number


def test_closing_ends_it_and_frees_the_port(port: int) -> None:
    process = RadiusProcess(lab.settings(port))
    listener = child(process)
    process.close()
    assert not Path("/proc", str(listener)).exists()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_told_and_nothing_is_left(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        before = set(Path("/proc/self/fd").iterdir())
        with pytest.raises(RadiusError, match=rf"radius\.listen 127\.0\.0\.1:{port}: Address already in use"):
            RadiusProcess(replace(lab.settings(port), listen=(("127.0.0.1", 0), ("127.0.0.1", port))))
        assert set(Path("/proc/self/fd").iterdir()) == before


def test_other_settings_take_effect_on_the_same_port(receiver: lab.Receiver, port: int) -> None:
    process = receiver.process
    before = child(process)
    process.reconfigure(lab.settings(port))
    assert child(process) == before
    process.reconfigure(lab.settings(port, secret=b"the new secret"))
    assert child(process) != before
    assert lab.radclient(f"127.0.0.1:{port}", _START, b"the new secret").returncode == 0
    assert len(receiver.wait_for(1)) == 1


def test_settings_that_cannot_be_leave_all_as_it_was(receiver: lab.Receiver, port: int) -> None:
    process = receiver.process
    before = child(process)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        wanted = (("127.0.0.1", port), ("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(RadiusError):
            process.reconfigure(replace(lab.settings(port), listen=wanted))
    assert child(process) == before
    assert lab.radclient(f"127.0.0.1:{port}", _START).returncode == 0


def test_secrets_are_neither_in_arguments_nor_in_the_environment(receiver: lab.Receiver) -> None:
    own = Path("/proc", str(child(receiver.process)))
    shown = own.joinpath("cmdline").read_bytes() + own.joinpath("environ").read_bytes()
    for hidden in (lab.SECRET, lab.KEY.hex().encode(), lab.KEY):
        assert hidden not in shown


def test_what_waits_under_a_former_key_can_be_discarded(receiver: lab.Receiver, port: int) -> None:
    done = lab.radclient(f"127.0.0.1:{port}", _START)
    assert done.returncode == 0, done.stdout + done.stderr
    receiver.process.reconfigure(replace(lab.settings(port), key=bytes(32)))
    receiver.process.discard()
    assert receiver.process.receive() == []


def test_settings_taken_over_are_in_force_even_if_the_listener_starts_later(
    receiver: lab.Receiver, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*arguments: object, **options: object) -> None:  # noqa: ARG001
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    process = receiver.process
    with monkeypatch.context() as broken:
        broken.setattr(subprocess, "Popen", no_memory)
        process.reconfigure(replace(lab.settings(port), key=bytes(32)))
    assert not process.running
    monkeypatch.setattr(module, "RESTART", 0.0)
    process.supervise()
    assert process.running
