"""The control socket: who may ask, what a bad or slow client gets, and that the daemon outlives all of them."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from enforcer.gateway import control
from enforcer.gateway.control import Answer, Asker, ControlError, ControlServer, Request, ask


def echo(request: Request, asker: Asker) -> Future[Answer]:
    future: Future[Answer] = Future()
    if request.get("never"):
        return future
    if request.get("unwritable"):
        future.set_result({"x": object()})
    elif request.get("fail"):
        future.set_exception(RuntimeError("inside"))
    else:
        future.set_result({"request": request, "uid": asker.uid, "pid": asker.pid})
    return future


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "run" / "control.sock"
    server = ControlServer(path, None, echo)
    yield path
    server.close()
    assert not path.exists()


def test_a_question_and_who_asked(path: Path) -> None:
    answer = ask(path, {"status": True})
    assert answer == {"request": {"status": True}, "uid": os.geteuid(), "pid": os.getpid()}


def test_only_its_owner_may_ask_without_a_group_and_the_group_with_one(path: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    grouped = tmp_path / "grouped.sock"
    server = ControlServer(grouped, "root", echo)
    assert stat.S_IMODE(grouped.stat().st_mode) == 0o660
    assert grouped.stat().st_gid == 0
    server.close()
    with pytest.raises(ControlError, match="there is no group 'nobody-of-that-name'"):
        ControlServer(tmp_path / "x.sock", "nobody-of-that-name", echo)


def raw(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(data)
        return client.makefile("rb").readline()


@pytest.mark.parametrize(
    "data",
    [b"\n", b"hello\n", b"[1]\n", b"{}x\n", b'"' * 4000 + b"\n", b"x" * 5000, b"[" * 4000 + b"\n", b"\xff\n"],
)
def test_nonsense_is_answered_with_what_was_expected(path: Path, data: bytes) -> None:
    assert "expected one JSON object" in json.loads(raw(path, data))["error"]
    assert ask(path, {})["uid"] == os.geteuid()


def test_a_silent_client_and_one_that_hangs_up_do_not_block_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "CLIENT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(str(path))
        assert ask(path, {})["uid"] == os.geteuid()


def test_a_question_that_fails_or_takes_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.2)
    with pytest.raises(ControlError, match="see the daemon's log"):
        ask(path, {"fail": True})
    with pytest.raises(ControlError, match=r"no answer within 0 s"):
        ask(path, {"never": True})


def test_what_the_asker_is_told_when_there_is_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no daemon runs here"):
        ask(tmp_path / "none.sock", {})
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead))
    with pytest.raises(ControlError, match="the daemon is gone and left its socket"):
        ask(dead, {})
    server = ControlServer(dead, None, echo)
    assert ask(dead, {})["uid"] == os.geteuid()
    with pytest.raises(ControlError, match="another enforcer answers on it"):
        ControlServer(dead, None, echo)
    server.close()


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("keep me")
    with pytest.raises(ControlError, match="no socket is in the way"):
        ControlServer(file, None, echo)
    assert file.read_text() == "keep me"


def test_it_answers_again_after_a_moment_without_descriptors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ACCEPT_AGAIN", 0.05)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        # The first gets the descriptor that the waiting accept(2) has reserved; after it there is none.
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            for client in clients:
                client.connect(str(path))
                client.sendall(b"{}\n")
                time.sleep(0.2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ask(path, {"status": True})["uid"] == os.geteuid()


def test_an_answer_that_cannot_be_written_does_not_end_it(path: Path) -> None:
    assert raw(path, b'{"unwritable": true}\n') == b""
    assert ask(path, {"status": True})["uid"] == os.geteuid()


def test_a_socket_that_cannot_be_given_to_its_group_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.chown", forbidden)
    path = tmp_path / "control.sock"
    with pytest.raises(ControlError, match=r"is not in control\.group root \(run: adduser .* root; then start it"):
        ControlServer(path, "root", lambda *_: Future())
    assert not path.exists()
