"""Plain counts of what a node does, for its metrics (dsked/metrics): from 0 at its start, they only grow."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from dsked.errors import DskedError, ErrorCode
from dsked.keys import Done, Outcome

#: Seconds. A key takes half a millisecond in one room, a few round trips over a distance, and 2 s at most.
REQUEST_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Histogram:
    """How often a value was at most each of `bounds`; these are in ascending order."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float] = REQUEST_BOUNDS_S) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)  # above the bound before, up to this one; the last: above all
        self.total = 0.0  # of all values

    def add(self, value: float) -> None:
        """One more value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[int]:
        """For each bound, and last for none at all: how many values were not above it."""
        so_far, cumulated = 0, []
        for count in self._counts:
            so_far += count
            cumulated.append(so_far)
        return cumulated


class Tally:
    """Of one half of the key requests: keys that were handed out, and requests that got an error."""

    __slots__ = ("failures", "nr_keys")

    def __init__(self) -> None:
        self.nr_keys = 0
        self.failures: Counter[ErrorCode] = Counter()

    def counting(self, done: Done) -> Done:
        """The same callback, which is counted when it is called."""
        return partial(self._count, done)

    def report(self) -> dict[str, Any]:
        """What status tells."""
        failures = {code.name.lower(): number for code, number in sorted(self.failures.items())}
        return {"nr_keys": self.nr_keys, "failures": failures}

    def _count(self, done: Done, outcome: Outcome) -> None:
        if isinstance(outcome, DskedError):
            self.failures[outcome.code] += 1
        else:
            self.nr_keys += len(outcome)
        done(outcome)
