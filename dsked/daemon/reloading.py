"""What a running node reads again when it is told to (SIGHUP)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from dsked.errors import DskedError

_log = logging.getLogger("dsked")


class Reloads:
    """Parts that can read something again. One that fails goes on with what it has, and so do the others.

    Of a hub with 10,000 clients the file alone takes a second: what is slow is read in a thread, and what was
    read takes effect in the event loop.
    """

    def __init__(self, under_way: Callable[[], contextlib.AbstractContextManager[object]]) -> None:
        """`under_way` is entered while something is read."""
        self._under_way = under_way
        self._reads: list[Callable[[], Callable[[], None]]] = []
        self._calls: list[Callable[[], None]] = []
        self._asked = self._started = False
        self._task: asyncio.Task[None] | None = None

    def add_read(self, read: Callable[[], Callable[[], None]]) -> None:
        """From now on `read`, in a thread, reads something; what it returns is called in the event loop.

        Both may raise DskedError.
        """
        self._reads.append(read)

    def add(self, call: Callable[[], None]) -> None:
        """From now on `call` reads something again, after the threads; it may raise DskedError."""
        self._calls.append(call)

    def start(self) -> None:
        """All parts are there: what was asked for before is done now."""
        self._started = True
        self._begin()

    def ask(self) -> None:
        """Have everything read again, in the order in which it was added; once more where it is under way."""
        self._asked = True
        self._begin()

    def stop(self) -> None:
        """Nothing that is still being read takes effect."""
        self._started = False
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        if self._asked and self._started and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._asked:
                self._asked = False
                with self._under_way():
                    await self._read_all()
        finally:
            self._task = None

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        for read in self._reads:
            with _told():
                (await loop.run_in_executor(None, read))()
        for call in self._calls:
            with _told():
                call()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What fails stands in the log, and the next has its turn."""
    try:
        yield
    except DskedError as error:
        _log.error("%s", error)
    except Exception:
        _log.exception("something could not be read again")
