"""Real daemons, and a process that holds back every byte; nothing but what a distance forces is timed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from bench_distance import HUBS, Distant
from benching.topologies import CLIENTS

from dsked.keys import Key

ROUND_TRIP_S = 0.01


@pytest.fixture(scope="module")
def distant() -> Iterator[Distant]:
    with Distant() as distant:
        yield distant


def pair(distant: Distant, number: int = 1) -> tuple[list[Key], list[Key], float, float]:
    """The keys at both ends, and the seconds that the two halves took."""
    carol, curtis = (distant.lab.control(name) for name in CLIENTS)
    with carol, curtis:
        begin = time.perf_counter()
        keys = carol.get_keys(["sunny"], number)
        middle = time.perf_counter()
        found = curtis.get_keys_by_id("sam", [key.key_id for key in keys])
        return keys, found, middle - begin, time.perf_counter() - middle


@pytest.mark.parametrize("number", [1, 128])
def test_no_half_is_faster_than_its_round_trip(distant: Distant, number: int) -> None:
    distant.put((1000 * ROUND_TRIP_S,) * HUBS)
    for _ in range(3):
        mine, theirs, *halves = pair(distant, number)
        assert theirs == mine
        assert len(mine) == number
        assert min(halves) >= ROUND_TRIP_S


def test_what_passes_through_is_not_changed(distant: Distant) -> None:
    """A key of 64 KiB, the blocks and the shares that it takes, over distances that change meanwhile."""
    with distant.lab.control("carol") as carol, distant.lab.control("curtis") as curtis:
        distant.put((0.0, 1.0, 2.0, 3.0, 4.0))
        keys = carol.get_keys(["sunny"], 1, 8 * 64 * 1024)
        distant.put((4.0, 3.0, 2.0, 1.0, 0.0))
        assert curtis.get_keys_by_id("sam", [key.key_id for key in keys]) == keys


def test_the_bare_round_trip_is_the_one_that_was_put_there(distant: Distant) -> None:
    distant.put((0.0,) * HUBS, 1000 * ROUND_TRIP_S)
    assert distant.bare_ms() >= 1000 * ROUND_TRIP_S
