"""Stored keys and the directory: they are for the client that serves the responder."""

from __future__ import annotations

from dsked.client.stored_place import StoredPair
from dsked.limits import STORED_KEY_INTERVAL_S

from .stored import PAIR, at_once, fetched, report, stored, world
from .world import World


def test_the_responder_has_moved_to_another_client() -> None:
    w = world()
    keys = at_once(w)
    assert fetched(w, keys)
    carol = w.clients["carol"]
    carol._locator._known["sunny"].client = "celia"
    assert not w.ask_keys("carol", "sam", ["sunny"]), "what was dealt for curtis is of no use"
    assert stored(w) == 0
    assert report(w)["nr_lost"] == 3


def test_the_directory_is_asked_again_while_stored_keys_are_in_use() -> None:
    w = world()
    locator = w.clients["carol"]._locator
    w.run_for(32.0)  # what the directory said has expired, stored keys have not
    assert locator.known("sunny", w.now) is None
    w.clients["carol"]._stored._least_simulated = 2**40  # what is stored anew asks as well
    assert at_once(w)
    w.run_for(0.1)
    assert locator.known("sunny", w.now) == "curtis"


def test_nothing_is_stored_with_a_responder_that_nobody_knows() -> None:
    w = World(stored={"carol": (StoredPair("sam", "nobody", 2, 32),)}).start()
    w.run_for(120.0)
    assert report(w)["problem"] == "encryptor nobody is unknown: no 3 hubs name the same client for it"
    assert report(w)["stored_key_count"] == 0
    asked = sum(len(link.frames_to_hub) for link in w.links if link.client == "carol")
    assert asked < 5 * 40, "the back-off grows"


def test_a_pair_that_fails_is_not_tried_sooner_because_of_others() -> None:
    w = world(PAIR, StoredPair("sam", "nobody", 1, 32), wait=PAIR.count)
    locator = w.clients["carol"]._locator
    asked: list[str] = []
    locate = locator.locate
    locator.locate = lambda name, *rest, **how: (asked.append(name), locate(name, *rest, **how))[1]  # type: ignore[assignment]
    for _ in range(100):
        w.run_for(STORED_KEY_INTERVAL_S)
        assert at_once(w)
    assert asked.count("sunny") > 90
    assert asked.count("nobody") < 6
