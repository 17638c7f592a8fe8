"""Requests answered a moment ago, so that one sent again is answered again and counts once."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

WINDOW = 30.0
"""Seconds an answer is kept: the most that RFC 5080 §2.2.2 advises."""

CAPACITY = 1 << 17
"""Answers kept. 131,072 are 26 s of 5,000 requests a second; beyond, the oldest goes first."""


class RequestKey(NamedTuple):
    """What tells requests of one client apart (RFC 2866 §3): source address and port, and Identifier."""

    address: str
    port: int
    identifier: int


class Duplicates:
    """Answers by request. A new request under a key whose authenticator differs takes the old one's place."""

    __slots__ = ("_answers", "_capacity", "_window")

    def __init__(self, window: float = WINDOW, capacity: int = CAPACITY) -> None:
        self._window = window
        self._capacity = capacity
        self._answers: OrderedDict[RequestKey, tuple[float, bytes, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, key: RequestKey, authenticator: bytes, now: float) -> bytes | None:
        """The answer given to this very request within the window; ``now`` in seconds of any one clock."""
        known = self._answers.get(key)
        if known is None or known[1] != authenticator or now - known[0] > self._window:
            return None
        return known[2]

    def remember(self, key: RequestKey, authenticator: bytes, answer: bytes, now: float) -> None:
        """Keep an answer, and let go of those too old and, at the bound, of the oldest."""
        answers = self._answers
        answers.pop(key, None)
        answers[key] = (now, authenticator, answer)
        while len(answers) > self._capacity or now - next(iter(answers.values()))[0] > self._window:
            answers.popitem(last=False)

    def forget(self, key: RequestKey) -> None:
        """Drop an answer that was not given after all."""
        self._answers.pop(key, None)
