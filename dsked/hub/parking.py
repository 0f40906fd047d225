"""GET_SHARES for keys that are not there yet: parked for a moment, answered when the share arrives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dsked.hub.share_store import ShareId
from dsked.limits import MAX_PARKED_KEYS_PER_CLIENT
from dsked.timers import Timer
from dsked.wire.connection import HubConnection


@dataclass(slots=True, eq=False)
class Parked:
    """One GET_SHARES frame that still waits for some of its keys: share ID to offset in bytes."""

    connection: HubConnection
    request_id: int
    keys: dict[ShareId, int] = field(default_factory=dict)
    arrived: dict[ShareId, None] = field(default_factory=dict)  # in order, each once
    timer: Timer | None = None


class ParkingLot:
    """All parked keys of a hub, limited per client."""

    def __init__(self) -> None:
        self._waiting: dict[ShareId, dict[Parked, None]] = {}
        self._by_connection: dict[HubConnection, dict[Parked, None]] = {}
        self._nr_keys: Counter[str] = Counter()
        self._answerable: dict[Parked, None] = {}

    def park(self, parked: Parked, share_id: ShareId, offset: int, *, limited: bool) -> bool:
        """Let one key wait. False where the client does not want to, or has too many waiting."""
        client = parked.connection.client
        if not limited or self._nr_keys[client] >= MAX_PARKED_KEYS_PER_CLIENT or share_id in parked.keys:
            return False
        parked.keys[share_id] = offset
        self._waiting.setdefault(share_id, {})[parked] = None
        self._by_connection.setdefault(parked.connection, {})[parked] = None
        self._nr_keys[client] += 1
        return True

    def arrived(self, share_id: ShareId) -> None:
        """The share of a key is there: who waits for it can be answered when the turn ends."""
        for parked in self._waiting.get(share_id, ()):
            parked.arrived[share_id] = None
            self._answerable[parked] = None

    def take_answerable(self) -> list[Parked]:
        """Those for which something has arrived since the last call."""
        answerable, self._answerable = list(self._answerable), {}
        return answerable

    def take_arrived(self, parked: Parked) -> list[tuple[ShareId, int]]:
        """(share ID, offset) of what has arrived; it waits no longer."""
        arrived = [(share_id, parked.keys[share_id]) for share_id in parked.arrived]
        parked.arrived.clear()
        for share_id, _ in arrived:
            self._leave(parked, share_id)
        if not parked.keys:
            self.remove(parked)
        return arrived

    def remove(self, parked: Parked) -> None:
        """Nothing of this frame waits any longer."""
        for share_id in list(parked.keys):
            self._leave(parked, share_id)
        if parked.timer is not None:
            parked.timer.cancel()
        self._answerable.pop(parked, None)
        frames = self._by_connection.get(parked.connection, {})
        frames.pop(parked, None)
        if not frames:
            self._by_connection.pop(parked.connection, None)

    def forget(self, connection: HubConnection) -> None:
        """The connection is gone, and what waited on it."""
        for parked in list(self._by_connection.get(connection, ())):
            self.remove(parked)

    def _leave(self, parked: Parked, share_id: ShareId) -> None:
        del parked.keys[share_id]
        client = parked.connection.client
        self._nr_keys[client] -= 1
        if not self._nr_keys[client]:
            del self._nr_keys[client]
        waiting = self._waiting[share_id]
        del waiting[parked]
        if not waiting:
            del self._waiting[share_id]
