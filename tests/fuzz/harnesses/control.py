"""Questions on the control socket: one JSON object a line, or one error, whatever is sent."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, NoReturn, cast
from unittest.mock import patch

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.gateway import answers, control
from enforcer.gateway.control import Answer, Asker, ControlServer, Request
from enforcer.gateway.daemon import Daemon
from enforcer.observe.recent import RecentRefusals
from enforcer.policy import Policy
from enforcer.registry.lookup import Registry
from enforcer.registry.registrations import Registrations
from enforcer.subscribers.number import Tagger
from enforcer.subscribers.table import SessionTable

LONGEST = 5000
_CONFIG = Config()
_REGISTRY = Registry(Registrations.of(()), None)
_ELSEWHERE = ("status", "reload")
"""Questions whose answers depend on nothing else that is asked."""


def seeds() -> dict[str, bytes]:
    asked: list[Any] = [
        {"what": "explain", "address": "198.51.100.7"},
        {"what": "explain", "address": "2001:db8::1", "protocol": "wireguard"},
        {"what": "explain", "address": "fe80::1%eth0", "protocol": None},
        {"what": "explain", "number": "0300 1234567"},
        {"what": "explain", "number": "+92 300 1234567", "protocol": ["ipsec"]},
        {"what": "status"},
        {"what": "reload"},
        {"what": 1},
        [],
        "explain",
    ]
    found = {json.dumps(each): json.dumps(each).encode() + b"\n" for each in asked}
    found["not a line"] = b'{"what": "status"}'
    found["deep"] = b"[" * 2000 + b"\n"
    found["long"] = b'{"what": "explain", "address": "' + b"1" * 4096 + b'"}\n'
    found["not UTF-8"] = b'{"what": "\xff"}\n'
    found["surrogate"] = b'{"what": "explain", "number": "\\ud800"}\n'
    return found


def _raise(message: str, *_: object, **__: object) -> NoReturn:
    raise AssertionError(f"the daemon logs an exception: {message}") from None


def _world() -> Daemon:
    policy = Policy(_CONFIG, _REGISTRY, SessionTable(60.0, 8), Exemptions(_CONFIG.exempt), live=True)
    lists = SimpleNamespace(tagger=Tagger(bytes(range(32))), registry=_REGISTRY)
    audit = SimpleNamespace(asked=lambda *_: None)
    return cast(
        Daemon,
        SimpleNamespace(
            config=_CONFIG, policy=policy, lists=lists, audit=audit, recent=RecentRefusals(), started=time.time()
        ),
    )


_DAEMON = _world()


def _ask(request: Request, asker: Asker) -> Future[Answer]:
    future: Future[Answer] = Future()
    if request.get("what") in _ELSEWHERE:
        future.set_result({"lines": []})
        return future
    answer = answers.answer(_DAEMON, request, asker, _DAEMON.started)
    if isinstance(answer, Future):
        return answer
    future.set_result(answer)
    return future


_SERVER = ControlServer.__new__(ControlServer)
_SERVER._ask = _ask


def one(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        with patch.object(control.log, "exception", _raise):
            _SERVER._answer(ours)
        ours.shutdown(socket.SHUT_WR)
        with theirs.makefile("rb") as reader:
            said = reader.read()
    if not said:
        assert not data.endswith(b"\n") or not data
        return
    assert said.endswith(b"\n")
    assert said.count(b"\n") == 1
    answer = json.loads(said)
    assert isinstance(answer, dict)
    assert len(answer) == 1
