"""A clean stop of the client's engine, at every stage of its connections."""

from __future__ import annotations

import pytest

from dsked.errors import DskedError, ShuttingDownError
from tests.engines.world import World


def registered_hubs(world: World) -> list[str]:
    return [name for name, hub in world.hubs.items() if hub.directory.is_registered("curtis")]


def stop(world: World, client: str) -> None:
    world.clients[client].stop()
    world.clients[client].unregister()


def test_after_a_clean_stop_no_hub_takes_the_client_for_registered() -> None:
    world = World().start()
    stop(world, "curtis")
    world.run_for(0.1)
    assert registered_hubs(world) == []


@pytest.mark.parametrize("steps", range(14))
def test_a_stop_while_connections_are_being_made(steps: int) -> None:
    """Wherever the handshake and the registration stand, none is completed after the stop."""
    world = World(clients={"curtis": ("sunny",)})
    world.end_turns()
    for _ in range(steps):
        world.step()
    stop(world, "curtis")
    world.run_for(0.1)
    assert registered_hubs(world) == []


def test_a_client_that_is_stopping_does_not_dial() -> None:
    world = World().start()
    world.stop_hub("hub1")
    stop(world, "curtis")
    world.start_hub("hub1")
    world.run_for(5)
    assert not any(link.client == "curtis" and link.hub == "hub1" for link in world.links)
    assert registered_hubs(world) == []


def test_a_client_that_is_stopping_takes_no_requests_and_finishes_what_it_has() -> None:
    world = World().start()
    keys = world.pair()
    outcome = world.ask_keys("carol", "sam", ["sunny"])
    world.clients["carol"].stop()
    assert len(world.result(outcome)) == 1, "the hubs still take it for registered"
    with pytest.raises(ShuttingDownError, match="client carol is stopping"):
        world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(ShuttingDownError):
        world.get_by_id("carol", "sam", "sunny", keys)
    answers: list[str | DskedError] = []
    world.clients["carol"].locate("sunny", answers.append, world.now)
    assert [type(answer) for answer in answers] == [ShuttingDownError], "also of what it knows already"
    world.clients["carol"].locate("susan", answers.append, world.now)
    assert [type(answer) for answer in answers] == [ShuttingDownError] * 2, "nobody waits for an answer"


def test_a_client_that_stops_confirms_what_it_has_rebuilt() -> None:
    """Else hubs would keep the shares until they time out, and a hub that drains would wait for it."""
    world = World().start()
    world.pair(3, 256)
    assert len(world.hubs["hub1"].shares) == 3
    stop(world, "curtis")
    world.run_for(0.1)
    assert [len(hub.shares) for hub in world.hubs.values()] == [0] * 5
