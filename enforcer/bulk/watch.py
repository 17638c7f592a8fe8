"""What a replay and the scan of its capture say to each other."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Watch(IntEnum):
    """Which packets of a flow are wanted."""

    SHAPES = 0
    """Those with a shape, ESP, AH, and those read one at a time."""
    ALL = 1
    NONE = 2


class Sighting(NamedTuple):
    """A packet that is wanted: ``frame`` of the records (from 0), the ``packet``-th of its flow with a payload.

    ``from_client`` says that the flow's first packet went the same way; ``slot`` is the flow's.
    """

    frame: int
    slot: int
    packet: int
    from_client: bool
