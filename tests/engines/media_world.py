"""Whole topologies whose PSRD came on media: stores whose disks work late, fail, and are restored."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from zlib import crc32

from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.hub.engine import HubEngine
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool, window_bytes

from ..psrd.stores import DiskStream, stream_bytes
from .world import World

DISK_S = 0.0004  # what a disk takes to make a mark durable
SIZE = 1024 * 1024
Key = tuple[str, str, Side, Side]  # client, hub, the side that holds it, the owner of the stream


@cache
def _bytes(size: int, label: str) -> bytes:
    return stream_bytes(size, crc32(label.encode()))


class LateStream(DiskStream):
    """A stream whose disk works by the world's clock."""

    def __init__(self, world: MediaWorld) -> None:
        super().__init__(slow=True)
        self._world = world

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        super().reserve(mark, at_most, durable)
        self._world.after(DISK_S, self.work)


class MediaWorld(World):
    """n hubs and clients; each pair has `size` bytes in each pool. Restarts begin from what is on disk."""

    def __init__(self, *, size: int = SIZE, without: tuple[str, ...] = (), **world: Any) -> None:
        self.size = size
        self.window = window_bytes(size)
        self.without = set(without)  # hubs of which no client has PSRD
        self.serial = 0  # of the streams
        self.stores: dict[Key, LateStream] = {}
        self.nr_wakes = 0
        super().__init__(**world)

    # --- stores ---

    def streams(self, client: str, hub: str, side: Side) -> Streams:
        """One side's streams of a pair, from what its disk holds."""
        pools = {owner: self._open((client, hub, side, owner)) for owner in Side}
        ids = {owner: self._id(client, hub, owner) for owner in Side}
        marks = {owner: pools[owner].mark for owner in Side}
        return Streams(
            OwnerPool(ids[side], pools[side], self.window, marks[side]),
            ReceiverPool(ids[side.other], pools[side.other], self.window, marks[side.other]),
        )

    def _id(self, client: str, hub: str, owner: Side) -> bytes:
        return f"{self.serial} {client[:5]} {hub[-1]} {owner.name}".encode().ljust(16)[:16]

    def _open(self, key: Key) -> LateStream:
        client, hub, _, owner = key
        old = self.stores.get(key)
        size = old.end if old is not None else self.size
        store = self.stores[key] = LateStream(self)
        store.append(bytes(16), _bytes(size, f"{client} {hub} {owner.name} {self.serial}"))
        if old is not None:
            old.lost = True  # its process is gone
            store.mark = old.mark
            store.wipe(old.mark)
        return store

    # --- nodes ---

    def new_hub(self, name: str) -> HubEngine:
        clients = () if name in self.without else tuple(self._encryptors)
        hub = HubEngine(
            name, simulated=False, owners=self.owners, random=self.random.randbytes, notice=self._notice,
            gate_keys={client: self._gate[client, name] for client in clients},
            streams={client: self.streams(client, name, Side.HUB) for client in clients},
            share_timeout_s=self._share_timeout_s,
        )  # fmt: skip
        hub.wake = self._woken
        return hub

    def new_client(self, name: str) -> ClientEngine:
        hubs = [hub for hub in self.hub_names if hub not in self.without]
        client = ClientEngine(
            name, encryptors=self._encryptors[name], k=self.k, simulated=False,
            hubs=[(hub, x) for x, hub in enumerate(self.hub_names, 1)],
            gate_keys={hub: self._gate[name, hub] for hub in hubs},
            streams={hub: self.streams(name, hub, Side.CLIENT) for hub in hubs},
            refill=RefillSettings(500, 2000, 1000), share_timeout_s=self._share_timeout_s,
            random=self.random.randbytes, notice=self._notice, stored=self.stored.get(name, ()),
        )  # fmt: skip
        client.wake = self._woken
        return client

    def _woken(self) -> None:
        self.nr_wakes += 1

    def deliver(self, hub: str) -> None:
        """New streams for every client's pair with `hub`."""
        self.without.discard(hub)
        self.serial += 1
        for client in self.clients:
            for side in Side:
                for owner in Side:
                    self.stores.pop((client, hub, side, owner), None)
            gate_key = self._gate[client, hub]
            self.hubs[hub].deliver(client, gate_key, self.streams(client, hub, Side.HUB))
            self.clients[client].deliver(hub, gate_key, self.streams(client, hub, Side.CLIENT))

    def grow(self, client: str, hub: str, size: int) -> None:
        """More bytes for both pools of one pair; the hub has them first."""
        for side in (Side.HUB, Side.CLIENT):
            for owner in Side:
                self.stores[client, hub, side, owner].append(bytes(16), stream_bytes(size, 77))
            if side is Side.HUB:
                self.hubs[hub].grown(client)
            else:
                self.clients[client].grown(hub)
