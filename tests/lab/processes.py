"""A process the lab started, its output in a file, and a sure end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = float(os.environ.get("LAB_PATIENCE", "1"))
"""By how much every wait of the lab is longer than usual: an emulated machine is ten times slower."""


class LabError(RuntimeError):
    """Something the lab needs did not work: a missing program, a server that does not start."""


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.05) -> bool:
    """Whether ``condition`` became true within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout * PATIENCE
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def run_to_end(
    where: str, command: Sequence[str], shown: Sequence[str], timeout: float, check: bool, text: str | None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` to its end, ``text`` on its input; standard error is part of the output.

    Raises LabError, which says ``where`` and ``shown``, when it takes longer than ``timeout`` seconds or, with
    ``check``, when it fails.
    """
    try:
        done = subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout * PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{where}: {' '.join(shown)}: not done within {timeout} s") from None
    if check and done.returncode:
        raise LabError(f"{where}: {' '.join(shown)}: exit code {done.returncode}\n{done.stdout.strip()}")
    return done


class Process:
    """A child process whose standard output and error go to ``log_path``."""

    def __init__(
        self,
        arguments: Sequence[str],
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.log_path = log_path
        with log_path.open("ab") as log:
            # A session of its own: Ctrl-C reaches the lab alone, which then ends its children.
            self._child = subprocess.Popen(
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, None while it runs."""
        return self._child.poll()

    def log(self) -> str:
        """All it has printed so far."""
        return self.log_path.read_text(errors="replace")

    def write(self, text: str) -> None:
        """Send ``text`` to its standard input."""
        if self._child.stdin is None:
            raise LabError(f"{self.arguments[0]} has no standard input")
        self._child.stdin.write(text.encode())
        self._child.stdin.flush()

    def wait_for(self, pattern: str, timeout: float) -> bool:
        """Whether its output matched ``pattern`` within ``timeout`` seconds; stops early when it ends."""
        expression = re.compile(pattern)
        wait_until(lambda: not self.running or expression.search(self.log()) is not None, timeout)
        return expression.search(self.log()) is not None

    def require(self, pattern: str, timeout: float) -> None:
        """Wait for ``pattern``. Raises LabError, with the end of the log, when it does not come."""
        if not self.wait_for(pattern, timeout):
            command, tail = " ".join(self.arguments), self.log()[-2000:]
            raise LabError(f"{command}: no {pattern!r} within {timeout} s; log ends:\n{tail}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.running:
            self._child.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises LabError when it has not ended within ``timeout`` seconds."""
        try:
            return self._child.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(self.arguments)}: still running after {timeout} s") from None

    def stop(self, timeout: float = 3.0) -> None:
        """End it and what it started: SIGTERM, and SIGKILL after ``timeout`` seconds."""
        if self.running:
            self._child.terminate()
            try:
                self._child.wait(timeout * PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
