"""A whole Debian of its own, booted by a real systemd inside a namespace of the lab (systemd-nspawn(1)).

What a unit file promises only systemd can keep: PID 1 of the machine is one, whatever PID 1 of ours is. The
machine's interfaces, routes and nft rules are those of the lab's node, so the lab's tunnels pass through it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import Node
from tests.lab.processes import LabError, Process, run_to_end, wait_until

BOOT = 60.0
"""Seconds a boot may take; it takes two or three."""

_HIERARCHIES = tuple(Path("/sys/fs/cgroup", name) for name in ("systemd", "unified", "."))
"""Where control groups may be mounted: hybrid, legacy or unified (systemd.io, CGROUP_DELEGATION)."""

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

_INTO_CGROUPS = 'for group in $CGROUPS; do echo $$ >"$group/cgroup.procs" || exit; done; unset CGROUPS; exec "$@"'


class Machine:
    """A booted machine. What is changed in it is gone with it, unless ``keep``: ``root`` itself stays clean."""

    _numbers = itertools.count()

    def __init__(
        self,
        root: Path,
        node: Node,
        binds: Mapping[Path, Path] | None = None,
        keep: bool = False,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """``root`` is a Debian with systemd; ``binds`` are folders of ours (read-only) and where they appear.

        ``environment`` is systemd-nspawn's, ``arguments`` are those of the machine's PID 1.
        """
        self.name = f"{node.namespace}-{next(self._numbers)}"
        self._node = node
        self._environment = dict(environment or {})
        self._groups = [
            hierarchy.resolve() / self.name for hierarchy in _HIERARCHIES if (hierarchy / "cgroup.procs").is_file()
        ]
        self._command = [
            *("systemd-nspawn", "--quiet", "--boot", f"--machine={self.name}", f"--directory={root}"),
            # Without a systemd of ours to register with; in the node's network, which it may configure.
            *("--register=no", "--keep-unit", "--link-journal=no", "--console=pipe"),
            f"--network-namespace-path=/run/netns/{node.namespace}",
            *("--capability=CAP_NET_ADMIN", "--resolv-conf=off", "--timezone=off"),
            *(() if keep else ("--volatile=overlay",)),
            *(f"--bind-ro={ours}:{theirs}" for ours, theirs in (binds or {}).items()),
            *arguments,
        ]
        self._process: Process | None = None
        self.pid = 0
        """The process id, outside, of the machine's PID 1."""

    def boot(self) -> None:
        """Boot, and wait until every unit has started. Raises LabError, with what failed."""
        if shutil.which("systemd-nspawn") is None:
            raise LabError("systemd-nspawn not found: run `make setup`")
        for group in self._groups:
            group.mkdir()
        # In control groups of its own: two machines in one would take each other's services for their own.
        self._process = self._node.lab.start(
            ["sh", "-c", _INTO_CGROUPS, "sh", *self._command],
            f"machine-{self.name}",
            environment={**self._environment, "CGROUPS": " ".join(map(str, self._groups))},
        )
        if not wait_until(self._found_init, BOOT):
            raise LabError(f"{self.name} did not boot:\n{self._process.log()[-2000:]}")
        if not wait_until(lambda: self._state() in ("running", "degraded"), BOOT) or self._state() != "running":
            failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"], check=False).stdout
            raise LabError(f"{self.name} is {self._state()}; failed:\n{failed}\n{self._process.log()[-2000:]}")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The arguments that run a program inside, as root."""
        inside = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        return ["nsenter", f"--target={self.pid}", "--all", "env", "-i", *inside, *arguments]

    def run(
        self, arguments: Sequence[str], timeout: float = 30.0, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end, ``text`` on its input; standard error is part of the output.

        Raises LabError when it takes longer than ``timeout`` seconds or, with ``check``, when it fails.
        """
        return run_to_end(self.name, self.command(arguments), arguments, timeout, check, text)

    def path(self, inside: str) -> Path:
        """Where a file of the machine's (an absolute path) is seen from outside, while it runs."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def journal(self, unit: str, *options: str) -> str:
        """What a unit wrote into the journal, without journald's own fields unless ``options`` say otherwise."""
        self.run(["journalctl", "--sync"])
        return self.run(["journalctl", "--no-pager", "--quiet", "--output=cat", f"--unit={unit}", *options]).stdout

    def poweroff(self) -> None:
        """Stop every unit, then the machine. Raises LabError when that takes longer than 30 s."""
        if self._process is None:
            return
        process, self._process = self._process, None
        # SIGTERM has systemd-nspawn tell its PID 1 to halt.
        process.stop(30)
        for group in self._groups:
            _remove(group)
        if process.exit_code != 0:
            raise LabError(f"{self.name} did not halt by itself:\n{process.log()[-2000:]}")

    def _found_init(self) -> bool:
        process = self._process
        if process is None or not process.running:
            raise LabError(f"{self.name} did not boot:\n{process.log()[-2000:] if process else ''}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        # Until PID 1 has its own root, entering the child's namespaces would run programs of ours.
        booted = [pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"]
        self.pid = int(booted[0]) if booted else 0
        return bool(booted)

    def _state(self) -> str:
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip()

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self.poweroff()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.poweroff()


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        deadline = time.monotonic() + 5
        while Path(folder).is_dir() and time.monotonic() < deadline:
            # Busy until the kernel has reaped the last process in it.
            with suppress(OSError):
                Path(folder).rmdir()
                break
            time.sleep(0.05)
