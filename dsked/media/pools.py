"""The pools that a node keeps, as they lie on its disk: listed, verified, erased. No pad is used by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dsked.errors import RequestError, StorageError
from dsked.media.medium import Advance
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage import adoption, block_file
from dsked.storage.known_uuids import remember
from dsked.storage.marks import MarkFile
from dsked.storage.open_blocks import block_path
from dsked.storage.records import PairRecord, read_pair
from dsked.storage.state_dir import StateDirectory


@dataclass(frozen=True, slots=True)
class StoredPool:
    """One pool of a pair: its owner, its blocks that are not used up, and the durable mark."""

    owner: Side
    stream_id: bytes
    slot: int
    mark: int
    blocks: tuple[BlockInfo, ...]

    @property
    def unread_bytes(self) -> int:
        """What is left beyond the durable mark."""
        return sum(map(self.unread_of, self.blocks))

    def unread_of(self, info: BlockInfo) -> int:
        """What is left of one block."""
        return info.end - max(info.start, min(self.mark, info.end))


def of_record(state: StateDirectory, record: PairRecord) -> list[StoredPool]:
    """Both pools of a pair, the client's first. Raises StorageError."""
    marks = MarkFile.open(state.files, state.marks)
    try:
        return [_pool(marks, record, owner) for owner in (Side.CLIENT, Side.HUB)]
    finally:
        marks.close()


def _pool(marks: MarkFile, record: PairRecord, owner: Side) -> StoredPool:
    stream, stream_id = record.stream(owner), record.terms.stream(owner)
    found = marks.read(stream.slot)
    if found is None or found.stream_id != stream_id:
        raise StorageError(f"the mark of the pool of {record.terms.client} and {record.terms.hub} is lost")
    left = tuple(info for info in stream.blocks if info.end > found.mark)
    return StoredPool(owner, stream_id, stream.slot, found.mark, left)


def verify(state: StateDirectory, record: PairRecord, advance: Advance) -> None:
    """Reads all that is unread of a pair's pools against its checksums. A daemon may go on using them.

    Raises StorageError that names the first damage.
    """
    for pool in of_record(state, record):
        for info in pool.blocks:
            _verify_block(state, record, pool, info, advance)


def _verify_block(
    state: StateDirectory, record: PairRecord, pool: StoredPool, info: BlockInfo, advance: Advance
) -> None:
    try:
        for length in _verified(state, pool, info):
            advance(length)
    except StorageError:
        again = _pool_now(state, record, pool.owner)
        if again.mark == pool.mark:
            raise
        if again.mark < info.end:  # bytes were used and overwritten while they were read
            _verify_block(state, record, again, info, lambda length: None)


def _pool_now(state: StateDirectory, record: PairRecord, owner: Side) -> StoredPool:
    return next(pool for pool in of_record(state, record) if pool.owner is owner)


def _verified(state: StateDirectory, pool: StoredPool, info: BlockInfo) -> Iterator[int]:
    """The lengths of the pieces that were found good."""
    file = state.files.open(block_path(state.blocks, info.uuid))
    try:
        block_file.check_header(state.files, file, pool.stream_id, info)
        yield from block_file.verify(state.files, file, info.size, max(pool.mark - info.start, 0))
    finally:
        state.files.close(file)


def erase(state: StateDirectory, peer: str, advance: Advance) -> None:
    """Ends a pair's pools at a node that does not run: forgotten first, then overwritten.

    The UUIDs of its blocks and bundles stay known. Raises ConfigurationError while a daemon owns the state,
    RequestError where there are no such pools, StorageError.
    """
    lock = state.lock()
    try:
        path = state.pair(peer)
        if not state.files.exists(path):
            raise RequestError(f"{state.role} {state.name} keeps no pools with {peer}")
        record = read_pair(state.files, path)
        remember(state, adoption.uuids_of(record))
        state.files.remove(path)
        state.files.sync_directory(path.parent)
        _free_marks(state, record)
        for owner in Side:
            for info in record.stream(owner).blocks:
                _erase_block(state, info, advance)
        state.files.sync_directory(state.blocks)
    finally:
        state.files.close(lock)


def _free_marks(state: StateDirectory, record: PairRecord) -> None:
    marks = MarkFile.open(state.files, state.marks)
    try:
        marks.write((record.stream(owner).slot, None) for owner in Side)
        marks.sync()
    finally:
        marks.close()


def _erase_block(state: StateDirectory, info: BlockInfo, advance: Advance) -> None:
    path = block_path(state.blocks, info.uuid)
    if state.files.exists(path):  # not used up and overwritten yet
        for _ in block_file.erase_steps(state.files, path):
            advance(block_file.PIECE_BYTES)
