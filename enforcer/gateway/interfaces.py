"""Names of interfaces by index, asked of the kernel once each and again when one is not known."""

from __future__ import annotations

import socket
import time

_ASK_AGAIN = 1.0
"""Seconds between two questions for the same unknown index."""

_KEPT = 60.0
"""Seconds a name is believed: an index is reused only after the interface is gone."""


class InterfaceNames:
    """Index to name, without a system call for each packet."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str | None, float]] = {}

    def __call__(self, index: int) -> str | None:
        """The name of the interface, None when there is none (any more)."""
        now = time.monotonic()
        known = self._names.get(index)
        if known is not None and now < known[1]:
            return known[0]
        try:
            name: str | None = socket.if_indextoname(index)
        except OSError:
            name = None
        self._names[index] = (name, now + (_ASK_AGAIN if name is None else _KEPT))
        return name
