"""GET_SHARES for keys that are not there yet: parked for a moment, answered when the share arrives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from dsked.limits import MAX_PARKED_KEYS_PER_CLIENT
from dsked.timers import Timer
from dsked.wire.connection import HubConnection
from dsked.wire.messages import cut_key_ids


class Wanted(NamedTuple):
    """Keys of one initiator client, in order; of one alone the share may be wanted from byte `offset` on."""

    initiator: str
    key_ids: bytes
    offset: int


@dataclass(slots=True, eq=False)
class Parked:
    """One GET_SHARES frame that still waits for some of its keys, by initiator client:
    key ID to offset in bytes."""

    connection: HubConnection
    request_id: int
    until: float  # the client waits so long
    keys: dict[str, dict[bytes, int]] = field(default_factory=dict)
    arrived: dict[str, dict[bytes, None]] = field(default_factory=dict)  # in order, each once
    timer: Timer | None = None


class ParkingLot:
    """All parked keys of a hub, limited per client."""

    def __init__(self) -> None:
        # By initiator client and key ID: the only frame that waits, or all of them.
        self._waiting: dict[str, dict[bytes, Parked | dict[Parked, None]]] = {}
        self._by_connection: dict[HubConnection, dict[Parked, None]] = {}
        self._nr_keys: Counter[str] = Counter()
        self._answerable: dict[Parked, None] = {}

    def park(self, parked: Parked, wanted: Wanted) -> bytes:
        """Let keys wait. Returns those that cannot: too many of the client wait, or this frame has them."""
        client = parked.connection.client
        waiting = parked.keys.get(wanted.initiator, {})
        ids = cut_key_ids(wanted.key_ids)
        room = max(0, MAX_PARKED_KEYS_PER_CLIENT - self._nr_keys[client])
        new = [key_id for key_id in dict.fromkeys(ids) if key_id not in waiting][:room]
        if new:
            waiting.update(dict.fromkeys(new, wanted.offset))
            parked.keys[wanted.initiator] = waiting
            self._join(parked, wanted.initiator, new)
            self._by_connection.setdefault(parked.connection, {})[parked] = None
            self._nr_keys[client] += len(new)
        return b"" if len(new) == len(ids) else _without_first(ids, set(new))

    def _join(self, parked: Parked, initiator: str, new: list[bytes]) -> None:
        waiting = self._waiting.setdefault(initiator, {})
        for key_id in new:
            others = waiting.setdefault(key_id, parked)
            if isinstance(others, Parked) and others is not parked:
                waiting[key_id] = {others: None, parked: None}
            elif isinstance(others, dict):
                others[parked] = None

    def arrived(self, initiator: str, key_ids: bytes) -> None:
        """Shares of these keys are there: who waits for them can be answered when the turn ends."""
        waiting = self._waiting.get(initiator)
        if waiting is None:
            return
        for key_id in cut_key_ids(key_ids):
            frames = waiting.get(key_id, ())
            for parked in (frames,) if isinstance(frames, Parked) else frames:
                parked.arrived.setdefault(initiator, {})[key_id] = None
                self._answerable[parked] = None

    def take_answerable(self) -> list[Parked]:
        """Those for which something has arrived since the last call."""
        answerable, self._answerable = list(self._answerable), {}
        return answerable

    def take_arrived(self, parked: Parked) -> list[Wanted]:
        """What has arrived, in order; it waits no longer."""
        arrived: list[Wanted] = []
        for initiator, key_ids in parked.arrived.items():
            offsets = parked.keys[initiator]
            whole = [key_id for key_id in key_ids if not offsets[key_id]]
            arrived.extend(Wanted(initiator, id_, offsets[id_]) for id_ in key_ids if offsets[id_])
            if whole:
                arrived.append(Wanted(initiator, b"".join(whole), 0))
            self._leave(parked, initiator, key_ids)
        parked.arrived.clear()
        if not parked.keys:
            self.remove(parked)
        return arrived

    def remove(self, parked: Parked) -> None:
        """Nothing of this frame waits any longer."""
        for initiator, offsets in list(parked.keys.items()):
            self._leave(parked, initiator, list(offsets))
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

    def _leave(self, parked: Parked, initiator: str, ids: Collection[bytes]) -> None:
        own, waiting = parked.keys[initiator], self._waiting[initiator]
        for key_id in ids:
            del own[key_id]
            frames = waiting[key_id]
            if isinstance(frames, dict):
                del frames[parked]
            if not frames or frames is parked:
                del waiting[key_id]
        if not own:
            del parked.keys[initiator]
        if not waiting:
            del self._waiting[initiator]
        client = parked.connection.client
        self._nr_keys[client] -= len(ids)
        if not self._nr_keys[client]:
            del self._nr_keys[client]


def _without_first(ids: list[bytes], taken: set[bytes]) -> bytes:
    """The column of `ids` without the first of each that is in `taken`."""
    left = []
    for key_id in ids:
        if key_id in taken:
            taken.remove(key_id)
        else:
            left.append(key_id)
    return b"".join(left)
