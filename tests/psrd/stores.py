"""Stores for the tests: filled ones, and one whose disk is slow or full."""

from __future__ import annotations

import random
from collections.abc import Callable

from dsked.errors import StorageError
from dsked.psrd.store import MemoryStream


class DiskStream(MemoryStream):
    """A stream whose marks become durable when the test lets the disk work, or never.

    `asked` are the requests, as (mark, at most); `mark` is what stands on the disk. It grants as much as
    it may, or no more than it must. A full disk writes nothing; a lost one is not even asked any more.
    """

    def __init__(self, *, slow: bool = False, sparing: bool = False) -> None:
        super().__init__()
        self.slow = slow
        self.sparing = sparing
        self.full = False
        self.lost = False
        self.asked: list[tuple[int, int]] = []
        self.mark = 0
        self._failed = False
        self._waiting: list[tuple[int, Callable[[int], None]]] = []

    def reserve(self, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
        if self.lost:
            self.check()
        assert mark <= at_most
        self.asked.append((mark, at_most))
        self._failed = False
        self._waiting.append((mark if self.sparing else at_most, durable))
        if not self.slow:
            self._write()

    def check(self) -> None:
        if self._failed or self.lost:
            raise StorageError("the disk has failed")

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._failed = self.full or self.lost
        for granted, durable in waiting:
            self.mark = self.mark if self._failed else max(self.mark, granted)
            durable(self.mark)

    def work(self) -> None:
        """The disk does all that it was asked for, or fails in it."""
        if self._waiting or self.lost:
            self._write()
            self.changed()

    def lose(self) -> None:
        """The disk fails, for good."""
        self.lost = True
        self.work()


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
