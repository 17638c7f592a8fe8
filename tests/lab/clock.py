"""Clocks that a test sets, for programs in Python: time that passes, and a clock of the day that is set.

Timers of the kernel stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Python imports a module of this name as it starts (module site), before the program.
_MODULE = """
import time

_of_day, _monotonic = time.time, time.monotonic


def _ahead():
    with open({path!r}) as file:
        return [float(seconds) for seconds in file.read().split()]


time.time = lambda: _of_day() + sum(_ahead())
time.monotonic = lambda: _monotonic() + _ahead()[0]
"""


class Clock:
    """The clocks of the programs started within ``for_programs``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead = folder / "seconds-ahead"
        self._passed = self._set = 0.0
        self._write()
        (folder / "sitecustomize.py").write_text(_MODULE.format(path=str(self._ahead)))

    def let_pass(self, seconds: float) -> None:
        """Be this far ahead of the machine in time that passed, by either clock."""
        self._passed = seconds
        self._write()

    def set_ahead(self, seconds: float) -> None:
        """Set the clock of the day ahead; the clock that never steps stays."""
        self._set = seconds
        self._write()

    def _write(self) -> None:
        new = self._ahead.with_suffix(".new")
        new.write_text(f"{self._passed} {self._set}")
        new.replace(self._ahead)

    @contextmanager
    def for_programs(self) -> Iterator[None]:
        """Programs that are started meanwhile, and what they start, have these clocks."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{self._folder}:{before}" if before else str(self._folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
