"""The cost of message wrapping: two topologies that are alike but for it."""

from __future__ import annotations

from collections.abc import Iterator

from benching.in_turn import rates
from benching.records import Wrapped
from benching.shape import Shape
from benching.stand import Stand
from benching.topologies import USUAL

#: One at a time, many at once, many keys in each.
LOADS = ((1, 1), (64, 1), (4, 128))
BITS = 256


def compare(plain: Stand, wrapped: Stand, seconds: float) -> Iterator[Wrapped]:
    """At different loads, `seconds` for each on each."""
    for concurrency, number in LOADS:
        shape = Shape(*USUAL, concurrency, number, BITS)
        yield Wrapped(shape, *rates((plain, wrapped), shape, seconds))
