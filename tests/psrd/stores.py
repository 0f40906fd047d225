"""Stores for the tests: filled ones, and one whose disk is slow or full."""

from __future__ import annotations

import random
from collections.abc import Callable

from dsked.errors import StorageError
from dsked.psrd.store import MemoryStream


class DiskStream(MemoryStream):
    """A stream whose marks become durable when the test lets the disk work, or never.

    `asked` are the requests, as (mark, at most); `mark` is what stands on the disk. It grants as much as
    it may, or no more than it must.
    """

    def __init__(self, *, slow: bool = False, sparing: bool = False) -> None:
        super().__init__()
        self.slow = slow
        self.sparing = sparing
        self.full = False
        self.failed = False
        self.asked: list[tuple[int, int]] = []
        self.mark = 0
        self._waiting: list[Callable[[], None]] = []

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        self.check()
        if self.full:
            raise StorageError("the disk is full")
        assert mark <= at_most
        self.asked.append((mark, at_most))
        granted = mark if self.sparing else at_most

        def done() -> None:
            self.mark = max(self.mark, granted)
            durable(granted)

        if self.slow:
            self._waiting.append(done)
        else:
            done()

    def check(self) -> None:
        if self.failed:
            raise StorageError("the disk has failed")

    def work(self) -> None:
        """The disk has done all that it was asked for."""
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()
        if waiting:
            self.changed()

    def fail(self) -> None:
        """The disk fails, for good; nobody is called back."""
        self._waiting.clear()
        self.failed = True
        self.changed()


def stream_bytes(size: int, seed: int = 1) -> bytes:
    """The bytes of a stream; the same for both sides."""
    return random.Random(seed).randbytes(size)


def filled(data: bytes, *block_sizes: int, slow: bool = False, sparing: bool = False) -> DiskStream:
    """A store that holds `data`, in one block or in blocks of these sizes."""
    store = DiskStream(slow=slow, sparing=sparing)
    start = 0
    for number, size in enumerate(block_sizes or (len(data),)):
        store.append(number.to_bytes(16, "big"), data[start : start + size])
        start += size
    assert start == len(data)
    return store


def memory_of(store: MemoryStream) -> list[bytearray]:
    """The very memory that the store keeps its unread blocks in."""
    return [block.data for block in store._blocks]
