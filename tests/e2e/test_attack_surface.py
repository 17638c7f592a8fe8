"""The control socket and the metrics endpoint under attack: verdicts go on, memory stays, secrets stay.

What the process can do after its start, under the unit as shipped, is in test_systemd.py; what its memory, files
and answers give away, in test_least_data.py.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.gateway import Gateway, Setup
from tests.lab.network import Lab
from tests.lab.processes import wait_until
from tests.soak.bystanders import Echoed, handshake, refused
from tests.soak.process import held

SECONDS = 1.0
"""How long each attack lasts."""

GROWTH = 8192
"""KiB of memory an attack may cost: threads' stacks, and buffers of what is bounded."""

SECRET = "a secret between the access server and the gateway"

Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def gateway(lab: Lab) -> Iterator[Gateway]:
    secret = lab.new_folder("secret") / "bras"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    clients = [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}]
    extra: dict[str, dict[str, object]] = {
        "control": {"socket": "control.sock"},
        "sessions": {"file": None},
        "radius": {"listen": ["127.0.0.1:1813"], "clients": clients},
    }
    with Gateway(lab, Setup(enforce=("wireguard",), wifi_calling=False, sessions={}, extra=extra)) as made:
        yield made


def oversized(connect: Connect) -> None:
    """A request without end."""
    with connect() as client:
        for _ in range(1000):
            client.sendall(b"x" * 65536)


def slow(connect: Connect) -> None:
    """A byte now and then, from as many clients as can be."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect()) for _ in range(20)]
        for _ in range(10):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"G")
            time.sleep(0.1)


def malformed(connect: Connect) -> None:
    """Lines of garbage, deep nesting, wrong types, half a request."""
    for said in (
        *(os.urandom(512) + b"\n", b"[" * 4000 + b"\n", b"{}\n", b'{"question": 7}\n', b'{"question": null'),
        *(
            b"GET /metrics HTTP/9.9\r\n\r\n",
            b"GET " + b"/" * 4000 + b" HTTP/1.1\r\n\r\n",
            b"\0" * 4096,
            b"\n" * 4096,
        ),
    ):
        with connect() as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            client.recv(65536)


def many(connect: Connect) -> None:
    """One client after the other, each gone at once."""
    for _ in range(200):
        connect().close()


ATTACKS = (oversized, slow, malformed, many)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
@pytest.mark.parametrize("where", ["control socket", "metrics"])
def test_verdicts_go_on_under_attack(
    lab: Lab, gateway: Gateway, where: str, attack: Callable[[Connect], None]
) -> None:
    def connect() -> socket.socket:
        if where == "metrics":
            client = lab.gateway.socket(socket.AF_INET, socket.SOCK_STREAM)
        else:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(1)
        try:
            client.connect(("127.0.0.1", 9469) if where == "metrics" else str(gateway.folder / "control.sock"))
        except BaseException:
            client.close()
            raise
        return client

    before = held(gateway.process.pid, lab.gateway)
    count = itertools.count()
    ending = time.monotonic() + SECONDS

    def go_on() -> None:
        while time.monotonic() < ending:
            with contextlib.suppress(OSError):
                attack(connect)
            next(count)

    judged = Echoed("verdicts", lab.subscriber("home"), lab.internet, handshake)
    attackers = [threading.Thread(target=go_on) for _ in range(4)]
    for attacker in attackers:
        attacker.start()
    for attacker in attackers:
        attacker.join()
    verdicts = judged.stop()
    print(f"\n{attack.__name__} on the {where}: {next(count)} rounds; {verdicts}", end="")
    # Each within a second, on a machine and in an interpreter that it shares with its attackers.
    assert verdicts.lost == 0, verdicts
    assert refused(lab)
    # Slow clients are let go within their seconds, and what they cost with them.
    assert wait_until(lambda: held(gateway.process.pid, lab.gateway).descriptors <= before.descriptors + 1, 10)
    assert held(gateway.process.pid, lab.gateway).rss <= before.rss + GROWTH
    assert "enforcer_ready 1.0" in gateway._get("/metrics")
    assert "mode" in gateway.command("status")
    assert "Traceback" not in gateway.log()


def test_no_secret_is_in_the_process_list_the_log_or_the_metrics(gateway: Gateway) -> None:
    key = (gateway.folder / "key").read_bytes()
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    for process in (pid, *children):
        shown = Path(f"/proc/{process}/cmdline").read_bytes() + Path(f"/proc/{process}/environ").read_bytes()
        for secret in (SECRET.encode(), key, key.hex().encode()):
            assert secret not in shown
    said = gateway.log() + gateway._get("/metrics") + gateway.command("status") + gateway.command("check")
    for text in (SECRET, key.hex()):
        assert text not in said


def test_the_files_it_can_write_to_are_its_own(gateway: Gateway) -> None:
    pid = gateway.process.pid
    folder = str(gateway.folder)
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        flags = re.search(r"flags:\s*0?(\d+)", Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text())
        assert flags is not None
        target = str(descriptor.readlink())
        writes = int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY
        own = target.startswith((folder, "socket:", "pipe:", "anon_inode:", str(gateway.process.log_path)))
        assert own or not writes or target == "/dev/null", target
