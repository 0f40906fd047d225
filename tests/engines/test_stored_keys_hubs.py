"""Stored keys and hubs that restart, go, come back or refuse: enough of them hold what is handed out."""

from __future__ import annotations

import pytest

from dsked.chosen_limits import with_values
from dsked.errors import TooFewHubsError

from .stored import PAIR, TIMEOUT_S, at_once, fetched, report, restart, stored, world
from .world import World


def test_a_hub_that_restarts_is_no_holder_any_more() -> None:
    w = world()
    restart(w, "hub1")
    assert stored(w) == 4, "four of five still hold them"
    taken = at_once(w)
    restart(w, "hub2")
    assert stored(w) == 0 or report(w)["nr_lost"] == 3
    w.run_until(lambda: stored(w) == 4)
    assert fetched(w, taken)
    assert fetched(w, at_once(w, 4))


def test_a_stored_key_is_as_good_as_one_that_is_established_now() -> None:
    """A hub is away, another has restarted: four could take a new key, three have the stored ones."""
    w = world()
    w.down.add("hub1")
    w.cut(hub="hub1")
    assert stored(w) == 4
    restart(w, "hub2")
    assert stored(w) == 0
    assert not w.ask_keys("carol", "sam", ["sunny"])
    w.down.discard("hub1")
    w.start()
    assert stored(w) == 4, "it is back, and is the same process"
    assert fetched(w, at_once(w, 4))


@pytest.mark.parametrize("restart_first", [False, True])
def test_what_cannot_be_handed_out_is_established_anew(restart_first: bool) -> None:
    """A hub is down for good, another has restarted: nobody asks, and the store is filled nevertheless."""
    w = world()
    if restart_first:
        restart(w, "hub2")
    w.stop_hub("hub1")
    if not restart_first:
        restart(w, "hub2")
    assert stored(w) == 0
    assert report(w)["problem"]
    w.run_for(0.3)
    if not restart_first:
        assert report(w)["problem"] == "hubs that hold stored keys are away or late: hub1"
    w.run_for(3.0)
    assert stored(w) == 4
    assert report(w)["problem"] is None
    w.start_hub("hub1")
    w.start()
    assert stored(w) == 4, "no more than are wanted"
    assert fetched(w, at_once(w, 4))


def test_keys_that_can_be_handed_out_again_are_not_counted_beside_those_in_their_place() -> None:
    w = world()
    w.down.add("hub1")
    w.cut(hub="hub1")
    restart(w, "hub2")
    w.run_until(lambda: stored(w) == 4)
    w.down.discard("hub1")
    w.start()
    [place] = w.clients["carol"]._stored._places.values()
    assert place.size == 8, "hub1 is back, and is the same process"
    assert (stored(w), report(w)["stored_key_count"]) == (4, 4)
    assert fetched(w, at_once(w, 4))


def test_a_hub_that_restarts_again_and_again_cannot_have_the_store_filled_as_often() -> None:
    w = world()
    w.stop_hub("hub1")
    w.run_for(0.1)
    initiator = w.clients["carol"]._initiator
    dealt: list[int] = []
    ahead = initiator.get_keys_ahead
    initiator.get_keys_ahead = lambda *args: (dealt.append(args[2]), ahead(*args))[1]  # type: ignore[assignment]
    end = w.now + 120.0
    while w.now < end:
        restart(w, "hub2")
        w.run_for(1.0)
        if stored(w) < 4:
            assert report(w)["problem"]
    assert len(dealt) <= 8
    w.run_for(62.0)
    assert stored(w) == 4, "and is filled all the same"


def test_what_some_hubs_refuse_is_stored_with_the_others() -> None:
    w = World(stored={"carol": (PAIR,)})
    for name in ("hub1", "hub2"):
        limits = with_values({"max_pending_shares_per_client": 1})
        w.hubs[name].shares.limits = limits
    w.start()
    w.run_until(lambda: stored(w) == 4)
    assert fetched(w, at_once(w, 4))
    restart(w, "hub3")
    w.run_until(lambda: stored(w) == 4)
    assert fetched(w, at_once(w, 4))


def test_no_more_hubs_are_asked_for_than_had_room_when_a_key_was_stored() -> None:
    w = World(stored={"carol": (PAIR,)})
    full = [w.hubs[name].shares for name in ("hub1", "hub2")]
    for shares in full:
        shares.limits = with_values({"max_pending_shares_per_client": 1})
    w.start()
    w.run_until(lambda: stored(w) == 4)
    for shares in full:
        shares.limits = with_values({})
    for _ in range(3):
        w.get_keys("carol", "sam", ["susan"])
        w.run_for(0.1)
    assert not any(hub.late for hub in w.clients["carol"].hubs), "all five count again"
    assert stored(w) == 4
    assert fetched(w, at_once(w, 4))


@pytest.mark.parametrize("down", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("back", [False, True])
def test_whatever_is_handed_out_is_held_by_k_hubs(down: int, back: bool) -> None:
    """Hubs restart one by one; carol hears of it only when she has a session with the new process."""
    w = world()
    for hub in w.hub_names[:down]:
        w.stop_hub(hub)
        if back:
            w.start_hub(hub)
    outcome = w.ask_keys("carol", "sam", ["sunny"])
    up = 5 - down
    assert bool(outcome) == (up >= 3), "three hubs with a session hold the key, or it is not handed out"
    if up < 3:
        with pytest.raises(TooFewHubsError):
            w.result(outcome)
    else:
        w.start()
        assert fetched(w, w.result(outcome))


def test_a_hub_that_restarts_while_keys_are_established_is_no_holder() -> None:
    w = world()
    carol = w.clients["carol"]
    [place] = carol._stored._places.values()
    at_once(w, 4)
    w.hubs["hub1"].shares.expire(w.now + TIMEOUT_S)
    for hub in ("hub2", "hub3", "hub4", "hub5"):
        w.freeze(hub)
    w.run_until(lambda: place.under_way > 0 and len(w.hubs["hub1"].shares) > 0)
    w.run_for(0.01)  # it has acknowledged
    w.stop_hub("hub1")
    w.start_hub("hub1")
    w.run_until(lambda: carol.hubs["hub1"].registered)
    for hub in ("hub2", "hub3", "hub4", "hub5"):
        w.thaw(hub)
    w.run_until(lambda: stored(w) == 4)
    assert {len(lot.holders) for lot in place.lots} == {4}


def test_too_few_hubs_are_waited_for() -> None:
    w = World(stored={"carol": (PAIR,)})
    for hub in w.hub_names[:3]:
        w.stop_hub(hub)
    w.run_for(5.0)
    assert "2 of 5 hubs are connected, 3 are needed" in report(w)["problem"]
    w.start_hub("hub1")
    w.run_until(lambda: stored(w) == 4)
    assert report(w)["problem"] is None
    w.start_hub("hub2")
    w.start_hub("hub3")
    w.start()
    w.run_for(0.1)  # and get the shares of what is stored
    assert stored(w) == 4
    assert fetched(w, at_once(w, 4))
