"""Simulated delivery, the client's side: when to ask for blocks, and how large.

The user guide's thresholds are floors: below `start` the client asks for blocks until it holds more
than `stop`. A client that uses more also keeps ahead what it used in the last seconds, and a request
that needs more than the pool holds asks for what it needs.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from dsked.limits import MAX_SIMULATED_BLOCK_BYTES, MAX_SIMULATED_POOL_BYTES, REFILL_LOOKBACK_S

_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class RefillSettings:
    """The guide's thresholds and block size, in bytes."""

    start: int
    stop: int
    block: int


class Refill:
    """The policy for one pool of one hub; made anew with every connection."""

    def __init__(self, settings: RefillSettings) -> None:
        self._settings = settings
        self._asked: deque[int] = deque()  # sizes of blocks asked for and not here yet
        self._asked_bytes = 0
        self._samples: deque[tuple[float, int]] = deque()  # (time, bytes used up to then)
        self._sample_at = -math.inf

    @property
    def nr_asked(self) -> int:
        """Blocks that are asked for and not here yet."""
        return len(self._asked)

    def arrived(self) -> None:
        """The oldest block asked for is here."""
        if self._asked:
            self._asked_bytes -= self._asked.popleft()

    def sizes_to_ask(self, *, unused: int, used: int, wanted: int, now: float) -> list[int]:
        """Sizes of the blocks to ask for now: none in nearly every turn.

        `unused`: bytes left in the pool; `used`: bytes used since it began; `wanted`: bytes that
        waiting messages need.
        """
        if now >= self._sample_at:
            self._sample(used, now)
        ahead = used - self._samples[0][1]
        held = unused + self._asked_bytes
        if held >= self._settings.start + wanted and held >= ahead + wanted:
            return []
        goal = min(max(self._settings.stop, 2 * ahead) + wanted, MAX_SIMULATED_POOL_BYTES)
        sizes = []
        while held <= goal:
            sizes.append(self._block_size(goal - held))
            held += sizes[-1]
        self._asked.extend(sizes)
        self._asked_bytes += sum(sizes)
        return sizes

    def _block_size(self, missing: int) -> int:
        ordinary = missing <= self._settings.stop
        return self._settings.block if ordinary else min(missing, MAX_SIMULATED_BLOCK_BYTES)

    def _sample(self, used: int, now: float) -> None:
        """Note how much was used up to now, and forget what lies too far back."""
        samples = self._samples
        samples.append((now, used))
        while samples[0][0] < now - REFILL_LOOKBACK_S and len(samples) > 1:
            samples.popleft()
        self._sample_at = now + REFILL_LOOKBACK_S / _SAMPLES
