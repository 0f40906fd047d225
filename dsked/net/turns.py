"""The end of an event-loop turn: engines act on all that the turn brought, output leaves joined.

Whatever calls into an engine calls `touch` afterwards. The turn ends once, after all callbacks that
are ready now; then timers run, and every connection with output gets one write. After `gather` it ends only
when nothing more comes: every turn that sends costs a frame to each hub, and back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from dsked.limits import GATHER_QUIET_ITERATIONS, GATHER_S

#: What is due within half a tick of uvloop's clock it calls at once, under a handle that tells no time.
_TICK_S = 0.0005


def awake_or_asleep() -> float:
    """Seconds since the machine was booted, those in which it slept included.

    The engines' clock: hubs forget shares while a client's machine sleeps, so its keys must grow old as well.
    The event loop's own clock stands still in that time; by it a timer may only come late.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class TimedEngine(Protocol):
    """What both engines have for the clock."""

    def tick(self, now: float) -> None:
        """Do what is due."""

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""


class Gathering:
    """For how long a turn goes on: as `limits` says of what gathers."""

    def __init__(self, now: float) -> None:
        self._until = now + GATHER_S
        self._quiet = 0  # iterations of the event loop that brought nothing, one after the other

    def came(self) -> None:
        """Something has come."""
        self._quiet = 0

    def goes_on(self, now: float) -> bool:
        """Asked once in every iteration: whether another one is waited for."""
        self._quiet += 1
        return self._quiet <= GATHER_QUIET_ITERATIONS and now < self._until


class Turns:
    """Schedules the ends of turns of one engine. `end_turn(now)` moves the engine's output.

    `now`: seconds on the engine's clock, which may jump forward.
    """

    def __init__(
        self,
        engine: TimedEngine,
        end_turn: Callable[[float], None],
        now: Callable[[], float] = awake_or_asleep,
    ) -> None:
        self._engine = engine
        self._end_turn = end_turn
        self.now = now
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._closed = False
        self._gathering: Gathering | None = None
        self._nr_gathered = 0  # in this turn
        self._nr_gathered_last = 0  # in the last turn that had any
        self._timer: asyncio.TimerHandle | None = None

    def touch(self) -> None:
        """The engine has been called into: end the turn soon, once."""
        if self._gathering is not None:
            self._gathering.came()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end)

    def gather(self, *, alone: bool) -> None:
        """`touch` for a request: the turn ends once no more come.

        One that is `alone`, with no other under way, waits only where the last one had company.
        """
        self.touch()
        self._nr_gathered += 1
        if self._gathering is None and not (alone and self._nr_gathered_last <= 1):
            self._gathering = Gathering(self._loop.time())

    def _end(self) -> None:
        if self._gathering is not None and self._gathering.goes_on(self._loop.time()):
            self._loop.call_soon(self._end)
            return
        self._scheduled, self._gathering = False, None
        if self._nr_gathered:
            self._nr_gathered_last, self._nr_gathered = self._nr_gathered, 0
        if self._closed:
            return
        now = self.now()
        try:
            self._engine.tick(now)
            self._end_turn(now)
        finally:  # an error of ours costs one turn, not the clock
            self._set_timer()

    def _set_timer(self) -> None:
        deadline = self._engine.next_deadline()
        if deadline is None:
            return
        left_s = deadline - self.now()
        if left_s <= _TICK_S:
            self.touch()
            return
        at = self._loop.time() + left_s
        if self._timer is not None:
            if self._timer.when() <= at:
                return  # it wakes in time, and sets itself anew
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.touch()

    def close(self) -> None:
        """No further turn ends, not even the one that was about to."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
