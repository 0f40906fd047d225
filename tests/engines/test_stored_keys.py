"""Keys established ahead, in whole topologies: who is answered from the store, and with what."""

from __future__ import annotations

import pickle

import pytest

from dsked.errors import ShuttingDownError
from dsked.keys import Key

from .stored import at_once, fetched, stored, world
from .world import World


def test_by_default_no_key_is_stored() -> None:
    w = World().start()
    w.run_for(2.0)
    assert w.clients["carol"].stored_keys("sam", "sunny", w.now) == (0, 0)
    assert w.clients["carol"].status(w.now)["stored_keys"] == []
    assert not w.ask_keys("carol", "sam", ["sunny"])


def test_stored_keys_are_handed_out_at_once_and_can_be_fetched() -> None:
    w = world()
    keys = at_once(w) + at_once(w, 3)
    assert len(set(keys)) == 4
    assert stored(w) == 0
    assert fetched(w, keys)


def test_what_was_taken_is_replaced() -> None:
    w = world()
    first = at_once(w, 3)
    w.run_until(lambda: stored(w) == 4)
    second = at_once(w, 4)
    assert not set(first) & set(second)
    assert fetched(w, first + second)


@pytest.mark.parametrize(
    ("number", "size_bits", "responders"),
    [(5, 256, ["sunny"]), (1, 128, ["sunny"]), (1, 256, ["susan"]), (1, 256, ["sunny", "susan"])],
)
def test_what_is_not_stored_is_established(number: int, size_bits: int, responders: list[str]) -> None:
    w = world()
    outcome = w.ask_keys("carol", "sam", responders, number, size_bits)
    assert not outcome
    keys = w.result(outcome)
    assert w.get_by_id("curtis", responders[0], "sam", keys) == keys
    assert stored(w) == 4


def test_an_encryptor_of_another_pair_gets_none() -> None:
    w = world(clients={"carol": ("sam", "sue"), "curtis": ("sunny",)})
    assert not w.ask_keys("carol", "sue", ["sunny"])
    assert stored(w) == 4


def test_requests_race_with_keys_that_are_being_stored() -> None:
    w = world()
    seen: list[Key] = []
    for step in range(120):
        outcomes = [w.ask_keys("carol", "sam", ["sunny"], 1 + step % 3) for _ in range(step % 4)]
        w.run_for(0.001 * (step % 17))
        for outcome in outcomes:
            seen += w.result(outcome)
    assert len({key.key_id for key in seen}) == len({key.key for key in seen}) == len(seen)
    for start in range(0, len(seen), 64):
        assert fetched(w, seen[start : start + 64])
    w.run_until(lambda: stored(w) == 4)


def test_stopping_forgets_and_hands_out_nothing() -> None:
    w = world()
    at_once(w)
    [place] = w.clients["carol"]._stored._places.values()
    w.run_until(lambda: place.under_way > 0)
    w.clients["carol"].stop()
    assert stored(w) == 0
    with pytest.raises(ShuttingDownError):
        w.get_keys("carol", "sam", ["sunny"])
    w.run_for(5.0)
    assert place.size == 0, "nor is what was under way kept"


def test_a_client_that_restarts_has_other_keys() -> None:
    w = world()
    first = at_once(w, 2)
    w.restart_client("carol")
    w.start()
    w.run_until(lambda: stored(w) == 4)
    assert not set(first) & set(at_once(w, 4))


def test_what_is_stored_has_no_text_and_no_copy() -> None:
    w = world()
    store = w.clients["carol"]._stored
    [place] = store._places.values()
    secrets = [key.key for lot in place.lots for key in lot.keys]
    texts = [repr(one) for one in (store, place, place.lots[0], place.lots[0].holders, place.lots[0].keys)]
    texts += [str(w.clients["carol"].status(w.now)), *(text for _, text in w.notices)]
    for key in secrets:
        assert not any(repr(key)[2:-1] in text or key.hex() in text for text in texts)
    for one in (store, place, place.lots[0]):
        with pytest.raises(TypeError):
            pickle.dumps(one)
