"""Quantiles of latencies."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def quantiles_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """(p50, p99) in milliseconds of latencies in seconds; never beyond the longest, zeros of none."""
    if len(seconds) < 2:
        return (1000 * sum(seconds),) * 2
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return 1000 * cuts[49], 1000 * cuts[98]
