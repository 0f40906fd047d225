"""A local user, allowed to act for one encryptor, attacks its client and the other encryptors there."""

from __future__ import annotations

import time

import pytest

from dsked.client import initiator
from dsked.errors import DskedError, LimitError, UnknownEncryptorError, UnknownKeyError
from tests.engines.world import World


@pytest.fixture
def world() -> World:
    return World().start()


def _ids(start: int, number: int = 128) -> list[bytes]:
    return [index.to_bytes(16, "big") for index in range(start, start + number)]


@pytest.mark.parametrize("name", ["", "x" * 129, "\U0001f511" * 33, "\ud800", "x" * 1_000_000])
def test_a_name_that_no_encryptor_can_have_costs_no_session(world: World, name: str) -> None:
    sessions = list(world.links)
    for outcome in (
        world.ask_keys("carol", "sam", [name]),
        world.ask_by_id("curtis", "sunny", name, [bytes(16)]),
    ):
        with pytest.raises(UnknownEncryptorError):
            world.result(outcome)
    world.pair()
    assert world.links == sessions


def test_unknown_key_ids_leave_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of fetches is for those under way: it must not stay reached for a minute, or for ever."""
    monkeypatch.setattr("dsked.client.fetches.MAX_FETCHES", 1000)
    for start in range(0, 3 * 1024, 256):
        outcome = world.ask_by_id("curtis", "sunny", "sam", _ids(start))
        with pytest.raises(UnknownKeyError):
            world.result(outcome)
    world.pair()


def test_limits_of_the_responder_are_reached_for_a_while_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.client.delivered.MAX_REMEMBERED_DELIVERIES", 4)
    world.get_by_id("curtis", "sunny", "sam", world.get_keys("carol", "sam", ["sunny"], 4))
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(LimitError):
        world.get_by_id("curtis", "sunny", "sam", keys)
    world.run_for(62.0)
    world.pair()


def test_one_encryptor_does_not_use_up_what_others_may_ask_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsked.client.fetches.MAX_FETCHES", 4096)
    keys = world.get_keys("carol", "sam", ["susan"])
    greedy = [world.ask_by_id("curtis", "sunny", "sam", _ids(start)) for start in range(0, 8192, 128)]
    assert world.get_by_id("curtis", "susan", "sam", keys) == keys
    world.run_for(1.1)
    assert any(isinstance(outcome[0], LimitError) for outcome in greedy)
    assert all(len(outcome) == 1 for outcome in greedy)


def test_many_requests_for_the_same_keys_cost_no_square(world: World) -> None:
    """500 requests for the same 128 keys, and each answer of a hub about all of them."""
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", _ids(0)) for _ in range(500)]
    start = time.process_time()
    world.run_for(1.1)
    spent = time.process_time() - start
    assert all(len(outcome) == 1 for outcome in outcomes)
    assert spent < 5.0  # some 0.3 s; the square took minutes
    world.pair()


@pytest.mark.full
def test_keys_under_way_end_at_a_number_of_bytes(world: World) -> None:
    """1000 requests for the largest key are 30 bytes each to ask for and 12 MB each to deal."""
    world.pair()
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 1, 16_777_216) for _ in range(100)]
    refused = [outcome for outcome in outcomes if outcome]
    assert len(refused) >= 90 and all(isinstance(outcome[0], LimitError) for outcome in refused)
    assert len(world.get_keys("celia", "serena", ["sunny"])) == 1
    world.run_until(lambda: all(outcomes))
    assert sum(not isinstance(outcome[0], DskedError) for outcome in outcomes) >= 1
    world.pair()


def test_one_key_asked_for_twice_at_once_is_given_once(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", keys) for _ in range(3)]
    world.end_turns()
    outcomes += [world.ask_by_id("curtis", "sunny", "sam", keys) for _ in range(3)]
    world.run_for(1.2)
    assert sum(outcome == [keys] for outcome in outcomes) == 1
    assert all(isinstance(outcome[0], DskedError) for outcome in outcomes if outcome != [keys])


def test_many_large_keys_fetched_at_once_cost_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More from each hub than it may keep for a client that does not read: the rest follows later."""
    for module in ("dsked.hub.share_desk", "dsked.wire.session"):
        monkeypatch.setattr(f"{module}.MAX_OUTBOX_BYTES", 600_000)
    batches = [world.get_keys("carol", "sam", ["sunny"], 1, 1_000_000) for _ in range(10)]
    sessions = list(world.links)
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", keys) for keys in batches]
    world.run_until(lambda: all(outcomes), 1.1)
    assert [outcome[0] for outcome in outcomes] == batches
    assert world.links == sessions


def test_keys_that_are_established_at_once_end_at_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pair()
    monkeypatch.setattr(initiator, "MAX_KEY_BYTES_UNDER_WAY", 100)
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 1, 8 * 60) for _ in range(2)]
    assert isinstance(outcomes[1][0], LimitError) and not outcomes[0]
    assert world.result(outcomes[0])
    assert world.get_keys("carol", "sam", ["sunny"], 1, 8 * 60), "and free again"
