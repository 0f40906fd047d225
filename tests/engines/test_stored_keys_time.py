"""Stored keys and time: none is handed out that its hubs may forget before the responder comes."""

from __future__ import annotations

import pytest

from dsked.limits import STORED_KEY_INTERVAL_S

from .stored import LIFE_S, PAIR, TIMEOUT_S, at_once, fetched, report, stored, world
from .world import World


def test_stored_keys_are_replaced_before_they_expire() -> None:
    w = world()
    for _ in range(40):
        w.run_for(LIFE_S / 10)
        assert stored(w) == 4
    assert fetched(w, at_once(w, 4))
    assert report(w)["nr_expired"] >= 12


def test_a_key_leaves_the_store_before_a_quarter_of_its_time_is_left() -> None:
    w = world()
    for hub in w.hub_names:  # nothing new is stored
        w.clients["carol"].hubs[hub].supply = _Low()  # type: ignore[assignment]
    w.run_for(LIFE_S - 2 * STORED_KEY_INTERVAL_S)
    assert stored(w) == 4
    last = at_once(w)
    w.run_for(2 * STORED_KEY_INTERVAL_S)
    assert stored(w) == 0
    assert not w.ask_keys("carol", "sam", ["sunny"])
    w.run_for(0.2 * TIMEOUT_S)
    assert fetched(w, last), "what was handed out last can be fetched for a quarter of the share time-out"


class _Low:
    low, problem = True, ""

    def runs_out(self) -> bool:
        return False

    def update(self) -> bool:
        return False


def test_a_hub_with_another_share_time_out_counts_only_so_long() -> None:
    w = World(stored={"carol": (PAIR,)})
    w._share_timeout_s = 20.0
    for hub in ("hub1", "hub2", "hub3"):
        w.hubs[hub] = w.new_hub(hub)
    w.start()
    w.run_until(lambda: stored(w) == 4)
    for _ in range(60):
        w.run_for(1.0)
        for key in at_once(w) if stored(w) else ():
            assert fetched(w, [key])


def test_a_liar_about_its_share_time_out_costs_nothing() -> None:
    w = world()
    w.clients["carol"].hubs["hub1"].share_timeout_ms = 0
    at_once(w, 4)
    w.run_until(lambda: stored(w) == 4)
    w.run_for(LIFE_S / 2)
    assert stored(w) == 4
    assert report(w)["nr_expired"] == 0


@pytest.mark.parametrize("slept_s", [LIFE_S, TIMEOUT_S, 86_400.0])
def test_what_grew_old_while_the_machine_slept_is_not_handed_out(slept_s: float) -> None:
    """It wakes with a request: no timer has come yet, and the sessions seem to stand."""
    w = world()
    [place] = w.clients["carol"]._stored._places.values()
    old = {key.key_id for lot in place.lots for key in lot.keys}
    w.now += slept_s
    assert stored(w) == 0
    outcome = w.ask_keys("carol", "sam", ["sunny"])
    assert not outcome, "it is established now"
    keys = w.result(outcome)
    assert fetched(w, keys)
    w.run_until(lambda: stored(w) == 4)
    assert not old & {key.key_id for key in keys + at_once(w, 4)}


def test_what_did_not_grow_old_while_the_machine_slept_is_as_good_as_before() -> None:
    w = world()
    w.now += LIFE_S / 2
    assert fetched(w, at_once(w, 4))
