from __future__ import annotations

import asyncio
import time

import pytest

from dsked.delivery import status_pages
from dsked.delivery.status_pages import StatusPages
from dsked.errors import DskedError
from dsked.limits import LONG_STATUS_S

LIMIT_S = 10.0


class Made:
    """Makes pages, and remembers when."""

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.turns: list[int] = []
        self.turn = 0

    def __call__(self, first: int) -> str:
        self.firsts.append(first)
        self.turns.append(self.turn)
        return f"page {first}"

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_a_page_is_given_at_once_where_nobody_else_asks() -> None:
    got: list[object] = []
    StatusPages(Made()).ask(0, got.append)
    assert got == ["page 0"]


async def test_all_who_ask_for_a_page_get_the_same() -> None:
    made, got = Made(), list[object]()
    pages = StatusPages(made)
    for _ in range(1000):
        pages.ask(0, got.append)
    assert got == ["page 0"] * 1000
    assert made.firsts == [0]


async def test_a_thousand_pages_are_made_one_in_a_turn() -> None:
    made, got = Made(), asyncio.Queue[object]()
    pages = StatusPages(made)
    turns = asyncio.create_task(made.count_turns())
    for first in range(1000):
        pages.ask(first, got.put_nowait)
    assert made.firsts == [0]
    async with asyncio.timeout(LIMIT_S):
        assert {await got.get() for _ in range(1000)} == {f"page {first}" for first in range(1000)}
    assert len(set(made.turns)) == 1000
    turns.cancel()


async def test_the_first_page_goes_before_others() -> None:
    made, got = Made(), asyncio.Queue[object]()
    pages = StatusPages(made)
    for first in (7, 8, 9, 0):
        pages.ask(first, got.put_nowait)
    async with asyncio.timeout(LIMIT_S):
        for _ in range(4):
            await got.get()
    assert made.firsts == [7, 0, 8, 9]


async def test_a_page_is_made_anew_after_a_while() -> None:
    made, got = Made(), list[object]()
    pages = StatusPages(made)
    async with asyncio.timeout(LIMIT_S):
        while len(made.firsts) < 2:
            pages.ask(0, got.append)
            await asyncio.sleep(0)


async def test_a_page_is_not_kept_because_other_processes_had_the_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has changed what it tells, and asks then, would see it as it was."""
    monkeypatch.setattr(time, "thread_time", lambda: 1.0)  # none of it was ours, however slow the machine
    handed_out = 0

    def make(first: int) -> str:
        time.sleep(20 * LONG_STATUS_S)  # as if others had the core
        return str(handed_out)

    got: list[object] = []
    pages = StatusPages(make)
    pages.ask(0, got.append)
    for _ in range(3):
        await asyncio.sleep(0)
    handed_out = 3
    pages.ask(0, got.append)
    assert got == ["0", "3"]


@pytest.mark.parametrize(
    ("fault", "told"), [(RuntimeError("ours"), "internal error"), (DskedError("no"), "no")]
)
async def test_an_error_is_told_and_the_next_page_is_made(
    fault: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_pages, "STATUS_KEPT_TIMES", 0)
    faults = [fault]

    def make(first: int) -> str:
        if faults:
            raise faults.pop()
        return "page"

    got = asyncio.Queue[object]()
    pages = StatusPages(make)
    pages.ask(0, got.put_nowait)
    pages.ask(100, got.put_nowait)
    async with asyncio.timeout(LIMIT_S):
        assert told in str(await got.get())
        assert await got.get() == "page"
