"""What stored keys cost: requests come first, in pads, in windows and in turn; and status tells of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from dsked.client import stored_keys
from dsked.client.stored_place import StoredPair
from dsked.limits import STORED_KEY_INTERVAL_S

from .media_world import MediaWorld
from .stored import PAIR, at_once, report, stored, world
from .world import World


def test_nothing_is_stored_while_psrd_is_low() -> None:
    w = world(kind=MediaWorld)
    carol = w.clients["carol"]
    supply = carol.hubs["hub2"].supply
    assert supply is not None
    supply._level._start = supply._level._stop = 2**40
    assert supply.update()
    w.pair()
    at_once(w, 3)
    before = {hub.name: _used(hub) for hub in carol.hubs}
    w.run_for(10.0)
    assert stored(w) == 0
    assert "the PSRD of hub hub2 is low" in report(w)["problem"]
    assert all(_used(hub) - before[hub.name] < 256 for hub in carol.hubs)
    assert w.pair(), "requests are served"


def _used(hub: Any) -> int:
    return int(hub.pair.streams.local.next)


def test_nothing_is_stored_while_a_simulated_pool_is_low() -> None:
    w = world()
    spare = w.clients["carol"]._stored._spare
    enough, spare._least_simulated = spare._least_simulated, 2**40
    at_once(w, 4)
    w.run_for(5.0)
    assert stored(w) == 0
    assert "the PSRD of hub hub1 is low" in report(w)["problem"]
    spare._least_simulated = enough
    w.run_until(lambda: stored(w) == 4)


def test_requests_find_room_in_the_windows_while_keys_are_stored() -> None:
    pairs = [StoredPair("sam", f"e{number}", 20, 32) for number in range(20)]
    clients = {"carol": ("sam",), "curtis": ("sunny", *(pair.responder for pair in pairs))}
    w = MediaWorld(stored={"carol": pairs}, clients=clients).start()
    w.run_for(2 * STORED_KEY_INTERVAL_S)
    for _ in range(20):
        before = w.now
        w.pair()
        assert w.now - before < 0.05, "no request waits behind keys to be stored"
    w.run_until(lambda: all(stored(w, "sam", pair.responder) == 20 for pair in pairs), 60.0)


def test_requests_do_not_wait_behind_what_is_stored() -> None:
    """A round trip of 0.2 s, and more keys to store in one go than a window lets through."""
    pairs = [StoredPair("sam", f"e{number}", 20, 256) for number in range(20)]
    clients = {"carol": ("sam",), "curtis": ("sunny", *(pair.responder for pair in pairs))}
    w = MediaWorld(stored={"carol": pairs}, clients=clients)
    w.delays = dict.fromkeys(w.hub_names, 0.1)
    w.start()
    w.pair()
    for _ in range(12):
        before = w.now
        w.get_keys("carol", "sam", ["sunny"])
        assert w.now - before < 0.3
        w.run_for(0.05)
    assert any(stored(w, "sam", pair.responder) for pair in pairs), "and some were stored meanwhile"


def test_so_many_are_established_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "STORED_KEYS_PER_INTERVAL", 5)
    responders = ("sunny", "susan", "serena")
    w = World(stored={"carol": [StoredPair("sam", name, 4, 32) for name in responders]}).start()
    number, progress = -1, []
    while number < 12:
        number = sum(stored(w, "sam", name) for name in responders)
        progress.append(number)
        w.run_for(STORED_KEY_INTERVAL_S)
    assert max(after - before for before, after in pairwise(progress)) == 5
    assert len(progress) >= 3


def test_no_pair_takes_the_turn_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "STORED_KEYS_PER_INTERVAL", 4)
    responders = ("sunny", "susan", "serena")
    w = World(stored={"carol": [StoredPair("sam", name, 4, 32) for name in responders]}).start()
    for _ in range(12):
        w.run_for(STORED_KEY_INTERVAL_S)
        w.ask_keys("carol", "sam", ["sunny"], 4)
    assert [stored(w, "sam", name) for name in responders[1:]] == [4, 4]


def test_storing_is_bounded_in_rate() -> None:
    w = world()
    dealt_before = report(w)["nr_handed_out"]
    taken, end = 0, w.now + 10.0
    while w.now < end:
        if stored(w):
            taken += len(at_once(w))
        w.run_for(0.005)
    assert taken <= (10.0 / STORED_KEY_INTERVAL_S + 1) * PAIR.count
    assert report(w)["nr_handed_out"] == dealt_before + taken


def test_status_tells_at_any_time_why_keys_are_lacking() -> None:
    w = world()
    at_once(w, 3)
    assert report(w)["problem"] == "new keys are about to be stored"
    w.run_until(lambda: stored(w) == 4)
    assert report(w)["problem"] is None
    for hub in w.hub_names[:3]:
        w.stop_hub(hub)
    w.run_for(0.1)
    assert "2 of 5 hubs are connected, 3 are needed" in report(w)["problem"]


@pytest.mark.parametrize(
    "pair", [PAIR, StoredPair("sam", "sunny", 40, 1), StoredPair("sam", "sunny", 2, 3000)]
)
def test_status_tells_what_it_costs_in_a_day(pair: StoredPair) -> None:
    w = world(pair, kind=MediaWorld)
    hub = w.clients["carol"].hubs["hub3"]
    streams = hub.pair.streams
    assert streams is not None
    before, hours = (streams.local.next, streams.peer.mark), 0.5
    w.run_for(hours * 3600)
    burn = report(w)["pad_bytes_per_day"]
    assert streams.local.next - before[0] == pytest.approx(burn["local"] * hours / 24, rel=0.06)
    pings = (streams.local.next - before[0]) / 200
    assert burn["peer"] * hours / 24 * 0.94 <= streams.peer.mark - before[1]
    assert streams.peer.mark - before[1] <= burn["peer"] * hours / 24 * 1.06 + pings
