"""How long pools will last: the rate at which each is used, as seen so far.

The rate is a mean in which what lies two days back counts a third: it follows a change of load within
days, and is not shaken by a busy hour. Nothing is kept over a restart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

DAY_S = 86_400.0
#: What lies so far back counts 1/e.
MEAN_OVER_S = 2 * DAY_S
#: Before that nothing is said: a handshake burns up to one and a half windows at once.
WATCHED_S = 600.0


class Forecast(NamedTuple):
    """Of one pool. None: not known yet, or (`days_left`) nothing is used."""

    bytes_per_day: float | None
    days_left: float | None


UNKNOWN = Forecast(None, None)


class Consumption:
    """The use of one pool."""

    __slots__ = ("_begun", "_position", "_seen", "_span", "_used")

    def __init__(self, now: float, position: int) -> None:
        """`now`: seconds on any clock; `position`: up to where the pool is used, in bytes."""
        self._begin(now, position)

    def _begin(self, now: float, position: int) -> None:
        self._begun = self._seen = now
        self._position = position
        self._used = self._span = 0.0  # bytes and seconds, both with older ones counting less

    def observe(self, now: float, position: int) -> None:
        """The pool is used up to `position` now. A position that is lower than before is a new stream's."""
        if position < self._position:
            self._begin(now, position)
            return
        passed = now - self._seen
        if passed <= 0:
            return
        kept = math.exp(-passed / MEAN_OVER_S)
        self._used = self._used * kept + position - self._position
        self._span = self._span * kept + passed
        self._seen, self._position = now, position

    def forecast(self, left: int) -> Forecast:
        """What that means for a pool with `left` bytes left, as of the last observation."""
        if self._seen - self._begun < WATCHED_S:
            return UNKNOWN
        per_day = self._used / self._span * DAY_S
        return Forecast(per_day, left / per_day if per_day > 0 else None)


class Forecasts:
    """Of all pools of a node that are ever looked at."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str], Consumption] = {}

    def observe(self, now: float, peer: str, owner: str, position: int, left: int) -> Forecast:
        """What is to be expected of a pool. `peer` and `owner` tell which it is; sizes in bytes."""
        pool = self._pools.get((peer, owner))
        if pool is None:
            pool = self._pools[peer, owner] = Consumption(now, position)
        pool.observe(now, position)
        return pool.forecast(left)


def to_order(per_day: float, left: int, days: float) -> int:
    """Bytes that are missing so that a pool lasts for `days`; 0 where there is enough."""
    return max(math.ceil(per_day * days) - left, 0)
