"""Faults of the product that the simulation has found, each in as small a world as shows it."""

from __future__ import annotations

import pytest

from dsked.limits import ANSWER_LIMIT_S, FRAME_LIMIT_S
from dsked.wire.messages import PutShares
from tests.engines.world import World


def test_a_lost_answer_ends_the_session_though_nothing_else_is_asked() -> None:
    """An adversary takes one answer away. Noticed with the next request, that one would fail for it."""
    world = World(n=3, k=2).start()
    hub = world.hubs["hub1"]
    put_shares, hub._handlers[PutShares] = hub._handlers[PutShares], lambda *message: None
    world.pair()
    hub._handlers[PutShares] = put_shares
    before = {link.peer.name for link in world.links if link.client == "carol"}
    world.run_for(ANSWER_LIMIT_S + 1)
    assert before == {"hub1", "hub2", "hub3"}
    assert any("hub1: it does not answer" in text for text in world.warnings())
    world.pair()


@pytest.mark.parametrize("to_hub", [True, False])
def test_a_length_that_was_changed_on_its_way_poisons_no_session(to_hub: bool) -> None:
    """Whoever waits for the rest of such a frame closes the connection, though nothing else is said."""
    world = World(n=3, k=2).start()
    [link] = [link for link in world.links if (link.client, link.hub) == ("carol", "hub1")]
    longer = (100_000).to_bytes(4, "big") + b"\x97"
    if to_hub:
        world.hubs["hub1"].receive(link.far, longer, world.now)
    else:
        world.clients["carol"].receive(link.near, longer, world.now)
    world.run_for(FRAME_LIMIT_S - 1)
    assert link.open
    world.run_for(2)
    assert not link.open
    said = "client carol began a frame that did not end" if to_hub else "hub1: a frame that began did not end"
    assert any(said in text for text in world.warnings())
    world.stop_hub("hub2")
    world.pair()


def test_frames_that_end_may_come_slowly_one_after_the_other() -> None:
    world = World(n=3, k=2).start()
    [link] = [link for link in world.links if (link.client, link.hub) == ("carol", "hub1")]
    assert link.near.session is not None
    for _ in range(3):
        link.near.session.ends_to_tell = True
        frame = link.near.data_to_send()
        world.hubs["hub1"].receive(link.far, frame[:7], world.now)
        world.run_for(FRAME_LIMIT_S - 1)
        world.hubs["hub1"].receive(link.far, frame[7:], world.now)
    assert link.open
