"""The daemon measured from outside: ``python -m tests.bench.start [COUNT]``, as root.

From exec to deciding, with an empty list and with one of COUNT rows, with and without its memory of the last run;
its memory; and from the moment one row of the list is another until the kernel has it. In a network namespace of
its own.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.lists import HEADER, rows
from tests.bench.results import Results

ENFORCER = Path(sys.executable).with_name("enforcer")
CHANGES = 5
PATIENCE = 120.0
IN_FORCE = b"reloaded (a changed file)"
"""Logged once the kernel has what changed."""


class Gateway:
    """``enforcer run`` in a namespace, on files in a folder."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self._folder = folder
        self._inside = ["ip", "netns", "exec", namespace]
        self.list = folder / "list.csv"
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(32))
        (folder / "enforcer.yaml").write_text(
            "registry: {files: [list.csv], memory: registry.npz}\nnumbers: {key_file: key, region: PK}\n"
            "metrics: {listen: null}\ncontrol: {socket: null}\n"
        )

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
        """The daemon once it decides, and how many seconds that took."""
        with (self._folder / "log").open("w+b") as log:
            began = time.perf_counter()
            command = [*self._inside, str(ENFORCER), "run", "--config", str(self._folder / "enforcer.yaml")]
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                while b"ready: mode" not in (said := (self._folder / "log").read_bytes()):
                    if daemon.poll() is not None or time.perf_counter() - began > PATIENCE:
                        raise RuntimeError(f"the daemon did not start:\n{said.decode()}")
                    time.sleep(0.005)
                yield daemon, time.perf_counter() - began
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(PATIENCE)

    def holds(self, address: str) -> bool:
        """Whether the kernel lets an address go."""
        ask = ["nft", "get", "element", "inet", "enforcer", "registered4", f"{{ {address} }}"]
        return subprocess.run([*self._inside, *ask], capture_output=True, check=False).returncode == 0

    def replace(self, lines: list[str]) -> None:
        """Put another list in the list's place, as a whole."""
        new = self.list.with_suffix(".new")
        new.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        new.replace(self.list)

    def change(self, lines: list[str], row: int) -> float:
        """Have one row of the list name another address; how many seconds until the kernel has it."""
        address = f"203.0.113.{row}"
        lines[row] = f"B-{row},company,{address},,,,,,,,,,"
        log = self._folder / "log"
        before = log.read_bytes().count(IN_FORCE)
        self.replace(lines)
        began = time.perf_counter()
        while log.read_bytes().count(IN_FORCE) == before:
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"no reload; the log ends:\n{log.read_text()[-2000:]}")
            time.sleep(0.005)
        taken = time.perf_counter() - began
        # Asked once, and not again and again: nft reads the whole set for it.
        if not self.holds(address):
            raise RuntimeError(f"{address} is not in the kernel")
        return taken


def resident(process: int) -> float:
    """Mebibytes of a process that are in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def worked(process: int) -> float:
    """The processor's seconds a process and those it waited for have used (proc(5): utime to cstime)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def measure(count: int, results: Results) -> None:
    """Measure everything."""
    namespace = f"enforcer-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            gateway = Gateway(Path(folder), namespace)
            gateway.replace(["C-1,company,192.0.2.1,,,,,,,,,,"])
            with gateway.running() as (daemon, seconds):
                empty = resident(daemon.pid)
                results.add("start, one row", seconds, "s", 1.0)
                results.add("  processor's time of it", worked(daemon.pid), "s")
                results.add("resident, one row", empty, "MiB")
            (gateway.list.parent / "registry.npz").unlink()
            lines = list(rows(count))
            gateway.replace(lines)
            with gateway.running() as (daemon, seconds):
                results.add(f"start, {count:,} rows", seconds, "s", 8.0)
                results.add("  processor's time of it", worked(daemon.pid), "s")
                # The memory of this run is written beside the first decisions.
                time.sleep(3.0)
            with gateway.running() as (daemon, seconds):
                results.add(f"start, {count:,} rows and their memory", seconds, "s", 8.0)
                time.sleep(3.0)
                results.add(
                    f"resident for {count:,} rows, beyond one row", resident(daemon.pid) - empty, "MiB", 300.0
                )
                begun = worked(daemon.pid)
                taken = [gateway.change(lines, row) for row in range(1, CHANGES + 1)]
                results.add("processor's time of one such change", (worked(daemon.pid) - begun) / CHANGES, "s")
                results.add("one row changed, median", sorted(taken)[CHANGES // 2], "s", 1.0)
                results.add("one row changed, longest", max(taken), "s", 1.0)
                results.add(f"resident after {CHANGES} reloads", resident(daemon.pid) - empty, "MiB")
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


def main() -> None:
    """Print what was measured, and keep it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    results = Results("start")
    measure(count, results)
    results.show(f"the daemon, {count:,} rows")


if __name__ == "__main__":
    main()
