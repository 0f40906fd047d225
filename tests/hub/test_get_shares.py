"""GET_SHARES that no client of ours sends: each gets an answer, so that its sender need not wait."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode
from dsked.wire.messages import Confirmed, GetGroup, GetShares, Message, Shares
from tests.engines.world import World


def ask(world: World, message: GetShares) -> list[Message | None]:
    """What hub1 answers curtis."""
    answers: list[Message | None] = []
    hub = world.clients["curtis"].hubs.peers[0]
    hub.request(message, lambda answer, now: answers.append(answer) or True)
    world.run_until(lambda: bool(answers), 1.5)
    return answers


def missing(answer: Message | None) -> list[tuple[bytes, int]]:
    """Key IDs, as columns, and why there is no share."""
    assert isinstance(answer, Shares) and not answer.groups
    return [(one.key_ids, one.code) for one in answer.missing]


@pytest.fixture
def world() -> World:
    return World().start()


@pytest.mark.parametrize("offset", [32, 33, 2**32 - 1])
def test_an_offset_beyond_the_share_is_a_bad_request(world: World, offset: int) -> None:
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    [answer] = ask(world, GetShares([GetGroup("carol", key.key_id, offset)], 1000, []))
    assert missing(answer) == [(key.key_id, ErrorCode.BAD_REQUEST)]
    assert world.get_by_id("curtis", "sunny", "sam", [key]) == [key], "nothing is lost by it"


def test_an_offset_for_several_keys_is_a_bad_request(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"], 2, 256)
    column = keys[0].key_id + keys[1].key_id
    [answer] = ask(world, GetShares([GetGroup("carol", column, 1)], 1000, []))
    assert missing(answer) == [(column, ErrorCode.BAD_REQUEST)]
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys, "nothing is lost by it"


def test_an_offset_beyond_a_share_that_came_later_is_a_bad_request(world: World) -> None:
    world.freeze("hub1")
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    asked = ask_later(world, GetShares([GetGroup("carol", key.key_id, 32)], 1000, []))
    world.thaw("hub1")
    world.run_until(lambda: bool(asked), 1.5)
    assert missing(asked[0]) == [(key.key_id, ErrorCode.BAD_REQUEST)]


def ask_later(world: World, message: GetShares) -> list[Message | None]:
    """Ask hub1 for curtis; the answers are appended to the list that is returned."""
    answers: list[Message | None] = []
    world.clients["curtis"].hubs.peers[0].request(message, lambda answer, now: answers.append(answer) or True)
    return answers


def test_confirmations_alone_are_answered(world: World) -> None:
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    done = [Confirmed("carol", key.key_id)]
    assert ask(world, GetShares([], 1000, done)) == [Shares([], [])]
    assert len(world.hubs["hub1"].shares) == 0


def test_no_client_waits_longer_than_a_hub_parks(world: World) -> None:
    [answer] = ask(world, GetShares([GetGroup("carol", b"u" * 16, 0)], 2**32 - 1, []))
    assert missing(answer) == [(b"u" * 16, ErrorCode.UNKNOWN_KEY)]


def test_who_does_not_want_to_wait_is_told_at_once_of_keys_that_are_not_there(world: World) -> None:
    [key] = world.get_keys("carol", "sam", ["sunny"], 1, 256)
    column = b"u" * 16 + key.key_id + b"v" * 16 + b"u" * 16
    before = world.now
    [answer] = ask(world, GetShares([GetGroup("carol", column, 0)], 0, []))
    assert world.now < before + 0.1
    assert isinstance(answer, Shares)
    assert [group.key_ids for group in answer.groups] == [key.key_id]
    assert [(one.key_ids, one.code) for one in answer.missing] == [
        (b"u" * 16 + b"v" * 16, ErrorCode.UNKNOWN_KEY)
    ]
