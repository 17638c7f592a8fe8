"""Where innocent traffic runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.network import Node
from tests.lab.pki import Pki
from tests.lab.traffic import Exchange


@dataclass(frozen=True)
class Setting:
    """Two nodes, the certificates of the server, and the outer IP version."""

    client: Node
    server: Node
    pki: Pki
    version: int = 4

    @property
    def address(self) -> str:
        """The server's address."""
        return self.server.address(self.version)


Generator = Callable[[Setting], Exchange]
"""Starts a server, runs clients against it, stops it, and says what was lost."""
