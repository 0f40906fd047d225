"""Authenticated peers that say anything: the other end answers, or closes that session, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.wire.messages import SEALED_TYPES, Message, MessageType
from tests.attacks.content import messages
from tests.engines.world import Link, World

_SETTINGS = settings(max_examples=30, deadline=None, derandomize=True, database=None)
_SENT = st.lists(st.tuples(st.integers(0, 12), messages()), min_size=1, max_size=6)


def _say(connection: Any, own: MessageType, sent: list[tuple[int, Message]]) -> None:
    for request_id, message in sent:
        if message.type == own:
            connection.send_sealed(request_id, message)
        elif message.type not in SEALED_TYPES and connection.session is not None:
            connection.send(request_id, message)


def _link(world: World, client: str, hub: str) -> Link:
    return next(link for link in world.links if (link.client, link.hub) == (client, hub))


@_SETTINGS
@given(st.lists(st.tuples(st.sampled_from(["carol", "celia", "curtis"]), _SENT), min_size=1, max_size=3))
def test_a_hub_survives_what_its_clients_say(said: list[tuple[str, list[tuple[int, Message]]]]) -> None:
    world = World(n=3, k=2).start()
    for client, sent in said:
        if any(link.client == client and link.hub == "hub1" for link in world.links):
            _say(_link(world, client, "hub1").near, MessageType.PSRD_REQUEST, sent)
        world.run_for(0.01)
    world.run_for(1.2)
    world.start()
    world.pair()


@_SETTINGS
@given(st.lists(_SENT, min_size=1, max_size=3), st.booleans())
def test_a_client_survives_what_a_hub_says(said: list[list[tuple[int, Message]]], fetching: bool) -> None:
    """Hub 1 says anything to initiator and responder while a key is under way: the key comes all the same."""
    world = World(n=4, k=2).start()
    client = "curtis" if fetching else "carol"
    keys = world.get_keys("carol", "sam", ["sunny"]) if fetching else []
    outcome = (
        world.ask_by_id("curtis", "sunny", "sam", keys)
        if fetching
        else world.ask_keys("carol", "sam", ["sunny"])
    )
    for sent in said:
        if any(link.client == client and link.hub == "hub1" for link in world.links):
            _say(_link(world, client, "hub1").far, MessageType.PSRD_BLOCK, sent)
        world.end_turns()
    found = world.result(outcome)
    assert not fetching or found == keys
    world.run_for(1.2)
