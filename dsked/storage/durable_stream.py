"""A stream whose blocks are files and whose mark is durable ahead of use (the StreamStore of media pools).

It lives in the event loop's thread and never waits for a disk but to read a chunk; the committer's
thread writes marks and overwrites what was used. What the two share are a few integers, each written by
one of them only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsked.errors import PoolExhaustedError, StorageError
from dsked.limits import ZERO_RUN_BYTES
from dsked.psrd.store import BlockInfo
from dsked.storage.block_file import CHECKSUM_BYTES, CHUNK_BYTES, checksum, nr_chunks, read_chunks
from dsked.storage.chunks import ChunksInMemory
from dsked.storage.marks import Mark
from dsked.storage.open_blocks import OpenBlocks
from dsked.storage.reservation import Reservation

_ZEROS = bytes(ZERO_RUN_BYTES)
_NO_CHUNK = bytearray()


def _nothing() -> None:
    """Nobody listens yet."""


class DurableStream:
    """One stream. `submit(stream)` tells the committer that there is something to do for it.

    Written by the loop's thread: `used`, `target`. By the committer's: `committed`, `wiped`, `erased`.
    """

    __slots__ = (
        "_blocks", "_chunk", "_chunk_start", "_chunks", "_clock", "_end", "_failure", "_lost", "_open_blocks",
        "_reservation", "_rest", "_submit", "_waiting", "changed", "committed", "erased", "slot", "stream_id",
        "target", "unwiped", "used", "wiped",
    )  # fmt: skip

    def __init__(
        self,
        blocks: OpenBlocks,
        chunks: ChunksInMemory,
        slot: int,
        mark: Mark,
        infos: tuple[BlockInfo, ...],
        end: int,
        submit: Callable[[DurableStream], None],
        clock: Callable[[], float],
    ) -> None:
        self.stream_id = mark.stream_id
        self.slot = slot
        self.changed: Callable[[], None] = _nothing
        self.used = mark.mark  # everything below is used or burned
        self.target = mark.mark  # what the mark shall become
        self.committed = mark.mark  # what is durable
        self.wiped = mark.wiped  # everything below is overwritten on the disk,
        self.erased = mark.wiped  # and everything below this one synced
        self.unwiped = [info for info in infos if info.end > mark.wiped]  # the committer's view of the blocks
        self._open_blocks = blocks
        self._chunks = chunks
        self._blocks = [info for info in infos if info.end > mark.mark]
        self._end = end
        self._submit = submit
        self._clock = clock
        self._reservation = Reservation()
        self._waiting: tuple[tuple[int, Callable[[int], None]], ...] = ()
        self._failure: StorageError | None = None
        self._lost = False
        self._chunk = _NO_CHUNK  # the one read last, verified
        self._chunk_start = 0  # its position
        self._rest: bytes | None = None  # checksum of what was unused of a chunk that was given up

    # --- what it holds ---

    @property
    def end(self) -> int:
        """The position behind the last byte held."""
        return self._end

    @property
    def nr_blocks(self) -> int:
        """How many blocks still hold unread bytes."""
        return len(self._blocks)

    def blocks(self) -> Iterator[BlockInfo]:
        """The blocks that still hold unread bytes, in order."""
        return iter(self._blocks)

    def extend(self, infos: tuple[BlockInfo, ...]) -> None:
        """Blocks were adopted, and follow those that are here."""
        for info in infos:
            assert info.start == self._end
            self.unwiped.append(info)
            self._blocks.append(info)
            self._end = info.end

    # --- bytes ---

    def read(self, position: int, length: int) -> bytes:
        """`length` bytes from `position`, from verified chunks.

        Raises PoolExhaustedError below what was wiped or beyond the end; StorageError if a file is damaged.
        """
        end = position + length
        if position < self.used or end > self._end:
            raise PoolExhaustedError(f"bytes {position} to {end} are not in the pool")
        if self._lost:
            self.check()
        offset = position - self._chunk_start
        if offset >= 0 and offset + length <= len(self._chunk):
            return bytes(self._chunk[offset : offset + length])
        return b"".join(self._pieces(position, end))

    def _pieces(self, position: int, end: int) -> Iterator[bytes]:
        offset = position - self._chunk_start
        if 0 <= offset < len(self._chunk):
            piece = bytes(self._chunk[offset:])
            yield piece
            position += len(piece)
        for info in self._blocks:
            low, high = max(position, info.start), min(end, info.end)
            if low < high:
                yield self._load(info, low - info.start, high - info.start)
            if info.end >= end:
                break

    def _load(self, info: BlockInfo, low: int, high: int) -> bytes:
        """The block's bytes [low, high); its last chunk is kept at hand."""
        first, last = low // CHUNK_BYTES, nr_chunks(high)
        file = self._open_blocks.get(info.uuid)
        data, sums = read_chunks(self._open_blocks.files, file, info.size, first, last)
        for number in range(last - first):
            at = number * CHUNK_BYTES
            chunk = data[at : at + CHUNK_BYTES]
            start = info.start + first * CHUNK_BYTES + at
            if not self._is_sound(chunk, start, sums[number * CHECKSUM_BYTES :][:CHECKSUM_BYTES]):
                self._fail(StorageError(f"{file.path}: damaged at byte {start - info.start} of the block"))
                self.check()
        self._chunk = bytearray(chunk)
        self._chunk_start = start
        self._rest = None
        self._chunks.has_read(self)
        return data[low - first * CHUNK_BYTES : high - first * CHUNK_BYTES]

    def _is_sound(self, chunk: bytes, start: int, expected: bytes) -> bool:
        """A chunk of which bytes were wiped has no checksum any more: its rest must not look wiped."""
        if start >= self.used:
            return checksum(chunk) == expected
        if self._rest is not None:
            return checksum(chunk[self.used - start :]) == self._rest
        return _ZEROS not in chunk[self.used - start :]

    def give_up_chunk(self) -> None:
        """Others need the memory. What is left of the chunk is verified when it is read again."""
        offset = self.used - self._chunk_start
        if 0 < offset < len(self._chunk):
            self._rest = checksum(memoryview(self._chunk)[offset:])
        self._chunk[:] = bytes(len(self._chunk))
        self._chunk = _NO_CHUNK

    def wipe(self, up_to: int) -> None:
        """Used: gone from memory now, from the disk soon after the mark is durable beyond it."""
        high = min(up_to - self._chunk_start, len(self._chunk))
        low = max(self.used - self._chunk_start, 0)
        if low < high:
            self._chunk[low:high] = bytes(high - low)
        while self._blocks and self._blocks[0].end <= up_to:
            self._open_blocks.forget(self._blocks.pop(0).uuid)
        self.used = max(self.used, up_to)
        self._rest = None  # a checksum tells about bytes that are used now
        self._submit(self)

    # --- the mark ---

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        """Make a mark of at least `mark` durable, ahead of use but not beyond `at_most`; then call `durable`.

        It is called with the mark that is durable, which is below `mark` where the disk has failed: then
        `check` raises, and one may ask again. Raises StorageError where nothing can be made durable any more.
        """
        if self._lost:
            self.check()
        self._failure = None
        ahead = self.used + self._reservation.ahead(self.used, self._clock())
        self.target = max(self.target, mark, min(ahead, at_most))
        if mark <= self.committed:  # an earlier request took the mark further than it was asked to
            durable(self.committed)
        else:
            self._wait(mark, durable)
        self._submit(self)

    def _wait(self, mark: int, durable: Callable[[int], None]) -> None:
        """While a disk hangs every handshake asks for more: of one asker no more than two marks are kept.

        The first may be on its way to the disk already; the round after it takes the highest at once.
        """
        before = self._waiting
        if len(before) > 1 and before[-1][1] == durable:
            mark, before = max(mark, before[-1][0]), before[:-1]
        self._waiting = (*before, (mark, durable))

    def check(self) -> None:
        """Raises StorageError after a write of this stream has failed."""
        if self._failure is not None:
            raise StorageError(str(self._failure))

    def is_durable(self) -> None:
        """The committer has raised `committed`."""
        committed = self.committed
        done = [durable for mark, durable in self._waiting if mark <= committed]
        self._waiting = tuple(waiting for waiting in self._waiting if waiting[0] > committed)
        self._answer(done)

    def _answer(self, waiting: list[Callable[[int], None]]) -> None:
        committed = self.committed
        for durable in waiting:
            durable(committed)
        self.changed()

    def failed(self, error: StorageError, *, lost: bool) -> None:
        """The committer could not. `lost`: what is on the disk is not known: never again in this process."""
        self._lost |= lost
        self._fail(error)
        waiting, self._waiting = self._waiting, ()
        self._answer([durable for _, durable in waiting])

    def _fail(self, error: StorageError) -> None:
        if self._failure is None:
            self._failure = error
