"""Stores for the tests: filled ones, and one whose disk is slow or full."""

from __future__ import annotations

import random
from collections.abc import Callable

from dsked.errors import StorageError
from dsked.psrd.store import MemoryStream


class DiskStream(MemoryStream):
    """A stream whose marks become durable only when the test lets the disk work, or never."""

    def __init__(self, *, slow: bool = False) -> None:
        super().__init__()
        self.slow = slow
        self.full = False
        self.asked: list[int] = []
        self.mark = 0  # what the disk holds
        self._waiting: list[Callable[[], None]] = []

    def reserve(self, mark: int, durable: Callable[[int], None], *, now: bool = False) -> None:
        if self.full:
            raise StorageError("the disk is full")
        self.asked.append(mark)

        def done() -> None:
            self.mark = max(self.mark, mark)
            durable(mark)

        if now or not self.slow:
            done()
        else:
            self._waiting.append(done)

    def work(self) -> None:
        """The disk has done all that it was asked for."""
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()


def stream_bytes(size: int, seed: int = 1) -> bytes:
    """The bytes of a stream; the same for both sides."""
    return random.Random(seed).randbytes(size)


def filled(data: bytes, *block_sizes: int, slow: bool = False) -> DiskStream:
    """A store that holds `data`, in one block or in blocks of these sizes."""
    store = DiskStream(slow=slow)
    start = 0
    for number, size in enumerate(block_sizes or (len(data),)):
        store.append(number.to_bytes(16, "big"), data[start : start + size])
        start += size
    assert start == len(data)
    return store


def memory_of(store: MemoryStream) -> list[bytearray]:
    """The very memory that the store keeps its unread blocks in."""
    return [block.data for block in store._blocks]
