"""Key IDs remembered for a while, forgotten in batches: for millions of them at a time.

One deadline serves a batch, and key IDs stand bare under what they have in common: about 100 bytes each.
They are remembered a little longer than asked for, never shorter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

#: What key IDs have in common, for instance (initiator client, responder client).
Group = tuple[str, str]
#: So much of the time asked for, in parts of it, they are remembered longer.
_BATCHES = 12


@dataclass(slots=True, eq=False)
class _Batch:
    until: float
    closes_at: float  # later deadlines go to the next batch
    key_ids: dict[Group, list[bytes]] = field(default_factory=dict)


class ExpiringKeyIds:
    """A set of (group, key ID). Deadlines are in seconds of the caller's clock, and mostly rise."""

    def __init__(self) -> None:
        self._known: dict[Group, set[bytes]] = {}
        self._batches: deque[_Batch] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def among(self, group: Group, key_ids: Collection[bytes]) -> set[bytes]:
        """Those of `key_ids` that are remembered."""
        known = self._known.get(group)
        return set() if known is None else known.intersection(key_ids)

    def add(self, group: Group, key_ids: Collection[bytes], now: float, for_s: float) -> None:
        """Remember all for at least `for_s` seconds; none may be remembered already, or stand there twice."""
        if not key_ids:
            return
        until = now + for_s
        if not self._batches or until > self._batches[-1].closes_at:
            self._batches.append(_Batch(until, until + for_s / _BATCHES))
        batch = self._batches[-1]
        batch.until = max(batch.until, until)
        batch.key_ids.setdefault(group, []).extend(key_ids)
        known = self._known.setdefault(group, set())
        size = len(known) + len(key_ids)
        known.update(key_ids)
        assert len(known) == size, "a key ID is remembered already: the earlier batch would take it along"
        self._size += len(key_ids)

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
                self._forget(group, key_ids)
                yield group, len(key_ids)
            self._batches.popleft()

    def _forget(self, group: Group, key_ids: list[bytes]) -> None:
        self._size -= len(key_ids)
        known = self._known[group]
        if len(known) == len(key_ids):
            del self._known[group]  # all of them: at once
        else:
            known.difference_update(key_ids)
