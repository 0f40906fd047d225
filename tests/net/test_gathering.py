"""Requests that come one after the other share a turn, and so their frames."""

from __future__ import annotations

import asyncio

import pytest

from dsked.limits import GATHER_QUIET_ITERATIONS, GATHER_S
from dsked.net.client_node import ClientNode
from dsked.net.turns import Gathering, Turns
from tests.net.nodes import Nodes, free_port

LIMIT_S = 10.0


class IdleEngine:
    def tick(self, now: float) -> None:
        pass

    def next_deadline(self) -> float | None:
        return None


async def iterations(number: int) -> None:
    """Let the event loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture
async def ends() -> list[float]:
    return []


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet iterations alone end a turn, however busy the machine is."""
    monkeypatch.setattr("dsked.net.turns.GATHER_S", LIMIT_S)


@pytest.fixture
async def turns(unhurried: None, ends: list[float]) -> Turns:
    return Turns(IdleEngine(), ends.append)


# --- how long ---


def test_it_ends_when_nothing_has_come_for_so_many_iterations() -> None:
    gathering = Gathering(1.0)
    assert [gathering.goes_on(1.0) for _ in range(GATHER_QUIET_ITERATIONS + 1)] == [
        *[True] * GATHER_QUIET_ITERATIONS,
        False,
    ]


def test_whatever_comes_makes_it_wait_anew() -> None:
    gathering = Gathering(1.0)
    for _ in range(3):
        for _ in range(GATHER_QUIET_ITERATIONS):
            assert gathering.goes_on(1.0)
        gathering.came()
    for _ in range(GATHER_QUIET_ITERATIONS):
        assert gathering.goes_on(1.0)
    assert not gathering.goes_on(1.0)


@pytest.mark.parametrize(("after_s", "goes_on"), [(0.9 * GATHER_S, True), (1.1 * GATHER_S, False)])
def test_it_ends_though_there_is_more_to_come(after_s: float, goes_on: bool) -> None:
    gathering = Gathering(1.0)
    gathering.came()
    assert gathering.goes_on(1.0 + after_s) is goes_on


# --- turns ---


async def test_what_comes_in_iterations_of_its_own_is_one_turn(turns: Turns, ends: list[float]) -> None:
    for _ in range(20):
        turns.gather(alone=False)
        await iterations(GATHER_QUIET_ITERATIONS - 1)
        turns.touch()  # a hub answers meanwhile
    assert ends == []
    await iterations(GATHER_QUIET_ITERATIONS + 2)
    assert len(ends) == 1


async def test_the_turn_after_a_gathering_ends_at_once(turns: Turns, ends: list[float]) -> None:
    turns.gather(alone=False)
    await iterations(GATHER_QUIET_ITERATIONS + 2)
    turns.touch()
    await iterations(2)
    assert len(ends) == 2


async def test_a_turn_that_was_about_to_end_gathers_as_well(turns: Turns, ends: list[float]) -> None:
    turns.touch()
    turns.gather(alone=False)
    await iterations(GATHER_QUIET_ITERATIONS)
    assert ends == []
    await iterations(2)
    assert len(ends) == 1


async def test_a_request_alone_ends_its_turn_at_once(turns: Turns, ends: list[float]) -> None:
    for number in range(1, 4):
        turns.gather(alone=True)
        await iterations(2)
        assert len(ends) == number


async def test_a_request_alone_waits_where_the_last_one_had_company(turns: Turns, ends: list[float]) -> None:
    """Replies to a group make their receivers ask again, one by one: the first of them is alone."""
    for _ in range(2):
        turns.gather(alone=True)
    await iterations(GATHER_QUIET_ITERATIONS + 2)
    turns.touch()  # a hub's answer is no request
    await iterations(2)
    assert len(ends) == 2
    turns.gather(alone=True)
    await iterations(GATHER_QUIET_ITERATIONS)
    assert len(ends) == 2
    await iterations(2)
    turns.gather(alone=True)
    await iterations(2)
    assert len(ends) == 4, "the second one waits no more"


async def test_nobody_holds_a_turn_up_for_good(
    turns: Turns, ends: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.net.turns.GATHER_S", GATHER_S)
    async with asyncio.timeout(LIMIT_S):
        while not ends:
            turns.gather(alone=False)
            await asyncio.sleep(0)


async def test_what_gathers_when_it_is_closed_ends_no_turn(turns: Turns, ends: list[float]) -> None:
    turns.gather(alone=False)
    turns.close()
    await iterations(GATHER_QUIET_ITERATIONS + 2)
    assert ends == []


# --- requests ---


@pytest.fixture
async def client(unhurried: None, nodes: Nodes) -> ClientNode:
    """A client whose hubs are not there: requests are answered when their turn ends."""
    return await nodes.client("carol", {"hank": free_port(), "helen": free_port()})


async def test_a_request_alone_waits_for_nobody(client: ClientNode) -> None:
    await iterations(2 * GATHER_QUIET_ITERATIONS)
    outcomes: list[object] = []
    client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
    await iterations(2)
    client.get_keys_by_id("sam", "sunny", [bytes(16)], outcomes.append)
    await iterations(2)
    assert len(outcomes) == 2


async def test_requests_beside_others_wait_for_more(nodes: Nodes, client: ClientNode) -> None:
    outcomes: list[object] = []
    for number in range(8):
        client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
        client.get_keys_by_id("sam", "sunny", [bytes([number]) * 16], outcomes.append)
        await iterations(GATHER_QUIET_ITERATIONS - 1)
    assert outcomes == []
    await nodes.until(lambda: bool(outcomes))  # later where a hub's refusal comes in between
    assert len(outcomes) == 16
