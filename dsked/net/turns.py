"""The end of an event-loop turn: engines act on all that the turn brought, output leaves joined.

Whatever calls into an engine calls `touch` afterwards. The turn ends once, after all callbacks that
are ready now; then timers run, and every connection with output gets one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

#: What is due within half a tick of uvloop's clock it calls at once, under a handle that tells no time.
_TICK_S = 0.0005


class TimedEngine(Protocol):
    """What both engines have for the clock."""

    def tick(self, now: float) -> None:
        """Do what is due."""

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""


class Turns:
    """Schedules the ends of turns of one engine. `end_turn(now)` moves the engine's output."""

    def __init__(self, engine: TimedEngine, end_turn: Callable[[float], None]) -> None:
        self._engine = engine
        self._end_turn = end_turn
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    def touch(self) -> None:
        """The engine has been called into: end the turn soon, once."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end)

    def now(self) -> float:
        """Seconds on the engine's clock."""
        return self._loop.time()

    def _end(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        now = self._loop.time()
        try:
            self._engine.tick(now)
            self._end_turn(now)
        finally:  # an error of ours costs one turn, not the clock
            self._set_timer()

    def _set_timer(self) -> None:
        deadline = self._engine.next_deadline()
        if deadline is None:
            return
        if deadline <= self._loop.time() + _TICK_S:
            self.touch()
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return  # it wakes in time, and sets itself anew
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.touch()

    def close(self) -> None:
        """No further turn ends, not even the one that was about to."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
