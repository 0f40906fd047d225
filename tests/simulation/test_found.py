"""Faults of the product that the simulation has found, each in as small a world as shows it."""

from __future__ import annotations

from dsked.limits import ANSWER_LIMIT_S
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
