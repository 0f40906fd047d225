"""Searches for good shares in a whole client: beside other keys, beyond a deadline, and against rubbish."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest
from simulating.enemies.liars import LIARS as KINDS
from simulating.enemies.lies.hub import LyingHub

from dsked.client import slices
from dsked.client.fetch import Fetch
from dsked.errors import LimitError, ReconstructionError
from dsked.keys import Key
from dsked.limits import FETCH_DEADLINE_S
from dsked.sharing import cost
from tests.engines.world import World

LIARS = dict.fromkeys(("hub1", "hub2", "hub3", "hub4"), KINDS["alters-one-byte"])


def eleven(liars: dict[str, type[LyingHub]] = LIARS) -> World:
    """5 of 11: decoding finds three liars, four ask for a search of up to 462 subsets."""
    return World(n=11, k=5, hub_classes=liars).start()


def slowly(monkeypatch: pytest.MonkeyPatch, turn_s: float) -> None:
    """A machine on which a turn takes so long, with little done in it."""
    monkeypatch.setattr(slices, "MAX_SLICE_COST", 100)
    monkeypatch.setattr(slices, "_AT_ONCE_S", turn_s)


def told(world: World) -> dict[str, int]:
    found: dict[str, int] = world.clients["curtis"].status(world.now)["searches"]
    return found


def rubbish(world: World, initiator: str) -> None:
    """What this client has dealt becomes rubbish at all hubs."""
    for hub in world.hubs.values():
        for lot in set(hub.shares._accounts[initiator].lots.values()):
            lot.shares = world.random.randbytes(len(lot.shares))


def serenas_key(world: World) -> list[Any]:
    """Establish a key from serena to sunny, and ask for it; the list gets the outcome."""
    keys = world.get_keys("celia", "serena", ["sunny"])
    return world.ask_by_id("curtis", "sunny", "serena", keys)


def test_a_search_finds_what_decoding_cannot_and_names_the_liars() -> None:
    world = eleven()
    world.pair()
    assert told(world) == {"under_way": 0, "succeeded": 1, "failed": 0, "put_off": 0}
    world.run_for(0.01)
    status = world.clients["curtis"].status(world.now)["peer_hubs"]
    assert {hub["hub_name"] for hub in status if hub["set_aside_for"]} == LIARS.keys()
    world.pair()
    assert told(world)["succeeded"] == 1, "they are not asked any more"


def test_liars_who_are_never_named_cost_one_candidate_for_each_key_after_the_first() -> None:
    """6 of 13 who mislead the decoding and fit their differences to each other, against k = 7."""
    liars = dict.fromkeys([f"hub{number}" for number in range(1, 7)], KINDS["misleads-decoding"])
    world = World(n=13, k=7, hub_classes=liars).start()
    spent = []
    for _ in range(3):
        before = searched(world)
        world.pair()
        spent.append(searched(world) - before)
    assert told(world)["succeeded"] == 3
    assert not world.warnings()
    assert spent[0] > 50_000
    assert max(spent[1:]) < 5000


def searched(world: World) -> float:
    """What all searches for carol's keys have cost, in units of about a microsecond."""
    accounts = world.clients["curtis"]._responder._slices[0]._accounts
    return accounts["carol"]._debt if "carol" in accounts else 0.0


def test_what_is_not_found_by_the_deadline_is_there_when_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = eleven()
    slowly(monkeypatch, 0.1)
    keys = world.get_keys("carol", "sam", ["sunny"])
    asked_at = world.now
    with pytest.raises(ReconstructionError, match="takes longer to find the right ones: ask again"):
        world.get_by_id("curtis", "sunny", "sam", keys)
    assert world.now == pytest.approx(asked_at + FETCH_DEADLINE_S, abs=0.11)
    assert told(world)["under_way"] == 1
    world.run_until(lambda: told(world)["succeeded"] == 1)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_who_asks_again_meanwhile_gets_it_as_soon_as_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = eleven()
    slowly(monkeypatch, 0.1)
    keys = world.get_keys("carol", "sam", ["sunny"])
    while True:
        try:
            found: list[Key] = world.get_by_id("curtis", "sunny", "sam", keys)
            break
        except ReconstructionError:
            assert told(world)["failed"] == 0
    assert found == keys
    assert told(world)["succeeded"] == 1, "one search, that went on"


def test_other_keys_do_not_wait_for_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    world = eleven()
    slowly(monkeypatch, 0.001)
    rubbish_keys = world.get_keys("carol", "sam", ["sunny"], 16)
    rubbish(world, "carol")
    failing = world.ask_by_id("curtis", "sunny", "sam", rubbish_keys)
    world.run_until(lambda: told(world)["under_way"] == 16)
    outcome = serenas_key(world)
    asked_at = world.now
    world.result(outcome)
    assert world.now < asked_at + 0.1
    assert not failing
    assert told(world)["under_way"] >= 15


def test_keys_that_nobody_waits_for_any_more_do_not_delay_those_of_the_same_initiator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = eleven()
    slowly(monkeypatch, 0.01)
    rubbish_keys = world.get_keys("carol", "sam", ["sunny"], 16)
    rubbish(world, "carol")
    with pytest.raises(ReconstructionError, match="takes longer"):
        world.get_by_id("curtis", "sunny", "sam", rubbish_keys)
    good = world.get_keys("carol", "sam", ["sunny"])
    before, spent = told(world), searched(world)
    assert world.get_by_id("curtis", "sunny", "sam", good) == good
    assert told(world) == {**before, "succeeded": 1}
    assert searched(world) - spent < 1.5 * cost.rebuilding(5, 32) * comb(11, 5), "the others have stood still"
    for _ in range(4):  # seconds; the work of this one key takes about two of them
        with pytest.raises(ReconstructionError):
            world.get_by_id("curtis", "sunny", "sam", rubbish_keys[9:10])
    assert (told(world)["failed"], told(world)["under_way"]) == (1, 15)


def test_a_batch_is_found_with_the_first_of_its_keys() -> None:
    """5 of 11 who are never named, 20 keys at once: one search in all, not twenty."""
    liars = dict.fromkeys([f"hub{number}" for number in range(1, 6)], KINDS["misleads-decoding"])
    world = World(n=11, k=6, hub_classes=liars).start()
    world.pair(20)
    whole = cost.rebuilding(6, 32) * comb(11, 6)
    assert told(world)["succeeded"] == 20
    assert searched(world) < 3 * whole


def test_a_key_that_cannot_be_is_an_error_as_soon_as_that_is_known() -> None:
    """All hubs have answered, all subsets have been tried: waiting for the deadline would not help."""
    world = eleven({})
    keys = world.get_keys("carol", "sam", ["sunny"])
    rubbish(world, "carol")
    asked_at = world.now
    for _ in range(2):
        with pytest.raises(ReconstructionError, match="no k of the 11 shares in hand pass the secret tag"):
            world.get_by_id("curtis", "sunny", "sam", keys)
    assert world.now < asked_at + 0.1
    assert told(world) == {"under_way": 0, "succeeded": 0, "failed": told(world)["failed"], "put_off": 0}


def test_what_is_in_hand_is_kept_for_shares_that_come_later() -> None:
    """Four liars and two hubs down: too few good shares, until the hubs are back."""
    world = World(n=9, k=5, hub_classes=LIARS).start()
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.stop_hub("hub9")
    with pytest.raises(ReconstructionError):
        world.get_by_id("curtis", "sunny", "sam", keys)
    again = world.get_keys("carol", "sam", ["sunny"])  # hub9 gets its share of this one when it is back
    with pytest.raises(ReconstructionError):
        world.get_by_id("curtis", "sunny", "sam", again)
    world.start_hub("hub9")
    world.run_until(lambda: all(len(c.hubs.usable()) == 9 for c in world.clients.values()))
    world.run_for(0.1)
    assert world.get_by_id("curtis", "sunny", "sam", again) == again


def test_too_much_at_once_is_put_off_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_SEARCH_BYTES", 10_000)  # room for two searches, one of each initiator
    world = eleven()
    slowly(monkeypatch, 0.1)
    first = world.get_keys("carol", "sam", ["sunny"])
    second = world.get_keys("carol", "sam", ["sunny"])
    outcome = world.ask_by_id("curtis", "sunny", "sam", first)
    with pytest.raises(LimitError, match="too many other keys are being searched"):
        world.get_by_id("curtis", "sunny", "sam", second)
    assert isinstance(world.run_until(lambda: bool(outcome)) or outcome[0], ReconstructionError)
    assert told(world)["put_off"] >= 1
    with pytest.raises(ReconstructionError, match="takes longer"):  # there is room for another initiator's
        world.get_by_id("curtis", "sunny", "serena", world.get_keys("celia", "serena", ["sunny"]))
    world.run_until(lambda: told(world)["under_way"] == 0)
    for keys in (first, second):
        while True:
            try:
                assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
                break
            except ReconstructionError:
                pass


def test_a_key_that_is_dropped_is_not_searched_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(n=11, k=5, hub_classes=LIARS, share_timeout_s=2.0).start()
    slowly(monkeypatch, 0.5)
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(ReconstructionError):
        world.get_by_id("curtis", "sunny", "sam", keys)
    responder = world.clients["curtis"]._responder
    [fetch] = responder._fetches
    assert isinstance(fetch, Fetch)
    world.run_for(4)
    assert len(responder._fetches) == 0
    assert told(world) == {"under_way": 0, "succeeded": 0, "failed": 0, "put_off": 0}
    assert not fetch.batch.searches
