"""The control socket: questions to the running daemon, from root and one group.

One JSON object a line each way. Clients are served one after the other in a thread of its own, each within a time
limit; what a question needs of the daemon is run by the daemon's own loop, so a slow client delays no verdict.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import logging
import os
import pwd
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from enforcer.log_events import named

log = logging.getLogger(__name__)

LONGEST_REQUEST = 4096
"""Bytes of a request at most."""

CLIENT_SECONDS = 2.0
"""Seconds a client has to send its request, and to take each part of the answer."""

ANSWER_SECONDS = 300.0
"""Seconds the daemon may take: a reload is waited for, and a million entries take a busy machine a minute."""

ACCEPT_AGAIN = 1.0
"""Seconds until clients are accepted again when the kernel could not (no descriptor is free)."""

Request = dict[str, Any]
Answer = dict[str, Any]


class Asker(NamedTuple):
    """Who is at the other end, by the kernel's word (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    name: str


class ControlError(Exception):
    """The socket cannot be made, or the daemon cannot be asked; the message says why and what to do."""


class NotRunning(ControlError):
    """Nobody is behind the socket: no daemon runs there."""


class ControlServer:
    """Listens on the socket; ``ask`` hands a request over to the daemon's loop and gives the future answer."""

    def __init__(self, path: Path, group: str | None, ask: Callable[[Request, Asker], Future[Answer]]) -> None:
        """Make the socket, mode 0660 for the group (0600 without). Raises ControlError."""
        self._path = path
        self._ask = ask
        self._closing = False
        try:
            owner = grp.getgrnam(group).gr_gid if group is not None else -1
        except KeyError:
            raise ControlError(f"control.group: there is no group {group!r} on this machine") from None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _remove_dead(path)
            before = os.umask(0o177)
            try:
                self._socket.bind(str(path))
            finally:
                os.umask(before)
            try:
                if group is not None:
                    _give(path, group, owner)
                path.chmod(0o600 if group is None else 0o660)
                self._socket.listen(8)
            except OSError:
                path.unlink()
                raise
        except OSError as error:
            self._socket.close()
            raise ControlError(f"control.socket {path}: {error.strerror or error}") from None
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._closing:
            try:
                client, _ = self._socket.accept()
            except OSError as error:
                if not self._closing:
                    log.error("control socket: %s", error, extra=named("control_failed"))
                    time.sleep(ACCEPT_AGAIN)
                continue
            with client:
                try:
                    self._answer(client)
                except OSError:
                    pass  # The client went away.
                except Exception:
                    log.exception(
                        "a question on the control socket could not be answered", extra=named("control_failed")
                    )

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(CLIENT_SECONDS)
        data = b""
        while not data.endswith(b"\n") and len(data) <= LONGEST_REQUEST:
            part = client.recv(LONGEST_REQUEST)
            if not part:
                return
            data += part
        client.sendall(json.dumps(self._result(client, data)).encode() + b"\n")

    def _result(self, client: socket.socket, data: bytes) -> Answer:
        try:
            request = json.loads(data) if len(data) <= LONGEST_REQUEST else None
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"error": f"expected one JSON object in a line of at most {LONGEST_REQUEST} bytes"}
        try:
            return self._ask(request, _asker(client)).result(ANSWER_SECONDS)
        except TimeoutError:
            return {"error": f"no answer within {ANSWER_SECONDS:.0f} s"}
        except Exception:
            log.exception("a question on the control socket failed", extra=named("control_failed"))
            return {"error": "the question failed: see the daemon's log"}


def ask(path: Path, request: Request) -> Answer:
    """Ask the daemon behind a control socket. Raises ControlError when there is none, or no right to ask it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_SECONDS + CLIENT_SECONDS)
        try:
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as reader:
                line = reader.readline()
        except FileNotFoundError:
            raise NotRunning(f"{path}: no daemon runs here (start it, or name its configuration)") from None
        except ConnectionRefusedError:
            raise NotRunning(f"{path}: the daemon is gone and left its socket (start it again)") from None
        except PermissionError:
            raise ControlError(f"{path}: no right to ask the daemon (be root, or in its control.group)") from None
        except OSError as error:
            raise ControlError(f"{path}: {error}") from None
    if not line:
        raise ControlError(f"{path}: the daemon hung up")
    answer: Answer = json.loads(line)
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


def _asker(client: socket.socket) -> Asker:
    pid, uid, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Asker(pid, uid, name)


def _give(path: Path, group: str, number: int) -> None:
    """Let a group ask. Without CAP_CHOWN one may give to groups one is in (chown(2))."""
    try:
        os.chown(path, -1, number)
    except PermissionError as error:
        user = pwd.getpwuid(os.geteuid()).pw_name
        told = f"user {user} is not in control.group {group} (run: adduser {user} {group}; then start it again)"
        raise PermissionError(error.errno, told) from None


def _remove_dead(path: Path) -> None:
    """Remove a socket nobody listens on. Raises OSError when somebody does, or when it is no socket."""
    if not path.exists():
        return
    if not path.is_socket():
        raise OSError(errno.EEXIST, "a file that is no socket is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "another enforcer answers on it")
