"""Mismatches: hubs whose share differs from a rebuilt key that has passed its secret tag.

A mismatch is named per (initiator client, hub), since a dishonest initiator can deal a bad share to
an honest hub. Such a hub is set aside for that initiator's keys, with back-off; for all initiators
only once two of them have seen mismatches within an hour. (Two colluding initiators can still frame
a hub.)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.limits import (
    EVIDENCE_INITIATORS,
    EVIDENCE_WINDOW_S,
    MAX_EVIDENCE_INITIATORS,
    SET_ASIDE_FIRST_S,
    SET_ASIDE_MAX_S,
)


@dataclass(slots=True)
class _SetAside:
    until: float
    delay_s: float
    last_mismatch: float = 0.0
    number: int = 0  # mismatches in all


@dataclass(slots=True)
class _Record:
    """What is known against one hub."""

    by_initiator: dict[str, _SetAside] = field(default_factory=dict)
    set_aside_until: float = 0.0  # for all initiators
    number: int = 0  # mismatches in all, those of forgotten initiators included

    def first_mismatch(self, initiator: str, now: float) -> _SetAside:
        if len(self.by_initiator) >= MAX_EVIDENCE_INITIATORS:
            del self.by_initiator[min(self.by_initiator, key=lambda of: self.by_initiator[of].last_mismatch)]
        entry = self.by_initiator[initiator] = _SetAside(now + SET_ASIDE_FIRST_S, SET_ASIDE_FIRST_S)
        return entry


class Evidence:
    """What one client knows against hubs, from its own reconstructions only."""

    def __init__(self) -> None:
        self._against: dict[str, _Record] = {}

    def mismatch(self, initiator: str, hub: str, now: float) -> bool:
        """A share of `hub` differed from a key of `initiator` that passed its secret tag.

        True where the hub is set aside anew by it: at first, and when it was asked again and differed again.
        """
        record = self._against.setdefault(hub, _Record())
        record.number += 1
        entry = record.by_initiator.get(initiator)
        anew = entry is None or now >= entry.until
        if entry is None:
            entry = record.first_mismatch(initiator, now)
        elif anew:
            entry.delay_s = min(2 * entry.delay_s, SET_ASIDE_MAX_S)
            entry.until = now + entry.delay_s
        entry.last_mismatch = now
        entry.number += 1
        lately = [
            other.until
            for other in record.by_initiator.values()
            if now - other.last_mismatch < EVIDENCE_WINDOW_S
        ]
        if len(lately) >= EVIDENCE_INITIATORS:
            record.set_aside_until = max(lately)
        return anew

    @property
    def nothing_known(self) -> bool:
        """True while no hub was ever seen to differ."""
        return not self._against

    def number(self, initiator: str, hub: str) -> int:
        """Mismatches of `hub` for keys of `initiator`."""
        entry = self._against.get(hub, _Record()).by_initiator.get(initiator)
        return entry.number if entry is not None else 0

    def number_in_all(self, hub: str) -> int:
        """Mismatches of `hub`, whoever dealt the keys."""
        return self._against.get(hub, _Record()).number

    def nr_set_aside_for(self, hub: str, now: float) -> int:
        """For how many initiators' keys it is set aside."""
        entries = self._against.get(hub, _Record()).by_initiator.values()
        return sum(now < entry.until for entry in entries)

    def is_set_aside(self, initiator: str | None, hub: str, now: float) -> bool:
        """True while `hub` is set aside for keys of `initiator`; None asks about all initiators."""
        record = self._against.get(hub)
        if record is None:
            return False
        entry = record.by_initiator.get(initiator) if initiator is not None else None
        return now < record.set_aside_until or (entry is not None and now < entry.until)

    def report(self, hub: str, now: float) -> dict[str, object]:
        """What status tells of one hub."""
        record = self._against.get(hub, _Record())
        entries = record.by_initiator
        left = {name: round(entry.until - now, 1) for name, entry in entries.items() if now < entry.until}
        return {
            "mismatches": {initiator: entry.number for initiator, entry in entries.items()},
            "set_aside_for": sorted(left),
            "set_aside_s_left": left,
            "set_aside": self.is_set_aside(None, hub, now),
            "set_aside_for_all_s_left": round(max(record.set_aside_until - now, 0.0), 1),
        }
