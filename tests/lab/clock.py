"""Time that a test lets pass, for programs in Python: both their clocks go ahead of the machine's.

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
        return float(file.read())


time.time = lambda: _of_day() + _ahead()
time.monotonic = lambda: _monotonic() + _ahead()
"""


class Clock:
    """The clocks of the programs started within ``for_programs``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead = folder / "seconds-ahead"
        self.set_ahead(0)
        (folder / "sitecustomize.py").write_text(_MODULE.format(path=str(self._ahead)))

    def set_ahead(self, seconds: float) -> None:
        """Set both clocks ahead of the machine's."""
        new = self._ahead.with_suffix(".new")
        new.write_text(str(seconds))
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
