"""More keys than the windows of pools on media let through, in simulated time: what fits is served.

The smallest window (16 KiB) carries 256 keys of 256 bits a round trip. Requests beyond that must
neither starve each other nor what comes after them.
"""

from __future__ import annotations

import pytest

from dsked.errors import LimitError, TooFewHubsError
from dsked.limits import ACK_GRACE_S, ACK_LIMIT_S, WINDOW_MIN_BYTES
from dsked.wire.session import Session
from tests.distance.loads import Fetching, Load
from tests.engines.media_world import SIZE, MediaWorld

HUBS = [f"hub{number}" for number in range(1, 6)]
CLIENTS = {"carol": ("sam",), "curtis": ("sunny",)}
PAD_BYTES = 64  # of a key of 256 bits, for each hub
ROUND_TRIP_S = 0.2


def new_world(round_trips_s: list[float], *, known: bool = True, share_timeout_s: float = 60.0) -> MediaWorld:
    """Pools with the smallest window; `known`: the client has seen an acknowledgement of each hub."""
    world = MediaWorld(size=2 * SIZE, clients=CLIENTS, share_timeout_s=share_timeout_s)
    world.window = WINDOW_MIN_BYTES
    world.hubs = {name: world.new_hub(name) for name in world.hub_names}
    world.clients = {name: world.new_client(name) for name in CLIENTS}
    world.start()
    world.delays.update({hub: seconds / 2 for hub, seconds in zip(HUBS, round_trips_s, strict=True)})
    if known:
        world.pair()
        world.run_for(1.0)
    return world


def sessions(world: MediaWorld) -> list[Session]:
    """Those of carol, who establishes the keys."""
    found = [link.near.session for link in world.links if link.client == "carol"]
    return [session for session in found if session is not None]


def keys_at(world: MediaWorld, hub: str) -> int:
    """Shares that a hub holds of carol's keys."""
    return world.hubs[hub].shares.counts("carol")[0]


@pytest.mark.parametrize(
    ("requesters", "round_trip_s", "part"), [(4, 0.2, 0.8), (8, 0.2, 0.9), (32, 0.2, 0.9), (8, 0.5, 0.6)]
)
def test_however_many_ask_a_window_of_keys_is_served_in_each_round_trip(
    requesters: int, round_trip_s: float, part: float
) -> None:
    load = Load(new_world([round_trip_s] * 5), requesters)
    load.run(1.0)
    assert load.run(2.0) >= part * WINDOW_MIN_BYTES / PAD_BYTES / round_trip_s


def test_what_is_too_much_is_refused_at_once() -> None:
    load = Load(new_world([ROUND_TRIP_S] * 5), 16)
    load.run(2.0)
    assert set(load.refusals) == {LimitError}
    assert load.longest_refusal_s == 0.0


def test_as_much_as_comes_through_in_time_is_not_refused() -> None:
    load = Load(new_world([ROUND_TRIP_S] * 5), 4)
    load.run(2.0)
    assert not load.refusals


def test_what_was_given_up_does_not_leave_and_keeps_nobody_waiting() -> None:
    """Before the first acknowledgement a client cannot know how much is too much."""
    world = new_world([ROUND_TRIP_S] * 5, known=False)
    for _ in range(2):  # the directory is asked first
        outcomes = [world.ask_keys("carol", "sam", ["sunny"], 128) for _ in range(32)]
        world.run_until(lambda all_of=outcomes: all(all_of))  # type: ignore[misc]
        if any(isinstance(outcome[0], TooFewHubsError) for outcome in outcomes):
            break
    else:
        pytest.fail("all of them came through")
    assert [session.pads_wanted for session in sessions(world)] == [0] * 5
    used = [session.streams.local.next for session in sessions(world)]
    world.run_for(2.0)
    assert [session.streams.local.next for session in sessions(world)] == used
    begin = world.now
    world.get_keys("carol", "sam", ["sunny"], 128)
    assert world.now - begin == pytest.approx(ROUND_TRIP_S, abs=ROUND_TRIP_S / 10)


def test_what_succeeded_reaches_the_slow_hubs_in_the_end() -> None:
    world = new_world([0.01, 0.01, 0.01, 0.4, 0.4])
    load = Load(world, 2, fetching=False)
    load.run(0.5)
    load.stop()
    load.run(1.0)
    assert keys_at(world, "hub1") >= load.nr_given > 1000
    assert keys_at(world, "hub5") < load.nr_given / 2
    load.run(30.0)
    assert [keys_at(world, hub) for hub in HUBS] == [load.nr_given] * 5


def test_hubs_with_a_backlog_serve_new_keys_at_once_when_a_near_one_is_gone() -> None:
    world = new_world([0.01, 0.01, 0.01, 0.2, 0.2])
    load = Load(world, 2, fetching=False)
    load.run(0.5)
    load.stop()
    world.run_for(0.1)
    assert keys_at(world, "hub5") < load.nr_given / 2
    world.stop_hub("hub1")
    world.run_for(0.05)
    begin = world.now
    world.get_keys("carol", "sam", ["sunny"], 128)
    assert world.now - begin < ACK_LIMIT_S


def test_a_hub_that_was_away_serves_new_keys_before_old_ones() -> None:
    world = new_world([0.01, 0.01, 0.01, 0.2, 0.2])
    world.stop_hub("hub5")
    load = Load(world, 2, fetching=False)
    load.run(0.5)
    load.stop()
    world.run_for(1.0)
    world.start_hub("hub5")
    world.run_for(3.0)
    old = keys_at(world, "hub5")
    assert 0 < old < load.nr_given
    world.stop_hub("hub1")
    world.stop_hub("hub2")
    world.run_for(0.01)
    begin = world.now
    world.get_keys("carol", "sam", ["sunny"], 128)
    assert world.now - begin <= 3 * ROUND_TRIP_S + ACK_GRACE_S
    load.run(20.0)
    assert keys_at(world, "hub5") == load.nr_given + 128


@pytest.mark.parametrize("requesters", [8, 16])
def test_however_many_keys_are_fetched_a_window_of_them_comes_in_each_round_trip(requesters: int) -> None:
    world = new_world([0.001] * 5)
    load = Fetching(world, requesters, nr_batches=50)
    world.delays.update(dict.fromkeys(HUBS, ROUND_TRIP_S / 2))
    assert load.run(2.0) >= 0.9 * WINDOW_MIN_BYTES / PAD_BYTES / ROUND_TRIP_S
    assert set(load.refusals) <= {LimitError}
