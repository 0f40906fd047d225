"""GET_SHARES that no client of ours sends: each gets an answer, so that its sender need not wait."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode
from dsked.wire.messages import Confirmed, GetGroup, GetKey, GetShares, Message, Shares
from tests.engines.world import World


def ask(world: World, message: GetShares) -> list[Message | None]:
    """What hub1 answers curtis."""
    answers: list[Message | None] = []
    hub = world.clients["curtis"].hubs.peers[0]
    hub.request(message, lambda answer, now: answers.append(answer) or True)
    world.run_until(lambda: bool(answers), 1.5)
    return answers


@pytest.fixture
def world() -> World:
    return World().start()


@pytest.mark.parametrize("offset", [32, 33, 2**32 - 1])
def test_an_offset_beyond_the_share_is_a_bad_request(world: World, offset: int) -> None:
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    [answer] = ask(world, GetShares([GetGroup("carol", [GetKey(key.key_id, offset)])], 1000, []))
    assert isinstance(answer, Shares)
    assert [(item.key_id, item.code) for item in answer.missing] == [(key.key_id, ErrorCode.BAD_REQUEST)]
    assert world.get_by_id("curtis", "sunny", "sam", [key]) == [key], "nothing is lost by it"


def test_confirmations_alone_are_answered(world: World) -> None:
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    done = [Confirmed("carol", [key.key_id])]
    assert ask(world, GetShares([], 1000, done)) == [Shares([], [])]
    assert len(world.hubs["hub1"].shares) == 0


def test_no_client_waits_longer_than_a_hub_parks(world: World) -> None:
    [answer] = ask(world, GetShares([GetGroup("carol", [GetKey(b"u" * 16, 0)])], 2**32 - 1, []))
    assert isinstance(answer, Shares)
    assert [item.code for item in answer.missing] == [ErrorCode.UNKNOWN_KEY]
