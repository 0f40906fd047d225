"""The durable state of one node: opened under its lock, with the streams of all its pairs.

Opening reads small files only; it does not depend on how large the pools are.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dsked.errors import RequestError, StorageError
from dsked.limits import MAX_OPEN_BLOCK_FILES, STATE_LOCK_WAIT_S
from dsked.notice import Notice
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import BlockInfo
from dsked.storage import adoption, block_file
from dsked.storage.chunks import ChunksInMemory
from dsked.storage.committer import Committer, Post
from dsked.storage.durable_stream import DurableStream
from dsked.storage.files import Files
from dsked.storage.known_uuids import known_uuids, remember
from dsked.storage.marks import Mark, MarkFile
from dsked.storage.open_blocks import SUFFIX, OpenBlocks, block_path
from dsked.storage.records import DELIVERY_NAME, Delivery, PairRecord, read_pair, write_pair
from dsked.storage.state_dir import StateDirectory

_PAIR_SUFFIX = ".pair"


@dataclass(slots=True)
class StoredPair:
    """One pair of this node: its record, and its streams as this side holds them."""

    record: PairRecord
    stores: dict[Side, DurableStream]  # by the owner of the stream
    streams: Streams


class NodeStore:
    """The open state. `problems`: what is wrong with pairs that could not be opened, by peer.

    `post` calls something in the event loop's thread; `submit` is what streams tell the committer by.
    """

    def __init__(
        self,
        state: StateDirectory,
        post: Post,
        notice: Notice,
        clock: Callable[[], float],
        open_files: int = MAX_OPEN_BLOCK_FILES,
    ) -> None:
        """Raises ConfigurationError (in use, or another node's), StorageError."""
        self.state = state
        self.files: Files = state.files
        self.side = Side.HUB if state.role == "hub" else Side.CLIENT
        self.pairs: dict[str, StoredPair] = {}
        self.problems: dict[str, str] = {}
        self._notice = notice
        self._clock = clock
        self._slots: set[int] = set()  # not free
        self._lock = state.lock(STATE_LOCK_WAIT_S)
        self._chunks = ChunksInMemory()
        self._reading = OpenBlocks(self.files, state.blocks, at_most=open_files)
        self._writing = OpenBlocks(self.files, state.blocks, write=True, at_most=open_files)
        self._marks: MarkFile | None = None
        try:
            state.prepare()
            self._marks = MarkFile.open(self.files, state.marks)
            self.committer = Committer(self._marks, self._writing, post, notice)
            self.submit: Callable[[DurableStream], None] = self.committer.submit
            self._open_pairs()
            self._tidy()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives the directory back. Its committer's thread must have ended."""
        self._reading.close()
        self._writing.close()
        if self._marks is not None:
            self._marks.close()
        self.files.close(self._lock)

    # --- opening ---

    def _open_pairs(self) -> None:
        known: list[bytes] = []
        for name in self.files.names(self.state.pairs):
            peer = name.removesuffix(_PAIR_SUFFIX)
            if not name.endswith(_PAIR_SUFFIX):
                continue
            try:
                record = read_pair(self.files, self.state.pairs / name)
                known += adoption.uuids_of(record)
                for owner in Side:
                    self._slots.add(record.stream(owner).slot)
                self.pairs[peer] = self._open_pair(record)
            except StorageError as error:
                self.problems[peer] = str(error)
                self._notice(logging.ERROR, f"the pools with {peer} cannot be opened: {error}", peer=peer)
        remember(self.state, known)  # where a crash came between a record and them

    def _open_pair(self, record: PairRecord) -> StoredPair:
        stores = {owner: self._open_stream(record, owner) for owner in Side}
        window = record.terms.window
        local, peer = stores[self.side], stores[self.side.other]
        streams = Streams(
            OwnerPool(local.stream_id, local, window, local.used),
            ReceiverPool(peer.stream_id, peer, window, peer.used),
        )
        return StoredPair(record, stores, streams)

    def _open_stream(self, record: PairRecord, owner: Side) -> DurableStream:
        stream = record.stream(owner)
        assert self._marks is not None
        mark = self._marks.read(stream.slot)
        if mark is None or mark.stream_id != record.terms.stream(owner):
            raise StorageError(f"{self.state.marks}: slot {stream.slot} does not hold this pool's mark")
        for info in stream.blocks:
            if info.end > mark.mark:
                self._check_block(mark.stream_id, info)
        opened = DurableStream(
            self._reading, self._chunks, stream.slot, mark, stream.blocks, stream.end, self._submit,
            self._clock,
        )  # fmt: skip
        if opened.wiped < opened.used:
            self._submit(opened)  # what the last run had reserved is burned
        return opened

    def _submit(self, stream: DurableStream) -> None:
        self.submit(stream)

    def _check_block(self, stream_id: bytes, info: BlockInfo) -> None:
        file = self.files.open(block_path(self.state.blocks, info.uuid))
        try:
            block_file.check_header(self.files, file, stream_id, info)
        finally:
            self.files.close(file)

    def _tidy(self) -> None:
        """Whatever no record knows, left by a crash, is overwritten in the background."""
        for name in self.files.names(self.state.trash):
            self.committer.add_chore(block_file.erase_steps(self.files, self.state.trash / name))
        if not self.problems:  # else a record that cannot be read may know it
            wanted = {
                block_path(self.state.blocks, info.uuid).name
                for pair in self.pairs.values()
                for store in pair.stores.values()
                for info in store.unwiped
            }
            names = self.files.names(self.state.blocks)
            unknown = [name for name in names if name.endswith(SUFFIX) and name not in wanted]
            self._throw_away(*(self.state.blocks / name for name in unknown))
        lock = self.state.lock_for_deliveries()
        if lock is not None:  # nobody stages anything now
            for directory in self.files.names(self.state.staging):
                self.throw_away_staged(self.state.staging / directory)
            self.files.close(lock)

    def _throw_away(self, *paths: Path) -> None:
        """Files of one directory: out of the way at once, under names of their own; overwritten later.

        There may be thousands of them, and marks wait: the directory is read once, and synced once.
        """
        if not paths:
            return
        taken = set(self.files.names(self.state.trash))
        thrown = []
        try:
            for path in paths:
                free = (f"{number}-{path.name}" for number in itertools.count())
                target = self.state.trash / next(name for name in free if name not in taken)
                self.files.rename(path, target)
                thrown.append(target)
            self.files.sync_directory(paths[0].parent)
        finally:
            for path in thrown:
                self.committer.add_chore(block_file.erase_steps(self.files, path))

    def throw_away_staged(self, directory: Path) -> None:
        """A staged delivery that was not adopted, and its directory."""
        self._throw_away(*(directory / name for name in self.files.names(directory)))
        self.files.remove_directory(directory)

    # --- deliveries ---

    def free_slots(self) -> Iterator[int]:
        """Slots of the file of marks that no stream has, or had since this node was started."""
        return (slot for slot in itertools.count() if slot not in self._slots)

    def adopt(self, bundle: bytes, peers: Mapping[str, int] | None) -> Adopted:
        """Takes over the delivery that is staged under a bundle's UUID; durable on return.

        `peers`: the nodes that this node's own configuration knows, a client's hubs with their
        x-coordinates; None where there is no configuration to check against.
        To be called where the committer works, and what it gives goes to `take` before the next one.
        Raises RequestError if the delivery is not to be had, StorageError.
        """
        delivery = adoption.read(self.state, bundle)
        peer = delivery.peer(self.side)
        if peer in self.problems and not delivery.replace:
            raise RequestError(f"the pools with {peer} cannot be opened: {self.problems[peer]}")
        old = self.pairs.get(peer)
        adoption.check(
            delivery,
            old.record if old else None,
            known=known_uuids(self.state),
            own=(self.side, self.state.name),
            peers=peers,
            taken_x={pair.record.terms.x for name, pair in self.pairs.items() if name != peer},
        )
        begins = old is None or delivery.terms != old.record.terms
        return self._begin(delivery, old) if begins or old is None else self._continue(delivery, old)

    def _begin(self, delivery: Delivery, old: StoredPair | None) -> Adopted:
        """The first bundle of new streams, perhaps in the place of others."""
        slots = dict(zip(Side, self.free_slots(), strict=False))
        self._slots.update(slots.values())  # whatever becomes of it: a failed attempt may turn out to stand
        assert self._marks is not None
        self._marks.write((slots[owner], Mark(delivery.terms.stream(owner), 0, 0)) for owner in Side)
        self._marks.sync()
        record = adoption.first_record(delivery, slots, old.record if old else None)
        self._put_in_place(delivery, record, old)
        if old is not None:
            self._attempt(partial(self._retire, old))
        return Adopted(delivery, record, self._open_pair(record))

    def _continue(self, delivery: Delivery, old: StoredPair) -> Adopted:
        """Further blocks of the streams that are here."""
        wiped = {owner: store.wiped for owner, store in old.stores.items()}
        record = adoption.longer_record(delivery, old.record, wiped)
        self._put_in_place(delivery, record, old)
        return Adopted(delivery, record, None)

    def _put_in_place(self, delivery: Delivery, record: PairRecord, old: StoredPair | None) -> None:
        """Moves the blocks, then the record: from its renaming on the delivery is adopted."""
        if old is not None:
            remember(self.state, adoption.uuids_of(old.record))  # the new record may lack some of them
        staged = self.state.staged(delivery.bundle)
        for owner in Side:
            for info in delivery.blocks(owner):
                path = block_path(self.state.blocks, info.uuid)
                if self.files.exists(path):  # left by an attempt that the disk failed
                    self._throw_away(path)
                self.files.rename(block_path(staged, info.uuid), path)
        self.files.sync_directory(self.state.blocks)
        self.files.sync_directory(staged)  # no name of theirs may come back there, to be thrown away
        write_pair(self.files, self.state.pair(delivery.peer(self.side)), record)
        self._attempt(partial(remember, self.state, adoption.uuids_of(record)))
        self._attempt(partial(self._remove_staging, staged))

    def _remove_staging(self, staged: Path) -> None:
        self.files.remove(staged / DELIVERY_NAME)
        self.files.remove_directory(staged)

    def _attempt(self, step: Callable[[], None]) -> None:
        """What the next start does where it fails now: the delivery is adopted all the same."""
        try:
            step()
        except StorageError as error:
            self._notice(logging.ERROR, f"after a delivery was taken over: {error}")

    def _retire(self, old: StoredPair) -> None:
        """Streams that others have replaced: what is left of them is overwritten."""
        left = []
        for store in old.stores.values():
            left += [block_path(self.state.blocks, info.uuid) for info in store.unwiped]
            store.unwiped = []
        self._throw_away(*(path for path in left if self.files.exists(path)))

    def take(self, adopted: Adopted) -> StoredPair:
        """What was adopted, for the loop's thread: `adopted.pair` is set where the streams are new."""
        peer = adopted.delivery.peer(self.side)
        self.problems.pop(peer, None)
        if adopted.pair is not None:
            if peer in self.pairs:
                for store in self.pairs[peer].stores.values():
                    self._chunks.forget(store)
            self.pairs[peer] = adopted.pair
            return adopted.pair
        pair = self.pairs[peer]
        pair.record = adopted.record
        for owner, store in pair.stores.items():
            store.extend(adopted.delivery.blocks(owner))
        return pair


@dataclass(frozen=True, slots=True)
class Adopted:
    """A delivery that is durable. `pair`: its streams where they are new, else None."""

    delivery: Delivery
    record: PairRecord
    pair: StoredPair | None
