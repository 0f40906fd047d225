"""The seam between pools and what keeps their bytes and their durable marks.

A pool asks two things of its store: the bytes of its stream, by position, and a mark made durable
before it is used. `reserve` may finish later (a disk works off the event loop); it then calls back
with the mark that is durable. `MemoryStream` is the store of a simulated pool: it lives as long as
the process, and every mark is as durable as the pool itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dsked.errors import PoolExhaustedError


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
    """The bytes of one stream and its one durable mark."""

    @property
    def end(self) -> int:
        """The position behind the last byte held."""

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next block to append."""

    @property
    def nr_blocks(self) -> int:
        """How many blocks still hold unread bytes."""

    def append(self, uuid: bytes, data: bytes) -> BlockInfo:
        """Put a block's bytes at the end of the stream."""

    def read(self, position: int, length: int) -> bytes:
        """`length` bytes from `position`; they must lie between the wiped part and the end."""

    def wipe(self, up_to: int) -> None:
        """Overwrite all bytes below `up_to`; they can never be read again."""

    def block(self, sequence: int) -> tuple[BlockInfo, bytes] | None:
        """A block of which nothing has been wiped, with its bytes; else None."""

    def blocks(self) -> Iterator[BlockInfo]:
        """The blocks that still hold unread bytes, in order."""

    def reserve(self, mark: int, durable: Callable[[int], None], *, now: bool = False) -> None:
        """Make `mark` durable, then call `durable` with it; before returning, if `now`.

        Raises StorageError.
        """


class _MemoryBlock:
    __slots__ = ("data", "info")

    def __init__(self, info: BlockInfo, data: bytes) -> None:
        self.info = info
        self.data = bytearray(data)


class MemoryStream:
    """A stream in memory (StreamStore): for simulated PSRD, and for tests."""

    def __init__(self) -> None:
        self._blocks: deque[_MemoryBlock] = deque()
        self._wiped = 0
        self._end = 0
        self._next_sequence = 0

    @property
    def end(self) -> int:
        return self._end

    @property
    def next_sequence(self) -> int:
        return self._next_sequence

    @property
    def nr_blocks(self) -> int:
        return len(self._blocks)

    def append(self, uuid: bytes, data: bytes) -> BlockInfo:
        info = BlockInfo(self._next_sequence, uuid, self._end, len(data))
        self._blocks.append(_MemoryBlock(info, data))
        self._next_sequence += 1
        self._end += len(data)
        return info

    def read(self, position: int, length: int) -> bytes:
        if position < self._wiped or position + length > self._end:
            raise PoolExhaustedError(f"bytes {position} to {position + length} are not in the pool")
        first = self._blocks[0]
        offset = position - first.info.start
        if offset + length <= first.info.size:  # nearly always: one block holds it all
            return bytes(first.data[offset : offset + length])
        return b"".join(self._pieces(position, position + length))

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        for block in self._blocks:
            if block.info.start >= end:
                break
            low = max(start - block.info.start, 0)
            high = min(end - block.info.start, block.info.size)
            if low < high:
                yield bytes(block.data[low:high])

    def wipe(self, up_to: int) -> None:
        while self._blocks:
            block = self._blocks[0]
            low = max(self._wiped - block.info.start, 0)
            high = min(up_to - block.info.start, block.info.size)
            if low < high:
                block.data[low:high] = bytes(high - low)
            if up_to < block.info.start + block.info.size:
                break
            self._blocks.popleft()
        self._wiped = max(self._wiped, min(up_to, self._end))

    def block(self, sequence: int) -> tuple[BlockInfo, bytes] | None:
        index = sequence - (self._next_sequence - len(self._blocks))
        if not 0 <= index < len(self._blocks):
            return None
        block = self._blocks[index]
        untouched = block.info.start >= self._wiped
        return (block.info, bytes(block.data)) if untouched else None

    def blocks(self) -> Iterator[BlockInfo]:
        return (block.info for block in self._blocks)

    def reserve(self, mark: int, durable: Callable[[int], None], *, now: bool = False) -> None:
        durable(mark)
