"""The seam between pools and what keeps their bytes and their durable marks.

A pool asks two things of its store: the bytes of its stream, by position, and marks made durable ahead
of use. No call waits for a disk: `reserve` calls back when a mark stands, at once or later.
`MemoryStream` is the store of a simulated pool: it lives as long as the process, and every mark is as
durable as the pool itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from dsked.errors import PoolExhaustedError
from dsked.secrecy import no_pickle


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """What may be told of a block: its number, UUID, place in the stream and size, never its bytes."""

    sequence: int
    uuid: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """The position behind the block's last byte."""
        return self.start + self.size


class StreamStore(Protocol):
    """The bytes of one stream and its one durable mark.

    `changed` is for the engine to set. The store calls it, in the event loop's thread, after it has
    called back what a reservation waited for, and after a failure; not from within `reserve`.
    """

    changed: Callable[[], None]

    @property
    def end(self) -> int:
        """The position behind the last byte held."""

    @property
    def nr_blocks(self) -> int:
        """How many blocks still hold unread bytes."""

    def blocks(self) -> Iterator[BlockInfo]:
        """The blocks that still hold unread bytes, in order."""

    def read(self, position: int, length: int) -> bytes:
        """`length` bytes from `position`; they must lie between the wiped part and the end.

        They may lie beyond the durable mark: a handshake's bytes are computed while the disk still works.
        Raises PoolExhaustedError, StorageError.
        """

    def wipe(self, up_to: int) -> None:
        """All bytes below `up_to` are used or burned and can never be read again.

        They are gone from memory on return, and overwritten on disk once the durable mark has passed them.
        """

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        """Make a mark of at least `mark` and at most `at_most` durable, then call `durable` with it.

        How far it runs ahead within these bounds is the store's choice. Either may lie beyond the end.
        Where the disk fails, `durable` is called with the mark that stands, which is below `mark`; one may
        ask again. Raises StorageError where asking again cannot help.
        """

    def check(self) -> None:
        """Raises StorageError after a failure, until it is asked again for a mark."""


#: From here on a second copy costs more than the views without it.
_LARGE_BYTES = 8192


class _MemoryBlock:
    """A block's bytes, in memory of their own that never moves: what is wiped leaves no copy behind."""

    __slots__ = ("data", "start", "uuid")
    __reduce__ = no_pickle

    def __init__(self, uuid: bytes, start: int, data: bytes) -> None:
        self.uuid = uuid
        self.start = start
        self.data = bytearray(data)


def _info(sequence: int, block: _MemoryBlock) -> BlockInfo:
    return BlockInfo(sequence, block.uuid, block.start, len(block.data))


def _nobody_waits() -> None:
    pass


class MemoryStream:
    """A stream in memory (StreamStore): for simulated PSRD, and for tests.

    Blocks are appended as they come over the connection, and given again by their sequence numbers.
    """

    __slots__ = ("_blocks", "_end", "_next_sequence", "_wiped", "changed")

    def __init__(self) -> None:
        self.changed: Callable[[], None] = _nobody_waits
        self._blocks: list[_MemoryBlock] = []  # few, mostly: an empty deque takes as much as 90 places
        self._wiped = 0
        self._end = 0
        self._next_sequence = 0

    @property
    def end(self) -> int:
        return self._end

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next block to append."""
        return self._next_sequence

    @property
    def nr_blocks(self) -> int:
        return len(self._blocks)

    def append(self, uuid: bytes, data: bytes) -> BlockInfo:
        """Put a block's bytes at the end of the stream."""
        info = BlockInfo(self._next_sequence, uuid, self._end, len(data))
        self._blocks.append(_MemoryBlock(uuid, self._end, data))
        self._next_sequence += 1
        self._end += len(data)
        return info

    def read(self, position: int, length: int) -> bytes:
        if position < self._wiped or position + length > self._end:
            raise PoolExhaustedError(f"bytes {position} to {position + length} are not in the pool")
        first = self._blocks[0]
        offset = position - first.start
        if length < _LARGE_BYTES and offset + length <= len(first.data):  # nearly always
            return bytes(first.data[offset : offset + length])
        return b"".join(self._pieces(position, position + length))

    def _pieces(self, start: int, end: int) -> Iterator[memoryview]:
        for block in self._blocks:
            if block.start >= end:
                break
            low = max(start - block.start, 0)
            high = min(end - block.start, len(block.data))
            if low < high:
                yield memoryview(block.data)[low:high]

    def wipe(self, up_to: int) -> None:
        nr_used = 0
        for block in self._blocks:
            low = max(self._wiped - block.start, 0)
            high = min(up_to - block.start, len(block.data))
            if low < high:
                block.data[low:high] = bytearray(high - low)  # bytes would be copied once more
            if high < len(block.data):
                break
            nr_used += 1
        if nr_used:
            del self._blocks[:nr_used]
        self._wiped = max(self._wiped, min(up_to, self._end))

    def block(self, sequence: int) -> tuple[BlockInfo, bytes] | None:
        """A block of which nothing has been wiped, with its bytes; else None."""
        index = sequence - self._first_sequence
        if not 0 <= index < len(self._blocks):
            return None
        block = self._blocks[index]
        untouched = block.start >= self._wiped
        return (_info(sequence, block), bytes(block.data)) if untouched else None

    @property
    def _first_sequence(self) -> int:
        return self._next_sequence - len(self._blocks)

    def blocks(self) -> Iterator[BlockInfo]:
        return map(_info, count(self._first_sequence), self._blocks)

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        durable(at_most)

    def check(self) -> None:
        pass


def in_memory(store: StreamStore) -> MemoryStream:
    """The store of a simulated pool, as simulated delivery needs it."""
    assert isinstance(store, MemoryStream), "blocks of media come out of bundles"
    return store
