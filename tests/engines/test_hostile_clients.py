"""Every kind of hostile client, beside k - 1 hubs that help it: others get their keys at once, and it none.

Nor can it have an honest hub set aside for the keys of others.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from simulating.enemies.deeds.client import HostileClient
from simulating.enemies.hostile import HOSTILE
from simulating.enemies.liars import LIARS

from dsked.errors import DskedError, LimitError
from dsked.limits import FETCH_DEADLINE_S
from tests.engines.world import CLIENTS, World

#: A key pair in a quiet world takes 4 ms and two round trips: so much more may a hostile client cost others.
AT_ONCE_S = 0.06


def hostile_world(kind: str, seed: int = 1, nr_leaky: int = 2, n: int = 5, k: int = 3) -> World:
    """mallory is hostile, and `nr_leaky` hubs give her all that they have."""
    dice = random.Random(seed)
    hubs = dice.sample([f"hub{number}" for number in range(1, n + 1)], nr_leaky)
    return World(
        n=n, k=k, seed=seed, clients={**CLIENTS, "mallory": ("mal", "max")},
        client_classes={"mallory": HOSTILE[kind]},
        hub_classes=dict.fromkeys(hubs, LIARS["gives-to-the-unnamed"]),
    ).start()  # fmt: skip


def mallory(world: World) -> HostileClient:
    client = world.clients["mallory"]
    assert isinstance(client, HostileClient)
    return client


def bite(world: World) -> list[list[object]]:
    """Honest responders ask for what hostile initiators have dealt for them."""
    outcomes = []
    while world.cabal.bait:
        bait = world.cabal.bait.popleft()
        client = bait.responder.client
        if client in CLIENTS:
            asked = (client, bait.responder.encryptor, bait.initiator.encryptor, [bait.key_id])
            outcomes.append(world.ask_by_id(*asked))
    return outcomes


def accused(world: World) -> dict[str, set[str]]:
    """By hub: the initiators whose keys speak against it, at any honest client."""
    found: dict[str, set[str]] = {}
    for name in CLIENTS:
        for hub in world.clients[name].status(world.now)["peer_hubs"]:
            found.setdefault(hub["hub_name"], set()).update(hub["mismatches"])
            assert not hub["set_aside"], "for all initiators"
    return found


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 12))])
def test_every_kind_of_hostile_client(kind: str, seed: int) -> None:
    world = hostile_world(kind, seed)
    bites: list[list[object]] = []
    for number in range(6):
        asked_at = world.now
        keys = world.get_keys("carol", "sam", ["sunny"])
        mallory(world).misbehave(world.now)
        bites += bite(world)
        assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
        assert world.now - asked_at < AT_ONCE_S
        mallory(world).misbehave(world.now)
        world.run_for((0.0, 0.002, 0.3)[number % 3])
    world.run_for(2 * FETCH_DEADLINE_S)
    assert mallory(world).misdeeds > 3, "it did its work"
    assert not mallory(world).stolen
    assert all(len(outcome) == 1 for outcome in bites)
    for hub, initiators in accused(world).items():
        assert initiators <= {"mallory"}, hub


@pytest.mark.parametrize(("nr_leaky", "stolen"), [(0, False), (2, False), (3, True)])
def test_a_thief_needs_k_hubs(nr_leaky: int, stolen: bool) -> None:
    """The same thief with one hub more, beyond the promise, has the key."""
    world = hostile_world("asks-for-others-keys", nr_leaky=nr_leaky)
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.run_for(0.05)
    for leak in list(world.cabal.leaked):
        assert leak.initiator.client == "carol"
    mallory(world).misbehave(world.now)
    world.run_for(0.1)
    assert bool(mallory(world).stolen) is stolen
    if stolen:
        assert ("carol", keys[0].key_id, keys[0].key) in mallory(world).stolen


@pytest.mark.parametrize("kind", ["frames-a-hub", "frames-with-codes"])
def test_a_framed_hub_serves_all_other_initiators_as_before(kind: str) -> None:
    world = hostile_world(kind, nr_leaky=1)  # which tells who is there
    for _ in range(4):
        keys = world.get_keys("carol", "sam", ["sunny"])
        mallory(world).misbehave(world.now)
        bite(world)
        world.get_by_id("curtis", "sunny", "sam", keys)
        world.run_for(0.05)
    framed = [hub for hub, initiators in accused(world).items() if "mallory" in initiators]
    assert len(framed) == 1, "it was named, for mallory"
    for name, at in world.clients.items():
        if name in CLIENTS:
            assert not at._evidence.is_set_aside("carol", framed[0], world.now)
    world.pair()


@pytest.mark.parametrize(("n", "k"), [(11, 5), pytest.param(16, 8, marks=pytest.mark.full)])
def test_dealings_that_fit_nowhere_hold_up_nobody_else(n: int, k: int) -> None:
    """A search of 462 or 12,870 subsets for each, at a responder whose other keys are there at once."""
    world = hostile_world("deals-off-the-polynomial", nr_leaky=1, n=n, k=k)
    world.pair()
    for _ in range(3):
        mallory(world).misbehave(world.now)
    world.run_for(0.01)
    bites = bite(world)
    assert bites
    for _ in range(3):
        asked_at = world.now
        world.pair()
        assert world.now - asked_at < AT_ONCE_S
    world.run_for(2 * FETCH_DEADLINE_S)
    assert all(isinstance(outcome[0], DskedError) for outcome in bites)


def test_a_flood_of_shares_ends_at_the_limit_of_its_client() -> None:
    world = hostile_world("floods-shares", nr_leaky=0)
    for hub in world.hubs.values():
        hub.shares.limits = replace(hub.shares.limits, max_pending_shares_per_client=1000)
    for _ in range(40):
        mallory(world).misbehave(world.now)
        world.run_for(0.01)
    held = [hub.shares.counts("mallory")[0] for hub in world.hubs.values()]
    assert max(held) <= 1000 and sum(held) > 1000
    world.pair()
    with pytest.raises(LimitError):
        for _ in range(2):
            world.get_keys("mallory", "mal", ["sunny"], 128)
            world.run_for(0.01)
