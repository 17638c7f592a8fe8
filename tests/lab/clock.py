"""A clock that a test sets, for programs in Python: their ``time.time`` goes ahead of the machine's.

Timers of the kernel, and the clock that never steps, stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Python imports a module of this name as it starts (module site), before the program.
_MODULE = """
import time

_machines = time.time


def _ahead():
    with open({path!r}) as file:
        return _machines() + float(file.read())


time.time = _ahead
"""


class Clock:
    """The clock of the programs started within ``for_programs``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead = folder / "seconds-ahead"
        self.set_ahead(0)
        (folder / "sitecustomize.py").write_text(_MODULE.format(path=str(self._ahead)))

    def set_ahead(self, seconds: float) -> None:
        """Set the clock ahead of the machine's."""
        new = self._ahead.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._ahead)

    @contextmanager
    def for_programs(self) -> Iterator[None]:
        """Programs that are started meanwhile, and what they start, have this clock."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{self._folder}:{before}" if before else str(self._folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
