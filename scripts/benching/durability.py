"""The cost of durability: two topologies that are alike but for where their pools are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benching.records import Durability
from benching.shape import Shape
from benching.stand import Stand
from benching.topologies import USUAL

ROUNDS = 5
CONCURRENCIES = (1, 8, 64)
BITS = 128


def compare(in_memory: Stand, durable: Stand, seconds: float) -> Iterator[Durability]:
    """At different loads, `seconds` for each on each: in turn, so that both meet the same machine."""
    for concurrency in CONCURRENCIES:
        shape = Shape(*USUAL, concurrency, 1, BITS)
        rates: list[list[float]] = [[], []]
        for number in range(ROUNDS + 1):
            for stand, found in zip((in_memory, durable), rates, strict=True):
                run = stand.run(shape, seconds / ROUNDS)
                if number:  # the first one warms up
                    found.append(run.pairs / run.seconds)
        yield Durability(shape, *map(statistics.median, rates))
