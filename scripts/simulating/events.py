"""What is to happen and what has happened: the world's clock, its queue, and a trace with a hash."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, deque
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]
#: Events of one seed, at most: thousands are usual, so this many mean that something turns for ever.
MAX_EVENTS = 150_000
_KEPT_LINES = 60


class Broken(Exception):
    """Something that must always hold did not; what and where, in a line or several."""


class Events:
    """The queue of a world. Events of one moment happen in the order in which they were planned."""

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        self.now = 0.0
        self.nr_done = 0
        self.counts: Counter[str] = Counter()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._told = told
        self._queue: list[tuple[float, int, Action]] = []
        self._order = count()
        self._hash = hashlib.blake2b(digest_size=16)

    def after(self, delay_s: float, action: Action) -> None:
        """Do `action` in `delay_s` seconds of the world's clock."""
        heapq.heappush(self._queue, (self.now + delay_s, next(self._order), action))

    def step(self) -> None:
        """Do what comes next. Raises Broken where nothing comes any more, or far too much."""
        if not self._queue:
            raise Broken("nothing is left to happen")
        self.nr_done += 1
        if self.nr_done > MAX_EVENTS:
            raise Broken(f"more than {MAX_EVENTS} events: something turns for ever")
        at, _, action = heapq.heappop(self._queue)
        self.now = max(self.now, at)
        action()

    def run_for(self, seconds: float) -> None:
        """Let so much of the world's time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.step()
        self.now = end

    def count(self, what: str, number: int = 1) -> None:
        """Something happened that is worth counting: nobody shall take a calm for a storm."""
        self.counts[what] += number

    def note(self, line: str) -> None:
        """Write down what happens; the hash of the trace covers it."""
        line = f"{self.now:10.6f} {line}"
        self._hash.update(line.encode())
        self.lines.append(line)
        if self._told is not None:
            self._told(line)

    @property
    def digest(self) -> str:
        """The hash of the trace so far: equal for equal seeds."""
        return self._hash.hexdigest()
