"""Mismatches: hubs whose share differs from a rebuilt key that has passed its secret tag.

A mismatch is named per (initiator client, hub), since a dishonest initiator can deal a bad share to
an honest hub. Such a hub is set aside for that initiator's keys, with back-off; for all initiators
only once two of them have seen mismatches within an hour. (Two colluding initiators can still frame
a hub.)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dsked.limits import (
    EVIDENCE_INITIATORS,
    EVIDENCE_WINDOW_S,
    SET_ASIDE_FIRST_S,
    SET_ASIDE_MAX_S,
)


@dataclass(slots=True)
class _SetAside:
    until: float
    delay_s: float
    last_mismatch: float


class Evidence:
    """What one client knows against hubs, from its own reconstructions only."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _SetAside] = {}
        self.counts: Counter[tuple[str, str]] = Counter()  # (initiator client, hub)

    def mismatch(self, initiator: str, hub: str, now: float) -> None:
        """A share of `hub` differed from a key of `initiator` that passed its secret tag."""
        pair = (initiator, hub)
        self.counts[pair] += 1
        entry = self._seen.get(pair)
        if entry is None:
            self._seen[pair] = _SetAside(now + SET_ASIDE_FIRST_S, SET_ASIDE_FIRST_S, now)
            return
        entry.last_mismatch = now
        if now >= entry.until:  # it was asked again, and differed again
            entry.delay_s = min(2 * entry.delay_s, SET_ASIDE_MAX_S)
            entry.until = now + entry.delay_s

    def is_set_aside(self, initiator: str | None, hub: str, now: float) -> bool:
        """True while `hub` is set aside for keys of `initiator`; None asks about all initiators."""
        if not self._seen:
            return False
        entry = self._seen.get((initiator, hub)) if initiator is not None else None
        if entry is not None and now < entry.until:
            return True
        against = [
            other
            for (_, name), other in self._seen.items()
            if name == hub and now - other.last_mismatch < EVIDENCE_WINDOW_S
        ]
        return len(against) >= EVIDENCE_INITIATORS and any(now < other.until for other in against)

    def report(self, hub: str, now: float) -> dict[str, object]:
        """What status tells of one hub."""
        return {
            "mismatches": {
                initiator: number for (initiator, name), number in self.counts.items() if name == hub
            },
            "set_aside_for": sorted(
                initiator
                for (initiator, name), entry in self._seen.items()
                if name == hub and now < entry.until
            ),
            "set_aside": self.is_set_aside(None, hub, now),
        }
