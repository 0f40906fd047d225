"""A limit on how often something is told: nobody fills a log by doing the same again and again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Told:
    until: float  # the end of the interval
    number: int = 0
    left_out: int = 0


class Seldom:
    """Up to `burst` times of a kind in `interval_s`. Kinds are few and fixed: each is remembered."""

    def __init__(self, interval_s: float, burst: int = 1) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._told: dict[Hashable, _Told] = {}

    def may_tell(self, kind: Hashable, now: float) -> int | None:
        """How many were left out since the last one, or None: this one is left out, too."""
        told = self._told.get(kind)
        left_out = 0
        if told is None or now >= told.until:
            left_out = told.left_out if told is not None else 0
            told = self._told[kind] = _Told(now + self._interval_s)
        if told.number == self._burst:
            told.left_out += 1
            return None
        told.number += 1
        return left_out


def more(left_out: int) -> str:
    """The end of a line that tells how many were left out before it."""
    return f" ({left_out} more like this)" if left_out else ""
