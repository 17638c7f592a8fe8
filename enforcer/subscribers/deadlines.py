"""Things with a time at which to look at them again."""

from __future__ import annotations

from heapq import heappop, heappush
from math import ceil
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Deadlines(Generic[Item]):
    """Items by the second they are due in. Putting one in or taking one out costs the same however many wait.

    Times are seconds since the epoch.
    """

    __slots__ = ("_by_second", "_seconds")

    def __init__(self) -> None:
        self._by_second: dict[int, list[Item]] = {}
        self._seconds: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._seconds)

    def put(self, item: Item, due: float) -> None:
        """Have ``item`` looked at when ``due`` has come, within a second."""
        second = ceil(due)
        waiting = self._by_second.get(second)
        if waiting is None:
            self._by_second[second] = [item]
            heappush(self._seconds, second)
        else:
            waiting.append(item)

    def take(self, now: float, limit: int) -> list[Item]:
        """Take out up to ``limit`` items that are due at ``now``, the longest due first."""
        taken: list[Item] = []
        while self._seconds and self._seconds[0] <= now and len(taken) < limit:
            taken.append(self.first())
        return taken

    def first(self) -> Item:
        """Take out the item that is due first, whenever that is. Raises IndexError when nothing waits."""
        second = self._seconds[0]
        waiting = self._by_second[second]
        item = waiting.pop()
        if not waiting:
            del self._by_second[second]
            heappop(self._seconds)
        return item
