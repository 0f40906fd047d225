"""Key IDs remembered for a while, forgotten in batches: for millions of them at a time.

One deadline serves a batch, and a batch holds bare key IDs by what they have in common: about 100
bytes each. They are remembered a little longer than asked for, never shorter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

#: What key IDs have in common, for instance (initiator client, responder client).
Group = tuple[str, str]
#: A look-up asks every batch, so there are few of them at a time.
_BATCHES = 12


@dataclass(slots=True, eq=False)
class _Batch:
    until: float
    closes_at: float  # later deadlines go to the next batch
    key_ids: dict[Group, set[bytes]] = field(default_factory=dict)


class ExpiringKeyIds:
    """A set of (group, key ID). Deadlines are in seconds of the caller's clock, and mostly rise."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def contains(self, group: Group, key_id: bytes) -> bool:
        """True while it is remembered."""
        for batch in self._batches:  # a loop, since every share asks: `any` costs twice as much
            key_ids = batch.key_ids.get(group)
            if key_ids is not None and key_id in key_ids:
                return True
        return False

    def add(self, group: Group, key_id: bytes, now: float, for_s: float) -> None:
        """Remember it for at least `for_s` seconds; it must not be remembered already."""
        until = now + for_s
        if not self._batches or until > self._batches[-1].closes_at:
            self._batches.append(_Batch(until, until + for_s / _BATCHES))
        batch = self._batches[-1]
        batch.until = max(batch.until, until)
        batch.key_ids.setdefault(group, set()).add(key_id)
        self._size += 1

    def next_expiry(self) -> float | None:
        """When the next batch may be forgotten, or None."""
        return self._batches[0].until if self._batches else None

    def forget_expired(self, now: float) -> Iterator[tuple[Group, int]]:
        """Forget the batches whose time is out: (group, how many) of each, one for each step of the loop.

        Who leaves the loop has the rest remembered until the next call.
        """
        while self._batches and self._batches[0].until <= now:
            groups = self._batches[0].key_ids
            while groups:
                group, key_ids = groups.popitem()
                self._size -= len(key_ids)
                yield group, len(key_ids)
            self._batches.popleft()
