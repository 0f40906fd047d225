"""How much a pair on media still holds: when to warn that it runs low, and when it is used up."""

from __future__ import annotations

from dsked.limits import ENOUGH_PSRD_WINDOWS, LOW_PSRD_WINDOWS, USED_UP_BYTES
from dsked.psrd.pair import Streams


class LowWater:
    """Whether a level is low: from below `start` until above `stop` again."""

    def __init__(self, start: int, stop: int) -> None:
        self._start = start
        self._stop = stop
        self.low = False

    def update(self, level: int) -> bool:
        """True when `low` has changed with this level."""
        before, self.low = self.low, level < self._start or (self.low and level <= self._stop)
        return self.low != before


class Supply:
    """The supply of one pair on media. `start` and `stop`: the operator's thresholds in bytes.

    A warning that comes a few windows before the end leaves no time: so those are the least thresholds.
    """

    def __init__(self, streams: Streams, start: int = 0, stop: int = 0) -> None:
        self._streams = streams
        window = max(streams.local.window or 0, streams.peer.window or 0)
        self._used_up = False
        self._level = LowWater(max(start, LOW_PSRD_WINDOWS * window), max(stop, ENOUGH_PSRD_WINDOWS * window))

    @property
    def left(self) -> int:
        """Bytes of the emptier pool that ordinary frames can still take."""
        return min(self._streams.local.left, self._streams.peer.left)

    @property
    def low(self) -> bool:
        """True while the operator should deliver new blocks."""
        return self._level.low

    def update(self) -> bool:
        """True when `low` has changed."""
        return self._level.update(self.left)

    def runs_out(self) -> bool:
        """True when it has just been used up."""
        before, self._used_up = self._used_up, bool(self.problem)
        return self._used_up and not before

    @property
    def warning(self) -> str:
        """What the operator is told when it runs low."""
        return f"its PSRD runs low: {self.left} bytes are left; deliver new blocks"

    @property
    def problem(self) -> str:
        """Why no new key can be dealt, or empty."""
        return used_up(self.left) if self.left < USED_UP_BYTES else ""


def used_up(left: int) -> str:
    """What is said of a pair whose pools hold no more than `left` bytes."""
    return f"its PSRD is used up: {left} bytes are left; deliver new blocks"
