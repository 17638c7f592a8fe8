"""One record of a capture file, and the error every reader of captures raises."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """One captured frame.

    ``number`` counts from 1 within the file; ``time`` is seconds since the epoch, 0.0 where the file does not
    say; ``link_type`` is a LINKTYPE number; ``data`` is what was captured and ``wire_length`` the frame's
    length on the wire in bytes, never less than ``len(data)``.
    """

    number: int
    time: float
    link_type: int
    data: bytes
    wire_length: int


class CaptureError(Exception):
    """A capture file that cannot be read, or not to its end: the message is made for the operator."""
