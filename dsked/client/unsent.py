"""Shares that wait for their hub: it is down, does not read, or its window is full with what is newer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dsked.client.put_frames import PutItem
from dsked.limits import MAX_UNSENT_SHARE_BYTES_PER_HUB, MAX_UNSENT_SHARES_PER_HUB
from dsked.timers import Timers

_SWEEP_S = 1.0  # what has expired is forgotten within this long


class _OfHub:
    """Those for one hub: bounded, the oldest are dropped, and those whose time is out."""

    def __init__(self) -> None:
        self.items: deque[PutItem] = deque()
        self._keys = self._bytes = 0

    def add(self, items: Iterable[PutItem]) -> None:
        for item in items:
            self.items.append(item)
            self._count(item, 1)
        while self._keys > MAX_UNSENT_SHARES_PER_HUB or self._bytes > MAX_UNSENT_SHARE_BYTES_PER_HUB:
            self.pop_oldest()

    def _count(self, item: PutItem, sign: int) -> None:
        self._keys += sign * item.number
        self._bytes += sign * item.number * item.deal.terms.key_bytes

    def pop_oldest(self) -> PutItem:
        item = self.items.popleft()
        self._count(item, -1)
        return item

    def drop_unwanted(self, now: float) -> None:
        """Those before the first that is worth sending."""
        while self.items and not self.items[0].wanted(now):
            self.pop_oldest()


class Unsent:
    """What waits for each hub, in the order in which it came, as long as a hub would keep it."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._of: dict[int, _OfHub] = {}  # by hub index; of hubs for which something waits
        self._sweeping = False

    def __bool__(self) -> bool:
        return bool(self._of)

    def of(self, hub: int) -> list[PutItem]:
        """What waits for the hub of this index, the oldest first."""
        return list(self._of[hub].items) if hub in self._of else []

    def add(self, hub: int, items: Iterable[PutItem]) -> None:
        """These wait for the hub of this index."""
        waiting = self._of.setdefault(hub, _OfHub())
        waiting.add(items)
        if not waiting.items:
            del self._of[hub]
        elif not self._sweeping:
            self._sweeping = True
            self._timers.at(waiting.items[0].deal.expires_at + _SWEEP_S, self._sweep)

    def take(self, hub: int, pads: float, now: float, *, one: bool) -> list[PutItem]:
        """The oldest that are worth sending and take at most so many bytes of pads; `one`: one at least."""
        waiting, taken = self._of.get(hub), []
        while waiting is not None:
            waiting.drop_unwanted(now)
            if not waiting.items:
                del self._of[hub]
                break
            pads -= waiting.items[0].pad_bytes
            if pads < 0 and not one:
                break
            taken.append(waiting.pop_oldest())
            one = False
        return taken

    def _sweep(self, now: float) -> None:
        self._sweeping = False
        for waiting in self._of.values():
            waiting.drop_unwanted(now)
        self._of = {hub: waiting for hub, waiting in self._of.items() if waiting.items}
        if self._of:
            first = min(waiting.items[0].deal.expires_at for waiting in self._of.values())
            self._sweeping = True
            self._timers.at(max(first, now) + _SWEEP_S, self._sweep)
