"""Lives of one node over a simulated disk: what it does at random, and what must hold at every moment.

A `Life` is one process. It takes pad bytes as an owner and follows as a receiver, tells marks, lets the
committer work, takes over deliveries. What the committer's thread and the event loop do at the same time is
played by letting the loop act in the middle of the committer's calls. The `Ledger` outlives all processes:
what left, what was told, what was promised.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from simulating.disks.disk import Disk, DiskDirectory
from simulating.disks.files import CHANGES, Call, Fault, SimulatedFiles, no_fault

from dsked.errors import PoolExhaustedError, RequestError, StorageError, WindowError
from dsked.psrd.pair import Side
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import BlockInfo
from dsked.storage.block_file import BlockWriter
from dsked.storage.files import Files
from dsked.storage.known_uuids import known_uuids
from dsked.storage.node_store import NodeStore, StoredPair
from dsked.storage.open_blocks import block_path
from dsked.storage.records import Delivery, PairTerms, write_delivery
from dsked.storage.state_dir import StateDirectory

PATH = Path("/state/client-carol")
HUBS = {"hank": 1, "hilary": 2}
WINDOW = 16 * 1024
BLOCK_BYTES = (5_000, 12_288, 40_000)


@cache
def block_bytes(uuid: bytes, size: int) -> bytes:
    """The true bytes of a block."""
    return random.Random(uuid).randbytes(size)


@dataclass(slots=True)
class Stream:
    """What is true of one stream, whatever happens."""

    data: bytes = b""  # of all blocks ever made
    left: int = 0  # a bit for every byte that ever left as a pad
    told: int = 0  # the largest mark that was told to the owner
    promised: int = 0  # the end that a delivery brought, which the store said is durable

    def leave(self, position: int, data: bytes) -> None:
        """Pad bytes leave the process."""
        bits = ((1 << len(data)) - 1) << position
        assert not self.left & bits, f"REUSE at {position}"
        assert data == self.data[position : position + len(data)], f"not the stream's bytes at {position}"
        self.left |= bits

    @property
    def first_free(self) -> int:
        """Behind the last byte that ever left."""
        return self.left.bit_length()


@dataclass(slots=True)
class Ledger:
    """What is known of all lives together."""

    streams: dict[bytes, Stream] = field(default_factory=dict)
    adopted: set[bytes] = field(default_factory=set)  # UUIDs
    current: dict[str, PairTerms] = field(default_factory=dict)  # by hub: what the store said it holds

    def __deepcopy__(self, memo: dict[int, object]) -> Ledger:
        """PairTerms never change, and hold secrets: they are not copied."""
        return Ledger(copy.deepcopy(self.streams, memo), set(self.adopted), dict(self.current))

    def stream(self, stream_id: bytes) -> Stream:
        return self.streams.setdefault(stream_id, Stream())


@dataclass(slots=True)
class Taken:
    """Pad bytes that are taken and wait for their mark."""

    pool: OwnerPool
    position: int
    data: bytes


class Life:
    """One process. `fault` looks at every call of it, after the loop has acted."""

    def __init__(self, disk: Disk, ledger: Ledger, seed: int, fault: Fault = no_fault) -> None:
        """Raises StorageError, ConfigurationError."""
        self.dice = random.Random(seed)
        self.ledger = ledger
        self.fault = fault
        self.files = SimulatedFiles(disk, seed, fault)
        self.notices: list[str] = []
        self.errors: list[Exception] = []
        self.nr_left = 0
        self._posted: deque[Callable[[], None]] = deque()
        self._taken: list[Taken] = []
        self._promises: list[tuple[ReceiverPool, int]] = []
        self._now = 0.0
        self.state = StateDirectory(self.files, PATH, "client", "carol")
        self.store = NodeStore(self.state, self._posted.append, self._notice, self._clock)
        for pair in self.store.pairs.values():
            self._begin(pair)

    def _notice(self, level: int, text: str, /, **fields: str) -> None:
        self.notices.append(text)

    def _clock(self) -> float:
        self._now += 0.01
        return self._now

    def _begin(self, pair: StoredPair) -> None:
        """The peer holds as much and acknowledges all that is durable: the window is no limit here."""
        pool = pair.streams.local
        pool.held_end = pool.store.end
        pool.acknowledged(pool.durable)
        if pool.next + 48 <= pool.held_end and self.dice.random() < 0.5:
            position = pool.next + self.dice.choice([0, 0, 48, 1000])
            if position + 48 <= pool.held_end:
                self._taken.append(Taken(pool, position, pool.allocate_at(position, 48)))

    # -- what the loop's thread does -----------------------------------------------------------

    def act(self, nr: int) -> None:
        """So many things at random, of the loop's thread and of the committer's."""
        steps = [self.take, self.advance, self.tell, self.run_posted]
        works = [self.commit, self.wipe, self.do_chore]
        for _ in range(nr):
            self.attempt(self.dice.choice(steps if self.dice.random() < 0.7 else works))

    def attempt(self, step: Callable[[], object]) -> None:
        """Errors of the store end a step; nothing else may."""
        try:
            step()
        except (StorageError, PoolExhaustedError, RequestError, WindowError) as error:
            self.errors.append(error)
        self.let_out()

    def _pools(self) -> tuple[OwnerPool, ReceiverPool] | None:
        pair = self.dice.choice(list(self.store.pairs.values()) or [None])
        return (pair.streams.local, pair.streams.peer) if pair else None

    def take(self) -> None:
        """An owner takes bytes for a frame, or for a handshake."""
        if (pools := self._pools()) is None:
            return
        pool = pools[0]
        pool.held_end = pool.store.end
        pool.acknowledged(pool.durable)
        length = self.dice.choice([16, 64, 300, 4000])
        if self.dice.random() < 0.1:
            position = pool.next + self.dice.choice([0, 500, 5000])
            self._taken.append(Taken(pool, position, pool.allocate_at(position, 48)))
        elif (taken := pool.allocate(length)) is not None:
            self._taken.append(Taken(pool, *taken))

    def advance(self) -> None:
        """A receiver verifies a frame, perhaps beyond a gap."""
        if (pools := self._pools()) is None:
            return
        pool = pools[1]
        length = min(self.dice.choice([16, 300, 4000]), pool.unused)
        position = pool.mark + self.dice.choice([0, 0, 100, 2000])
        data = pool.read(position, length) if position + length <= pool.end else b""
        assert data == self.ledger.stream(pool.stream_id).data[position : position + len(data)]
        if data:
            pool.advance(position + len(data))

    def tell(self) -> None:
        """A receiver tells its mark, as M1 and M2 do: when it is durable."""
        if (pools := self._pools()) is None:
            return
        mark = max(pools[1].told + 48, pools[1].mark)
        pools[1].promise(mark)
        self._promises.append((pools[1], mark))

    def run_posted(self) -> None:
        """The loop does what the committer asked for."""
        while self._posted:
            self._posted.popleft()()

    def let_out(self) -> None:
        """What is durable leaves; what cannot become durable never does."""
        for taken in [
            taken for taken in self._taken if taken.pool.durable >= taken.position + len(taken.data)
        ]:
            self._taken.remove(taken)
            self.ledger.stream(taken.pool.stream_id).leave(taken.position, taken.data)
            self.nr_left += len(taken.data)
        for pool, mark in [promise for promise in self._promises if promise[0].durable >= promise[1]]:
            self._promises.remove((pool, mark))
            stream = self.ledger.stream(pool.stream_id)
            stream.told = max(stream.told, mark)

    # -- what the committer's thread does ------------------------------------------------------

    def commit(self) -> None:
        self._in_the_thread(self.store.committer.commit)

    def wipe(self) -> None:
        self._in_the_thread(self.store.committer.wipe)

    def do_chore(self) -> None:
        self._in_the_thread(self.store.committer.do_chore)

    def _in_the_thread(self, work: Callable[[], object]) -> None:
        """The loop acts in the middle of it: before any call of the system."""

        def before(call: Call) -> int | None:
            if call.name in CHANGES and self.dice.random() < 0.3:
                self.files.fault = self.fault
                self.attempt(self.dice.choice([self.take, self.advance, self.tell, self.run_posted]))
                self.files.fault = before
            return self.fault(call)

        self.files.fault = before
        try:
            work()
        finally:
            self.files.fault = self.fault

    def settle(self) -> None:
        """All that waits is done; in the end the loop does nothing more beside it."""
        committer = self.store.committer
        busy: list[Callable[[], object]] = [self.commit, self.run_posted, self.wipe]
        quiet: list[Callable[[], object]] = [committer.commit, self.run_posted, committer.wipe]
        for work in (*busy, *busy, *quiet, *quiet):
            self.attempt(work)
        while committer.do_chore():
            pass

    def close(self) -> None:
        """An orderly end."""
        self.attempt(self.commit)
        self.attempt(self.run_posted)
        self.attempt(self.wipe)
        self.store.close()

    # -- deliveries ----------------------------------------------------------------------------

    def deliver(self, hub: str, *, replace: bool = False, expect: bool = False) -> None:
        """A bundle comes in: staged, adopted, taken. `expect`: it must work."""
        delivery = self.stage(hub, replace=replace)
        step = partial(self.adopt, delivery)
        if expect:
            step()
        else:
            self.attempt(step)

    def stage(self, hub: str, *, replace: bool = False) -> Delivery:
        """Writes a delivery's blocks, as an import does. Raises StorageError."""
        pair = self.store.pairs.get(hub)
        begins = pair is None or replace
        terms = self._new_terms(hub) if begins or pair is None else pair.record.terms
        bundle = self.dice.randbytes(16)
        blocks = {}
        for owner in Side:
            record = None if begins or pair is None else pair.record.stream(owner)
            sequence, start = (record.next_sequence, record.end) if record else (0, 0)
            blocks[owner] = self._infos(sequence, start)
        delivery = Delivery(bundle, terms, blocks[Side.CLIENT], blocks[Side.HUB], replace)
        write_staged(self.files, self.state, delivery)
        return delivery

    def _new_terms(self, hub: str) -> PairTerms:
        random_id = partial(self.dice.randbytes, 16)
        return PairTerms("carol", hub, self.dice.randbytes(32), HUBS[hub], WINDOW, random_id(), random_id())

    def _infos(self, sequence: int, start: int) -> tuple[BlockInfo, ...]:
        infos = []
        for number in range(self.dice.randint(1, 3)):
            info = BlockInfo(sequence + number, self.dice.randbytes(16), start, self.dice.choice(BLOCK_BYTES))
            infos.append(info)
            start = info.end
        return tuple(infos)

    def adopt(self, delivery: Delivery) -> None:
        """Raises StorageError, RequestError."""
        for owner in Side:  # before: a failed attempt may turn out to have worked
            stream = self.ledger.stream(delivery.terms.stream(owner))
            for info in delivery.blocks(owner):
                stream.data = stream.data[: info.start] + block_bytes(info.uuid, info.size)
        adopted: list[StoredPair] = []
        self._in_the_thread(lambda: adopted.append(self._adopted(delivery)))
        self._begin(adopted[0])

    def _adopted(self, delivery: Delivery) -> StoredPair:
        adopted = self.store.adopt(delivery.bundle, HUBS)
        self.ledger.adopted.add(delivery.bundle)
        self.ledger.current[delivery.terms.hub] = delivery.terms
        for owner in Side:
            self.ledger.adopted |= {info.uuid for info in delivery.blocks(owner)}
            self.ledger.stream(delivery.terms.stream(owner)).promised = delivery.blocks(owner)[-1].end
        return self.store.take(adopted)


def new_disk() -> Disk:
    """An empty one, but for the directory that states lie in."""
    disk = Disk()
    disk.root.seen["state"] = disk.root.durable["state"] = DiskDirectory()
    return disk


def write_staged(files: Files, state: StateDirectory, delivery: Delivery) -> None:
    """All files of a delivery, in the place where `adopt` looks for them."""
    directory = state.staged(delivery.bundle)
    files.make_directory(directory)
    for owner in Side:
        for info in delivery.blocks(owner):
            path = block_path(directory, info.uuid)
            files.remove(path)  # of an attempt that was refused
            writer = BlockWriter(files, path, delivery.terms.stream(owner), info)
            writer.write(block_bytes(info.uuid, info.size))
            writer.finish()
    write_delivery(files, directory, delivery)
    files.sync_directory(state.staging)


# -- what must hold when a node starts again -------------------------------------------------------


def check_restart(disk: Disk, ledger: Ledger, seed: int) -> Life:
    """A node starts on this disk: it opens, holds what was promised, and goes on beyond all that left.

    Then all its bytes are read, and whatever is used or unknown is overwritten in the end.
    """
    life = Life(disk, ledger, seed)
    assert not life.store.problems, life.store.problems
    assert ledger.adopted <= known_uuids(life.state), "a UUID was forgotten"
    for hub, terms in ledger.current.items():
        assert hub in life.store.pairs, "a pair was forgotten"
        _check_pair(life, life.store.pairs[hub], terms)
    life.settle()
    _check_wiped(life)
    return life


def _check_pair(life: Life, pair: StoredPair, terms: PairTerms) -> None:
    holds = pair.record.terms
    for owner in Side:
        pool = pair.streams.by_owner(Side.CLIENT, owner)
        stream = life.ledger.stream(holds.stream(owner))
        if holds == terms:
            assert pool.store.end >= stream.promised, "a delivery was forgotten"
        start = pool.next if isinstance(pool, OwnerPool) else pool.mark
        assert start >= stream.first_free, "pads that left are given out again"
        assert start >= stream.told or isinstance(pool, OwnerPool), "a mark that was told was forgotten"
        if start < pool.store.end:
            data = pool.store.read(start, pool.store.end - start)
            assert data == stream.data[start : pool.store.end], "not the stream's bytes"


def _check_wiped(life: Life) -> None:
    """No file holds bytes below a mark, or of blocks that nobody will use."""
    wanted = {}
    for pair in life.store.pairs.values():
        for store in pair.stores.values():
            wanted.update({info.uuid: (info, store.used) for info in store.blocks()})
    expected = {str(block_path(life.state.blocks, uuid)) for uuid in wanted}
    found = dict(life.files.disk.files())
    blocks = {path for path in found if path.endswith(".block")}
    assert blocks == expected, f"left behind: {blocks - expected}, missing: {expected - blocks}"
    assert not any("/trash/" in path or "/staging/" in path for path in found), "left behind"
    for info, used in wanted.values():
        content = found[str(block_path(life.state.blocks, info.uuid))].seen
        if used > info.start:
            assert not any(content[4096 : 4096 + used - info.start]), "used bytes are still on the disk"
