"""What is read again: in a thread, one reload after the other, and nothing once the node stops."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from dsked.daemon.reloading import Reloads
from dsked.errors import ConfigurationError


class Slow:
    """Reads for as long as the test likes."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.may_end = threading.Event()
        self.nr_reads = 0
        self.applied: list[int] = []

    def read(self) -> Callable[[], None]:
        assert threading.current_thread() is not threading.main_thread()
        self.nr_reads += 1
        found = self.nr_reads
        self.loop.call_soon_threadsafe(self.begun.set)
        assert self.may_end.wait(60)
        return lambda: self._apply(found)

    def _apply(self, found: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.applied.append(found)


@contextlib.contextmanager
def ended(done: asyncio.Semaphore) -> Iterator[None]:
    yield
    done.release()


async def test_one_that_fails_is_logged_and_keeps_no_other_from_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    over = asyncio.Semaphore(0)
    reloads, done = Reloads(lambda: ended(over)), list[str]()

    def failing() -> None:
        raise ConfigurationError("users: there is no user nobody-here")

    def broken() -> Callable[[], None]:
        raise ZeroDivisionError

    reloads.add_read(broken)
    reloads.add_read(lambda: lambda: done.append("read"))
    reloads.add(failing)
    reloads.add(lambda: done.append("last"))
    reloads.start()
    reloads.ask()
    await over.acquire()
    assert done == ["read", "last"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert caplog.messages[1] == "users: there is no user nobody-here"


async def test_signals_during_a_reload_have_one_more_follow_and_the_loop_goes_on() -> None:
    over, slow = asyncio.Semaphore(0), Slow()
    reloads = Reloads(lambda: ended(over))
    reloads.add_read(slow.read)
    reloads.start()
    reloads.ask()
    await slow.begun.wait()  # the loop runs while the thread reads
    for _ in range(5):
        reloads.ask()
    slow.may_end.set()
    await over.acquire()
    await over.acquire()
    await asyncio.sleep(0)
    assert (slow.nr_reads, slow.applied) == (2, [1, 2])
    assert over.locked()


async def test_what_is_being_read_while_the_node_stops_takes_no_effect() -> None:
    over, slow = asyncio.Semaphore(0), Slow()
    called: list[bool] = []
    reloads = Reloads(lambda: ended(over))
    reloads.add_read(slow.read)
    reloads.add(lambda: called.append(True))
    reloads.start()
    reloads.ask()
    await slow.begun.wait()
    reloads.stop()
    reloads.ask()  # too late
    slow.may_end.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    assert (slow.nr_reads, slow.applied, called) == (1, [], [])


async def test_what_is_asked_for_before_all_parts_are_there_is_done_then() -> None:
    over, done = asyncio.Semaphore(0), list[str]()
    reloads = Reloads(lambda: ended(over))
    reloads.ask()
    reloads.add(lambda: done.append("a part that came later"))
    assert done == []
    reloads.start()
    await over.acquire()
    assert done == ["a part that came later"]
