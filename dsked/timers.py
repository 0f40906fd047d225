"""Deadlines without a clock: engines set them, the shell tells the time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timer:
    """A deadline in seconds of the shell's clock, and what is due then."""

    __slots__ = ("action", "deadline")

    def __init__(self, deadline: float, action: Callable[[float], None]) -> None:
        self.deadline = deadline
        self.action: Callable[[float], None] | None = action

    def cancel(self) -> None:
        """Nothing will be done at the deadline."""
        self.action = None


class Timers:
    """A heap of timers. Setting costs O(log n), cancelling O(1)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def at(self, deadline: float, action: Callable[[float], None]) -> Timer:
        """Do `action(now)` once `deadline` has come."""
        timer = Timer(deadline, action)
        heapq.heappush(self._heap, (deadline, next(self._order), timer))
        return timer

    def next_deadline(self) -> float | None:
        """When the next timer is due, or None."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(self, now: float) -> None:
        """Do what is due at `now`, in order of the deadlines."""
        while self._heap and self._heap[0][0] <= now:
            action = heapq.heappop(self._heap)[2].action
            if action is not None:
                action(now)
