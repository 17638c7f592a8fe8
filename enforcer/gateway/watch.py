"""Notices that list files were replaced or rewritten, once they have come to rest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from enforcer.config import Config

LOOK = 0.25
"""Seconds between two looks: with one more look for the rest, a change is noticed within half a second."""

_Signature = tuple[int, int, int]


class Watch:
    """Looks at files when asked. A file that is away is not a change: it may be on its way."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self._known = self._look()
        self._last = self._known

    def changed(self) -> bool:
        """Whether a file is another than last known, and the same as at the last look. True once a change."""
        now = self._look()
        rested = now == self._last and None not in now
        self._last = now
        if not rested or now == self._known:
            return False
        self._known = now
        return True

    def _look(self) -> tuple[_Signature | None, ...]:
        return tuple(map(_signature, self.paths))


def watch_lists(config: Config) -> Watch:
    """A watch on the list files a configuration names. To miss nothing, begin it before they are loaded."""
    sessions = config.sessions.file
    return Watch((*config.registry.files, *(() if sessions is None else (sessions,))))


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
