"""Topologies that are loaded in turn, so that all meet the same machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benching.shape import Shape
from benching.stand import Stand

ROUNDS = 5


def rates(stands: Sequence[Stand], shape: Shape, seconds: float) -> list[float]:
    """Pairs a second of each, medians of rounds; `seconds` for each."""
    found: list[list[float]] = [[] for _ in stands]
    for number in range(ROUNDS + 1):
        for stand, of_stand in zip(stands, found, strict=True):
            run = stand.run(shape, seconds / ROUNDS)
            if number:  # the first one warms up
                of_stand.append(run.pairs / run.seconds)
    return [statistics.median(of_stand) for of_stand in found]
