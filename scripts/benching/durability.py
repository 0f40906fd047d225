"""The cost of durability: two topologies that are alike but for where their pools are."""

from __future__ import annotations

from collections.abc import Iterator

from benching.in_turn import rates
from benching.records import Durability
from benching.shape import Shape
from benching.stand import Stand
from benching.topologies import USUAL

CONCURRENCIES = (1, 8, 64)
BITS = 128


def compare(in_memory: Stand, durable: Stand, seconds: float) -> Iterator[Durability]:
    """At different loads, `seconds` for each on each."""
    for concurrency in CONCURRENCIES:
        shape = Shape(*USUAL, concurrency, 1, BITS)
        yield Durability(shape, *rates((in_memory, durable), shape, seconds))
