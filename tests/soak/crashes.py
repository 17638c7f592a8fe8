"""Crashes and stalls under traffic, each many times: `python -m tests.soak.crashes --times 100`.

Bystanders run throughout. After each blow the gateway must be as it should be: the kernel's sets hold the
registered and nobody else, an unregistered handshake is refused, and nothing that is kept on disk is damaged.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import radius
from tests.lab.clock import Clock
from tests.lab.gateway import NUMBER, Gateway, Setup, registrations, resolver
from tests.lab.network import COMPANY, MOBILE, Lab
from tests.lab.processes import Process, wait_until
from tests.soak.bystanders import Bystanders, handshake, refused
from tests.soak.process import Held, elements, held

DAY = 86400.0
MANY = tuple(f"X-{n},company,198.18.{n >> 8}.{n & 255},,2026-01-01,,,,,,,," for n in range(5000))
"""Enough registrations for the kernel to be busy with for a while."""
REVOKED = tuple(f",,,,,,,,,X-{n},returned,2026-01-02,2026-01-03" for n in range(len(MANY)))

RSS_SLACK = 8192
"""KiB by which memory may differ before and after, for caches and what the allocator keeps."""


class Subject:
    """A gateway that is hit, with everything it can keep on disk, and what must come back after each blow."""

    def __init__(self, lab: Lab, seed: int = 1) -> None:
        self.lab = lab
        self.random = random.Random(seed)
        self._stack = ExitStack()
        self.disk = lab.new_folder("disk")
        self._mount()
        self.clock = Clock(lab.new_folder("clock"))
        self.tools = _tools(lab.new_folder("tools"))
        self.store = lab.new_folder("store") / "s"
        self.redis = self.start_store()
        secret = lab.new_folder("secret") / "bras"
        secret.touch(mode=0o600)
        secret.write_bytes(radius.SECRET)
        clients = [{"name": "bras", "addresses": ["127.0.0.1"], "secret_file": str(secret)}]
        extra: dict[str, dict[str, object]] = {
            "radius": {"listen": ["127.0.0.1:1813"], "clients": clients},
            "registry": {"memory": str(self.disk / "memory.json"), "max_shrink": 100},
            "sessions": {
                "file": None,
                "snapshot": str(self.disk / "sessions.sqlite"),
                "store": f"unix://{self.store}",
            },
            "control": {"socket": "control.sock"},
            "audit": {"file": str(self.disk / "audit.jsonl")},
            "shadow": {"file": str(self.disk / "shadow.sqlite"), "period": 0},
        }
        setup = Setup(enforce=("wireguard", "openvpn"), wifi_calling=False, sessions={}, extra=extra)
        self.gateway = Gateway(lab, setup)
        self.before = self.gateway.ruleset()

    def start(self) -> None:
        """Start the daemon, over whatever the last one left."""
        before = os.environ["PATH"]
        os.environ["PATH"] = str(self.tools)
        try:
            with self.clock.for_programs():
                self.gateway.start()
        finally:
            os.environ["PATH"] = before

    def account(self) -> None:
        """A session of the registered number begins."""
        number, session = NUMBER.removeprefix("+").encode(), str(time.monotonic_ns()).encode()
        asked = radius.request(radius.session(radius.START, session, number, str(MOBILE.ip4.ip)))
        with self.lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect(("127.0.0.1", 1813))
            client.send(asked)
            assert radius.is_answer(client.recv(4096), asked)

    def end(self) -> None:
        """SIGTERM; nothing may be left in the kernel."""
        process = self.gateway.process
        process.signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.log()[-2000:]
        assert self.gateway.ruleset() == self.before

    def start_store(self) -> Process:
        """A shared store, at the same place each time."""
        arguments = ["redis-server", "--port", "0", "--unixsocket", str(self.store), "--save", ""]
        process = self.lab.start(arguments, "redis")
        process.require("ready to accept connections", 5)
        return process

    def is_well(self) -> None:
        """The kernel holds what it should, the unregistered are refused, and no file was found damaged."""
        fields = [row.split(",") for row in self.gateway.setup.rows]
        revoked = {field[9] for field in fields}
        listed = {field[2] for field in fields if field[0] not in revoked}
        wanted = {address for address in listed if address and ":" not in address} | {str(MOBILE.ip4.ip)}
        assert wait_until(lambda: elements(self.lab.gateway, "registered4") == wanted, 20), self.gateway.log()
        assert refused(self.lab), self.gateway.log()
        assert not re.search(r"corrupt|damaged|Traceback", self.gateway.log()), self.gateway.log()

    def held(self) -> Held:
        """What the daemon holds."""
        return held(self.gateway.process.pid, self.lab.gateway)

    def reload(self) -> None:
        """Another list, by SIGHUP, without waiting."""
        self.gateway.write()
        self.gateway.process.signal(signal.SIGHUP)

    def repairs(self, what: str) -> float:
        """What was put right so far, by the daemon's own count; -1 while our table is away, metrics and all."""
        return self.gateway.metrics().get(("enforcer_kernel_repairs_total", (("what", what),)), -1)

    def _mount(self) -> None:
        _run("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(self.disk))
        self._stack.callback(_run, "umount", "-l", str(self.disk))

    def __enter__(self) -> Self:
        self.start()
        self.account()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if self.gateway.process.running:
                self.gateway.process.signal(signal.SIGCONT)
                self.gateway.process.signal(signal.SIGKILL)


def killed_during_reload(subject: Subject) -> None:
    """SIGKILL at a random moment of a reload."""
    subject.reload()
    _kill(subject, 0.4)


def killed_during_set_sync(subject: Subject) -> None:
    """SIGKILL at a random moment while thousands of elements come or go."""
    rows = (*registrations(), *MANY)
    subject.gateway.setup.rows = rows if len(subject.gateway.setup.rows) > len(rows) else (*rows, *REVOKED)
    subject.reload()
    _kill(subject, 1.0)


def killed_during_snapshot(subject: Subject) -> None:
    """SIGKILL at a random moment of an orderly end, in which sessions are written."""
    subject.gateway.process.signal(signal.SIGTERM)
    _kill(subject, 0.5)


def killed_during_rejections(subject: Subject) -> None:
    """SIGKILL while handshakes are refused, a thousand a second."""
    with _handshakes(subject.lab):
        _kill(subject, 0.3)


def stopped(subject: Subject, seconds: float) -> None:
    """SIGSTOP for a while: nothing gets a verdict."""
    subject.gateway.process.signal(signal.SIGSTOP)
    time.sleep(seconds)
    subject.gateway.process.signal(signal.SIGCONT)


def disk_full(subject: Subject) -> None:
    """No byte left where the daemon keeps its files: a reload, a question, an end and a start."""
    filler = subject.disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    _go_on_without_disk(subject, "No space left on device|disk is full")
    filler.unlink()
    _has_disk_again(subject)


def disk_read_only(subject: Subject) -> None:
    """The disk was remounted read-only, as after an error of it."""
    _run("mount", "-o", "remount,ro", str(subject.disk))
    try:
        _go_on_without_disk(subject, "Read-only file system|readonly database")
    finally:
        _run("mount", "-o", "remount,rw", str(subject.disk))
    _has_disk_again(subject)


def clock_stepped(subject: Subject) -> None:
    """The clock goes a day ahead, a day behind, and back; with it behind, nobody is refused, as documented."""
    subject.clock.set_ahead(DAY)
    time.sleep(1)
    assert str(COMPANY.ip4.ip) in elements(subject.lab.gateway, "registered4")
    assert refused(subject.lab)
    subject.clock.set_ahead(-DAY)
    time.sleep(1)
    assert str(COMPANY.ip4.ip) in elements(subject.lab.gateway, "registered4")
    assert wait_until(lambda: ("wireguard", "accept", "clock_behind") in _after_some(subject), 5), (
        subject.gateway.decisions()
    )
    subject.clock.set_ahead(0)
    subject.gateway.reload()
    # A day ahead every session was out of date: its holder is unknown until heard of again.
    subject.account()


def store_dead(subject: Subject) -> None:
    """SIGKILL for the shared store, a reload without it, and another store in its place, empty."""
    subject.redis.signal(signal.SIGKILL)
    subject.redis.wait(5)
    assert wait_until(lambda: _connected(subject) == 0, 10)
    subject.gateway.reload()
    subject.is_well()
    subject.store.unlink(missing_ok=True)
    subject.redis = subject.start_store()
    assert wait_until(lambda: _connected(subject) == 1, 15)


def tools_missing(subject: Subject) -> None:
    """nft is uninstalled while the daemon runs: changes are refused with the reason, and come once it is back."""
    nft = subject.tools / "nft"
    target = nft.readlink()
    nft.unlink()
    rows = subject.gateway.setup.rows
    added = "Y-1,company,192.0.2.77,,2026-01-01,,,,,,,,"
    rows = tuple(row for row in rows if "Y-1" not in row)
    try:
        subject.gateway.setup.rows = (*rows, added)
        subject.reload()
        assert subject.gateway.process.wait_for("nft is not installed", 10), subject.gateway.log()[-2000:]
        assert refused(subject.lab)
    finally:
        nft.symlink_to(target)
    subject.gateway.reload()
    subject.is_well()
    subject.gateway.setup.rows = (*rows, added, ",,,,,,,,,Y-1,returned,2026-01-02,2026-01-03")
    subject.gateway.reload()


def ruleset_flushed(subject: Subject) -> None:
    """Another program flushes every table and loads its own, as a restart of nftables.service does."""
    before = subject.repairs("rules")
    subject.lab.gateway.run(["nft", "-f", "-"], text=f"flush ruleset\n{subject.before}")
    assert wait_until(lambda: subject.repairs("rules") == before + 1, 15)
    assert "took rules of ours out of the kernel" in subject.gateway.log()


def element_removed(subject: Subject) -> None:
    """Another hand removes a registered address from the kernel's set."""
    before = subject.repairs("elements")
    address = f"{{ {COMPANY.ip4.ip} }}"
    subject.lab.gateway.run(["nft", "delete", "element", "inet", "enforcer", "registered4", address])
    assert wait_until(lambda: subject.repairs("elements") == before + 1, 20)


def interface_replaced(subject: Subject) -> None:
    """A subscriber's interface is removed, and another of its name comes: a card, or an access server's reload."""
    stranger = subject.lab.subscriber("stranger")
    interface = stranger.line.gateway_interface
    subject.lab.gateway.run(["ip", "link", "del", interface])
    time.sleep(0.3)
    subject.lab.reconnect(stranger)


def reloaded(subject: Subject) -> None:
    """A reload, waited for."""
    subject.gateway.reload()


def restarted(subject: Subject) -> None:
    """An orderly end, with nothing left in the kernel, and a start."""
    subject.end()
    subject.start()


def resolver_dead(lab: Lab) -> None:
    """With IPsec enforced, the only resolver dies: names keep their addresses, over a reload and a restart too."""
    gateway = Gateway(lab)
    # Configured for Wi-Fi calling, as is written already, but with a resolver that can be taken away.
    gateway.setup.wifi_calling = False
    own = resolver(lab)
    gateway.start()
    assert gateway.process.wait_for("enforcing ipsec", 20), gateway.log()
    own.signal(signal.SIGKILL)
    own.wait(5)
    for _ in range(2):
        said = gateway.log().count('"not_enforcing"')
        gateway.process.signal(signal.SIGHUP)
        assert gateway.process.wait_for(r"reloaded \([^)]*SIGHUP", 10)
        assert refused(lab)
        assert gateway.log().count('"not_enforcing"') == said
        gateway.stop()
        gateway.start()
        assert gateway.process.wait_for("enforcing ipsec", 10), gateway.log()
    gateway.stop()


ROWS: Mapping[str, Callable[[Subject], None]] = {
    "kill -9 during a reload": killed_during_reload,
    "kill -9 during a set sync": killed_during_set_sync,
    "kill -9 during a snapshot": killed_during_snapshot,
    "kill -9 during rejections": killed_during_rejections,
    "disk full": disk_full,
    "disk read-only": disk_read_only,
    "clock +1 day, -1 day": clock_stepped,
    "store dead": store_dead,
    "nft missing": tools_missing,
    "ruleset flushed": ruleset_flushed,
    "element removed by hand": element_removed,
    "interface removed, added again": interface_replaced,
    "reload": reloaded,
    "restart": restarted,
}


def strike(subject: Subject, row: str, times: int) -> tuple[Held, Held]:
    """One row of the table, some times; what the daemon held after the first and after the last."""
    held_before: Held | None = None
    for number in range(times):
        ROWS[row](subject)
        if row not in ("reload", "restart") or number in (0, times - 1):
            subject.is_well()
        if held_before is None:
            held_before = subject.held()
    held_after = subject.held()
    assert held_before is not None
    assert held_after.rss <= held_before.rss + RSS_SLACK, (held_before, held_after)
    assert held_after.descriptors <= held_before.descriptors + 2, (held_before, held_after)
    assert held_after.threads <= held_before.threads + 2, (held_before, held_after)
    assert (held_after.children, held_after.rules) == (held_before.children, held_before.rules)
    return held_before, held_after


def _kill(subject: Subject, within: float) -> None:
    time.sleep(subject.random.uniform(0, within))
    subject.gateway.kill()
    subject.start()


def _go_on_without_disk(subject: Subject, told: str) -> None:
    subject.gateway.reload()
    subject.gateway.command("explain", str(COMPANY.ip4.ip))
    subject.is_well()
    subject.end()
    subject.start()
    subject.is_well()
    subject.gateway.command("explain", str(COMPANY.ip4.ip))
    assert subject.gateway.process.wait_for(told, 5), subject.gateway.log()


def _has_disk_again(subject: Subject) -> None:
    subject.gateway.reload()
    subject.end()
    subject.start()
    assert (subject.disk / "sessions.sqlite").stat().st_size > 0
    assert (subject.disk / "memory.json").stat().st_size > 0


def _after_some(subject: Subject) -> dict[tuple[str, str, str], float]:
    with _handshakes(subject.lab):
        time.sleep(0.1)
    return subject.gateway.decisions()


def _connected(subject: Subject) -> float:
    return subject.gateway.metrics()["enforcer_store_connected", ()]


@contextmanager
def _handshakes(lab: Lab) -> Iterator[None]:
    """A thousand a second of the unregistered line's, each a flow of its own."""
    ending = threading.Event()

    def send() -> None:
        number = time.monotonic_ns()
        while not ending.is_set():
            with lab.subscriber("stranger").socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for port in range(2000, 2050):
                    number += 1
                    with suppress(OSError):
                        client.sendto(handshake(number), (lab.internet.ip4, port))
            time.sleep(0.05)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _tools(folder: Path) -> Path:
    """A folder for PATH, from which a program can be taken away."""
    for name in ("ip", "nft", "iptables-nft", "ip6tables-nft", "conntrack", "sh"):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    return folder


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, timeout=20)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="how many times each row")
    parser.add_argument("--row", action="append", choices=[*ROWS], help="these rows only")
    parser.add_argument("--stopped", type=float, default=60.0, help="seconds of SIGSTOP; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Lab() as lab:
        for row in arguments.row or ROWS:
            with Subject(lab, arguments.seed) as subject, Bystanders(lab) as bystanders:
                begun = time.monotonic()
                before, after = strike(subject, row, arguments.times)
                took = time.monotonic() - begun
                lost = bystanders.unharmed()
                subject.end()
            print(f"{row}: {arguments.times} times in {took:.0f} s; {before} -> {after}", flush=True)
            print("  " + "; ".join(map(str, lost)), flush=True)
        if arguments.stopped and not arguments.row:
            with Subject(lab, arguments.seed) as subject, Bystanders(lab) as bystanders:
                stopped(subject, arguments.stopped)
                subject.is_well()
                print(f"SIGSTOP for {arguments.stopped:.0f} s: " + "; ".join(map(str, bystanders.unharmed())))
                subject.end()
            resolver_dead(lab)
            print("resolver dead: well")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
