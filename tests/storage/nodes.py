"""A node's store for the tests: on any file system, its committer driven by hand."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from simulating.disks.files import SimulatedFiles

from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage.durable_stream import DurableStream
from dsked.storage.files import Files
from dsked.storage.node_store import NodeStore, StoredPair
from dsked.storage.records import Delivery, PairTerms
from dsked.storage.state_dir import StateDirectory
from tests.storage.lives import PATH, WINDOW, new_disk, write_staged

OTHER = {Side.CLIENT: "hub", Side.HUB: "client"}


def names(seed: str) -> Iterator[bytes]:
    """UUIDs and identities, 16 bytes each, the same for the same seed."""
    dice = random.Random(seed)
    while True:
        yield dice.randbytes(16)


def terms_of(client: str, hub: str, x: int = 1, seed: str = "first") -> PairTerms:
    streams = names(f"{seed}{client}{hub}")
    return PairTerms(client, hub, bytes(range(32)), x, WINDOW, next(streams), next(streams))


def blocks_of(seed: str, sizes: tuple[int, ...], sequence: int = 0, start: int = 0) -> tuple[BlockInfo, ...]:
    infos = []
    for uuid, size in zip(names(seed), sizes, strict=False):
        infos.append(BlockInfo(sequence, uuid, start, size))
        sequence, start = sequence + 1, start + size
    return tuple(infos)


class Node:
    """The client carol, or a hub: its open store, and a loop that runs when asked."""

    def __init__(
        self, files: Files | None = None, path: Path = PATH, *, role: str = "client", name: str = "carol"
    ) -> None:
        self.files = files or SimulatedFiles(new_disk())
        self.notices: list[str] = []
        self._posted: deque[Callable[[], None]] = deque()
        self.state = StateDirectory(self.files, path, role, name)
        self.store = NodeStore(self.state, self._posted.append, self._notice, lambda: 0.0)

    def _notice(self, level: int, text: str, /, **fields: str) -> None:
        self.notices.append(text)

    def run_posted(self) -> None:
        while self._posted:
            self._posted.popleft()()

    def work(self) -> None:
        """The committer does all it has to do, the loop what it is told."""
        self.store.committer.commit()
        self.run_posted()
        self.store.committer.wipe()
        while self.store.committer.do_chore():
            pass

    def stage(self, delivery: Delivery) -> Delivery:
        write_staged(self.files, self.state, delivery)
        return delivery

    def adopt(self, delivery: Delivery, peers: Mapping[str, int] | None = None) -> StoredPair:
        self.stage(delivery)
        return self.store.take(self.store.adopt(delivery.bundle, peers))

    def first(self, *sizes: int, hub: str = "hank", x: int = 1, seed: str = "first") -> Delivery:
        """A first delivery: each pool gets blocks of these sizes."""
        client = terms_of("carol", hub, x, seed)
        own = blocks_of(f"{seed}c{hub}", sizes), blocks_of(f"{seed}h{hub}", sizes)
        return Delivery(next(names(f"{seed}b{hub}")), client, *own)

    def further(self, hub: str = "hank", *sizes: int, seed: str = "next") -> Delivery:
        """One that goes on where the pair's record ends."""
        record = self.store.pairs[hub].record
        streams = (record.client_stream, record.hub_stream)
        client, hub_side = (
            blocks_of(f"{seed}{at}{hub}", sizes, stream.next_sequence, stream.end)
            for at, stream in enumerate(streams)
        )
        return Delivery(next(names(f"{seed}b{hub}")), record.terms, client, hub_side)

    def stream(self, hub: str = "hank", owner: Side = Side.CLIENT) -> DurableStream:
        return self.store.pairs[hub].stores[owner]
