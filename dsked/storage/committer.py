"""Makes marks durable and overwrites what was used: one round after the other, in a thread of its own.

A round takes all streams that asked meanwhile: their slots are written, and one sync commits them all.
So the more asks, the fewer syncs for each. Nothing is overwritten on the disk above a durable mark: a
crash would find zeros where the mark still promises bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from dsked.errors import StorageError
from dsked.limits import WIPE_INTERVAL_S, WIPE_SYNC_BYTES
from dsked.notice import Notice
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.durable_stream import DurableStream
from dsked.storage.marks import Mark, MarkFile
from dsked.storage.open_blocks import OpenBlocks, block_path

T = TypeVar("T")
Post = Callable[[Callable[[], None]], None]


class Committer:
    """The work itself, a round at a time. `post` calls something in the event loop's thread."""

    def __init__(self, marks: MarkFile, blocks: OpenBlocks, post: Post, notice: Notice) -> None:
        self.marks = marks
        self._blocks = blocks
        self._files = blocks.files
        self._post = post
        self._notice = notice
        self._asked: dict[DurableStream, None] = {}
        self._chores: deque[Iterator[None]] = deque()  # long erasures, a piece a round
        self._said: set[str] = set()
        self.broken: StorageError | None = None  # why nothing is made durable any more

    def submit(self, stream: DurableStream) -> None:
        """There is something to do for a stream. From the event loop's thread."""
        self._asked[stream] = None
        if self.broken is not None:
            self._fail([stream], self.broken, lost=True)

    def break_down(self, error: Exception) -> None:
        """A fault of ours has ended the work: nothing is made durable any more, and everybody is told."""
        self.broken = StorageError(f"marks are not written any more ({type(error).__name__})")
        self._fail(list(self._asked), self.broken, lost=True)

    def add_chore(self, chore: Iterator[None]) -> None:
        """Long work in small pieces, which marks do not wait for."""
        self._chores.append(chore)

    def commit(self) -> None:
        """Makes durable all marks that are asked for."""
        asked = [(stream, stream.target) for stream in tuple(self._asked) if stream.target > stream.committed]
        if not asked:
            return
        slots = [(stream.slot, Mark(stream.stream_id, target, stream.erased)) for stream, target in asked]
        lost = False
        try:
            self.marks.write(slots)
            lost = True
            self.marks.sync()
        except StorageError as error:
            self._fail([stream for stream, _ in asked], error, lost=lost)
            return
        for stream, target in asked:
            stream.committed = target
        self._post(partial(_tell, [stream for stream, _ in asked]))

    def _fail(self, streams: list[DurableStream], error: StorageError, *, lost: bool) -> None:
        for stream in streams:
            self._asked.pop(stream, None)
            stream.target = stream.committed
            self._post(partial(stream.failed, error, lost=lost))
        after = "these pools stay closed until the node is started anew" if lost else "it is tried again"
        self._say(logging.ERROR, f"{len(streams)} pools: {error}; {after}")

    def wipe(self, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Overwrites on the disk what is used, below the durable marks.

        False where it was `interrupted` between two streams: marks do not wait for it.
        """
        for stream in tuple(self._asked):
            self._wipe(stream)
            del self._asked[stream]  # before the question: the other thread may put it back meanwhile
            if stream.target > stream.committed or stream.wiped < stream.used:
                self._asked[stream] = None
            if interrupted():
                return False
        return True

    def _wipe(self, stream: DurableStream) -> None:
        end = min(stream.used, stream.committed)
        try:
            while stream.unwiped and stream.wiped < end:
                self._wipe_block(stream, stream.unwiped[0], end)
        except StorageError as error:
            stream.wiped = stream.erased  # a failed sync may have lost all zeros since the last one
            self._say(logging.ERROR, f"used bytes could not be overwritten: {error}")

    def _wipe_block(self, stream: DurableStream, info: BlockInfo, end: int) -> None:
        low, high = max(stream.wiped, info.start), min(end, info.end)
        path = block_path(self._blocks.directory, info.uuid)
        if high < info.end or self._files.exists(path):
            file = self._blocks.get(info.uuid)
            block_file.wipe(self._files, file, info.size, low - info.start, high - info.start)
            if high == info.end or high - stream.erased >= WIPE_SYNC_BYTES:
                self._files.sync_data(file)  # before a removal: else the system drops the zeros with the file
                stream.erased = high
            if high == info.end:
                self._blocks.forget(info.uuid)
                self._files.remove(path)
        if high == info.end:
            del stream.unwiped[0]
            stream.erased = high
        stream.wiped = high

    def do_chore(self) -> bool:
        """One piece of long work; False if there is none."""
        if not self._chores:
            return False
        try:
            next(self._chores[0])
        except StopIteration:
            self._chores.popleft()
        except StorageError as error:
            self._chores.popleft()
            self._say(logging.ERROR, f"used or unwanted bytes could not be overwritten: {error}")
        return True

    @property
    def has_chores(self) -> bool:
        """True while long work is left."""
        return bool(self._chores)

    @property
    def is_asked(self) -> bool:
        """True while a stream waits for a mark or has used bytes on the disk."""
        return bool(self._asked)

    def _say(self, level: int, text: str) -> None:
        """The same trouble once, however often it comes."""
        if text not in self._said:
            self._said.add(text)
            self._post(partial(self._notice, level, text))


def _tell(streams: list[DurableStream]) -> None:
    for stream in streams:
        stream.is_durable()


class CommitterThread:
    """The thread of a node's committer. `run` lends it to other work on the same files."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._condition = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_told = False
        self._stopping = False
        self._next_wipe_s = 0.0
        self._thread = threading.Thread(target=self._work, name="dsked-committer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, stream: DurableStream) -> None:
        """There is something to do for a stream. From the event loop's thread.

        A mark is made durable at once; used bytes wait for the next time that bytes are overwritten.
        """
        is_first = not self._committer.is_asked
        self._committer.submit(stream)
        if stream.target > stream.committed:
            self._tell()
        elif is_first:
            with self._condition:
                self._condition.notify()

    def _tell(self) -> None:
        with self._condition:
            self._is_told = True
            self._condition.notify()

    def run(self, job: Callable[[], T]) -> Future[T]:
        """Does `job` between two rounds; its result or its exception is the future's."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                if self._committer.broken is not None:
                    raise self._committer.broken
                result = job()
            except BaseException as error:  # whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.append(work)
        self._tell()
        if self._committer.broken is not None:
            self._do_jobs()
        return future

    def close(self) -> None:
        """Does what was asked for, overwrites what was used, and ends. Long erasures are left."""
        self._stopping = True
        self._tell()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._stopping:
                self._wait()
                self._round()
            self._round()
            self._committer.wipe()
        except Exception as error:
            self._committer.break_down(error)
            self._do_jobs()
            raise  # the interpreter prints where it was

    def _round(self) -> None:
        self._committer.commit()
        self._do_jobs()
        self._committer.do_chore()
        if time.monotonic() >= self._next_wipe_s and self._committer.wipe(lambda: self._is_told):
            self._next_wipe_s = time.monotonic() + WIPE_INTERVAL_S

    def _do_jobs(self) -> None:
        while self._jobs:
            self._jobs.popleft()()

    def _wait(self) -> None:
        with self._condition:
            while not self._is_told and not self._committer.has_chores:
                wait_s = self._next_wipe_s - time.monotonic() if self._committer.is_asked else None
                if wait_s is not None and wait_s <= 0:
                    break
                self._condition.wait(wait_s)
            self._is_told = False
