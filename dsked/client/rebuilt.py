"""Keys that are rebuilt and of which one hub has not been told yet, so that it may forget their shares."""

from __future__ import annotations

from collections import deque

from dsked.limits import MAX_KEYS_PER_FRAME, MAX_REMEMBERED_DONE_PER_HUB
from dsked.wire.messages import Confirmed


class Rebuilt:
    """In the order in which they were rebuilt. Of very many the oldest go: their shares time out."""

    __slots__ = ("_columns", "_nr_keys")

    def __init__(self) -> None:
        self._columns: deque[Confirmed] = deque()
        self._nr_keys = 0

    def __bool__(self) -> bool:
        return bool(self._columns)

    def add(self, confirmed: Confirmed) -> None:
        """Of these keys the hub is to be told."""
        self._columns.append(confirmed)
        self._nr_keys += confirmed.number
        while self._nr_keys > MAX_REMEMBERED_DONE_PER_HUB:
            self._nr_keys -= self._columns.popleft().number

    def take(self) -> list[Confirmed]:
        """What fits into one frame; `add` takes it back."""
        columns: dict[str, list[bytes]] = {}
        room = MAX_KEYS_PER_FRAME
        while self._columns and self._columns[0].number <= room:
            confirmed = self._columns.popleft()
            room -= confirmed.number
            columns.setdefault(confirmed.initiator, []).append(confirmed.key_ids)
        self._nr_keys -= MAX_KEYS_PER_FRAME - room
        return [Confirmed(initiator, b"".join(key_ids)) for initiator, key_ids in columns.items()]
