"""Keys for many responder clients at once: as many as may be asked for, and nobody is kept from his own."""

from __future__ import annotations

import pytest

from dsked.errors import LimitError
from dsked.keys import Outcome
from dsked.limits import FURTHER_CODE_BYTES, MAX_KEY_BYTES_UNDER_WAY, MAX_RESPONDERS

from .world import World

RESPONDERS = [f"sae{i}" for i in range(MAX_RESPONDERS)]
CLIENTS = {"carol": ("sam", "sid")} | {f"client{i}": (name,) for i, name in enumerate(RESPONDERS)}


@pytest.fixture
def world() -> World:
    """Every responder at a client of its own, whom carol knows already."""
    world = World(n=2, k=2, clients=CLIENTS).start()
    world.get_keys("carol", "sam", RESPONDERS, 1)
    return world


def test_the_largest_request_is_served_for_all_its_responders(world: World) -> None:
    keys = world.get_keys("carol", "sam", RESPONDERS, 128)
    for client, served in CLIENTS.items():
        if client != "carol":
            assert world.get_by_id(client, served[0], "sam", keys) == keys


def test_a_flood_of_such_requests_is_refused_at_once_and_others_are_served(world: World) -> None:
    """Each is 4,096 codes, 35 ms of work: one encryptor could hold up all others with a few hundred."""
    carol = world.clients["carol"]
    flood: list[Outcome] = []
    for _ in range(100):
        carol.get_keys("sam", RESPONDERS, 128, 32, flood.append, world.now)
    assert len(flood) >= 90
    assert all(isinstance(outcome, LimitError) for outcome in flood)
    assert len(world.get_keys("carol", "sid", ["sae0"], 128)) == 128
    world.run_for(1.0)
    served = [outcome for outcome in flood if not isinstance(outcome, LimitError)]
    assert len(flood) == 100
    weight = 128 * (4 + (MAX_RESPONDERS - 1) * FURTHER_CODE_BYTES)
    assert len(served) == MAX_KEY_BYTES_UNDER_WAY // 2 // weight


def test_responders_at_one_client_weigh_no_more_than_one(world: World) -> None:
    world = World(n=2, k=2, clients={"carol": ("sam",), "curtis": tuple(RESPONDERS)}).start()
    world.get_keys("carol", "sam", RESPONDERS, 1)
    outcomes: list[Outcome] = []
    for _ in range(100):
        world.clients["carol"].get_keys("sam", RESPONDERS, 128, 32, outcomes.append, world.now)
    assert outcomes == [], "none is refused"
