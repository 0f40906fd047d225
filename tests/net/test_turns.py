from __future__ import annotations

import asyncio
import socket
import time

import pytest

from dsked.net.turns import Turns, awake_or_asleep

LIMIT_S = 10.0


class FakeEngine:
    def __init__(self) -> None:
        self.deadline: float | None = None
        self.ticks: list[float] = []

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        if self.deadline is not None and self.deadline <= now:
            self.deadline = None

    def next_deadline(self) -> float | None:
        return self.deadline


class Setting:
    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.ended: list[float] = []
        self._end = asyncio.Event()
        self.turns = Turns(self.engine, self._ended)

    def _ended(self, now: float) -> None:
        assert self.engine.ticks[-1] == now, "what is due is done before output leaves"
        self.ended.append(now)
        self._end.set()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.ended) < number:
                self._end.clear()
                await self._end.wait()

    async def until_done(self) -> None:
        """The deadline is passed, whichever turn finds it so: a busy machine's first one may."""
        while self.engine.deadline is not None:
            await self.until(len(self.ended) + 1)


@pytest.fixture
async def setting() -> Setting:
    return Setting()


async def later_turns(number: int = 5) -> None:
    """Let the event loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_many_calls_of_one_turn_end_it_once(setting: Setting) -> None:
    for _ in range(100):
        setting.turns.touch()
    assert setting.ended == []
    await later_turns()
    assert len(setting.ended) == 1
    setting.turns.touch()
    await later_turns()
    assert len(setting.ended) == 2


async def test_a_turn_without_a_call_does_not_end(setting: Setting) -> None:
    await later_turns()
    assert setting.ended == []


async def test_what_the_end_itself_brings_is_a_turn_of_its_own() -> None:
    ends: list[float] = []

    def end(now: float) -> None:
        ends.append(now)
        if len(ends) < 3:
            turns.touch()

    turns = Turns(FakeEngine(), end)
    turns.touch()
    await later_turns(10)
    assert len(ends) == 3


async def test_a_deadline_wakes_the_engine(setting: Setting) -> None:
    setting.engine.deadline = setting.turns.now() + 0.01
    deadline = setting.engine.deadline
    setting.turns.touch()
    await setting.until_done()
    assert setting.ended[-1] >= deadline - 0.002  # uvloop's clock counts milliseconds
    await later_turns()


async def test_an_earlier_deadline_takes_the_place_of_a_later_one(setting: Setting) -> None:
    setting.engine.deadline = setting.turns.now() + 3600
    setting.turns.touch()
    await setting.until(1)
    setting.engine.deadline = setting.turns.now() + 0.01
    setting.turns.touch()
    await setting.until_done()


async def test_a_later_deadline_is_set_anew_when_the_earlier_one_wakes(setting: Setting) -> None:
    setting.engine.deadline = setting.turns.now() + 0.01
    setting.turns.touch()
    await setting.until(1)
    last = setting.engine.deadline = setting.turns.now() + 0.03
    setting.turns.touch()
    await setting.until_done()
    assert setting.ended[-1] >= last - 0.002


async def test_what_is_due_at_once_is_a_turn_of_its_own() -> None:
    """A slice of long work asks for the next turn at once; bytes that have come are read in between."""
    engine, order, loop = FakeEngine(), [], asyncio.get_running_loop()
    reader, writer = socket.socketpair()
    ended = asyncio.Event()
    problems: list[dict[str, object]] = []
    loop.set_exception_handler(lambda loop, problem: problems.append(problem))

    def end(now: float) -> None:
        order.append("turn")
        engine.deadline = now + 1e-6 if len(order) < 50 else None
        turns.touch()  # something else was going on as well
        if len(order) == 10:
            writer.send(b"x")
        if len(order) >= 50:
            ended.set()

    turns = Turns(engine, end)
    with reader, writer:
        loop.add_reader(reader, lambda: order.append(reader.recv(1).decode()))
        turns.touch()
        async with asyncio.timeout(LIMIT_S):
            await ended.wait()
        loop.remove_reader(reader)
    assert problems == []
    assert order.index("x") <= 13, "it waited for the work to end"


async def test_a_clock_that_jumps_makes_due_what_it_has_passed(setting: Setting) -> None:
    """As the machine's does when it has slept; the event loop's timer would come an hour later."""
    slept_s = 0.0
    setting.turns = Turns(setting.engine, setting._ended, lambda: 1000.0 + slept_s)
    setting.engine.deadline = 1000.0 + 3600
    setting.turns.touch()
    await setting.until(1)
    assert setting.ended == [1000.0]
    slept_s = 3600.0
    assert setting.turns.now() == 1000.0 + 3600
    setting.turns.touch()  # whatever comes
    await setting.until(2)
    assert setting.engine.deadline is None, "it is done"
    assert setting.engine.ticks == [1000.0, 4600.0]


async def test_a_deadline_of_a_clock_that_has_jumped_wakes_the_engine_in_time(setting: Setting) -> None:
    ahead_s = 7200.0
    setting.turns = Turns(setting.engine, setting._ended, lambda: awake_or_asleep() + ahead_s)
    deadline = setting.engine.deadline = setting.turns.now() + 0.01
    setting.turns.touch()
    await setting.until_done()
    assert setting.ended[-1] >= deadline


async def test_the_clock_of_engines_goes_on_while_the_machine_sleeps(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {time.CLOCK_MONOTONIC: 50.0, time.CLOCK_BOOTTIME: 5000.0}
    monkeypatch.setattr(time, "clock_gettime", shown.__getitem__)
    assert setting.turns.now() == 5000.0


async def test_after_closing_no_turn_ends_by_itself(setting: Setting) -> None:
    setting.engine.deadline = setting.turns.now() + 0.001
    setting.turns.touch()
    setting.turns.close()
    setting.turns.touch()
    woken = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, woken.set)
    await woken.wait()
    assert setting.ended == []
