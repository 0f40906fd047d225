"""k - 1 lying hubs of 3-of-5, in every way: never a wrong key, the right one from the others, named."""

from __future__ import annotations

import itertools

import pytest
from simulating.enemies.liars import LIARS
from simulating.enemies.lies.collusion import ShiftsTheKey
from simulating.enemies.lies.hub import LyingHub, hub_that
from simulating.enemies.sums import add

from dsked.errors import ReconstructionError, TooFewHubsError
from dsked.keys import Key
from dsked.sharing.shares import cut
from tests.engines.world import World

ALTERING = [
    "alters-share", "alters-one-byte", "alters-x", "alters-f", "beyond-the-field", "deals-for-two",
    "other-initiator", "other-n", "other-responders", "shorter-key",
]  # fmt: skip
SILENT = [
    "says-unknown", "says-done", "says-not-named", "acknowledges-without-storing", "refuses-everything",
    "false-directory",
]  # fmt: skip


def pairs(world: World, number: int, bits: int = 256) -> list[Key]:
    """Key pairs one after the other; the world goes on a little so that late shares come in."""
    keys = []
    for _ in range(number):
        keys += world.pair(1, bits)
        world.run_for(0.01)
    return keys


def accused(world: World) -> set[str]:
    """The hubs that curtis names, in status, log and evidence alike."""
    status = world.clients["curtis"].status(world.now)
    named = {hub["hub_name"] for hub in status["peer_hubs"] if hub["mismatches"]}
    assert named == {hub["hub_name"] for hub in status["peer_hubs"] if hub["set_aside_for"] == ["carol"]}
    logged = {text.split()[1] for text in world.warnings() if "differs from the key" in text}
    assert logged == named
    return named


@pytest.mark.parametrize("kind", ALTERING)
@pytest.mark.parametrize("liars", [("hub1",), ("hub1", "hub2"), ("hub2", "hub5"), ("hub4", "hub5")])
def test_altered_answers_are_outvoted_and_named(liars: tuple[str, ...], kind: str) -> None:
    world = World(hub_classes=dict.fromkeys(liars, LIARS[kind])).start()
    pairs(world, 4)
    assert accused(world) == set(liars)


@pytest.mark.parametrize("kind", ALTERING)
def test_altered_answers_to_a_long_key(kind: str) -> None:
    world = World(hub_classes={"hub2": LIARS[kind], "hub3": LIARS[kind]}).start()
    pairs(world, 2, 8 * 20_000)
    assert accused(world) == {"hub2", "hub3"}


def test_every_pair_of_liars() -> None:
    for liars in itertools.combinations([f"hub{number}" for number in range(1, 6)], 2):
        world = World(hub_classes=dict.fromkeys(liars, LIARS["alters-one-byte"])).start()
        pairs(world, 2)
        assert accused(world) == set(liars)


@pytest.mark.parametrize("kind", SILENT)
def test_hubs_that_deny_are_outvoted_and_nobody_is_named(kind: str) -> None:
    for liars in (("hub1", "hub2"), ("hub3", "hub5")):
        world = World(hub_classes=dict.fromkeys(liars, LIARS[kind])).start()
        pairs(world, 3)
        assert accused(world) == set()


def test_shares_of_another_key_are_outvoted_and_named() -> None:
    world = World(hub_classes={"hub1": LIARS["swaps-shares"], "hub4": LIARS["swaps-shares"]}).start()
    pairs(world, 4)
    assert accused(world) == {"hub1", "hub4"}


@pytest.mark.parametrize("wanted", [b"\x00", b"\x01", b"\xff"])
def test_colluders_who_know_the_key_cannot_shift_it(wanted: bytes) -> None:
    """Their differences fit together at 0; without them the AMD code would be a plain hash."""
    kind = hub_that(type("Shifts", (ShiftsTheKey,), {"wanted": wanted}))
    world = World(hub_classes={"hub1": kind, "hub2": kind}).start()
    pairs(world, 8)
    assert all(world.cabal.lies[name] for name in ("hub1", "hub2"))
    assert accused(world) <= {"hub1", "hub2"}


def test_three_colluders_are_too_many_but_a_wrong_key_needs_them_to_agree() -> None:
    """Beyond k - 1 liars nothing is promised; these three do not agree, and the request fails clearly."""
    kinds = {"hub1": LIARS["alters-share"], "hub2": LIARS["alters-f"], "hub3": LIARS["alters-one-byte"]}
    world = World(hub_classes=kinds).start()
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(ReconstructionError, match="pass the secret tag"):
        world.get_by_id("curtis", "sunny", "sam", keys)


def test_a_named_hub_is_not_asked_for_that_initiator_until_its_time_is_out() -> None:
    world = World(hub_classes={"hub1": LIARS["alters-share"]}).start()
    pairs(world, 1)
    assert accused(world) == {"hub1"}
    liar = world.hubs["hub1"]
    assert isinstance(liar, LyingHub)
    lies = liar.lies
    pairs(world, 5)
    assert liar.lies == lies
    serena = world.get_keys("celia", "serena", ["sunny"])  # another initiator: it is asked
    assert world.get_by_id("curtis", "sunny", "serena", serena) == serena
    assert liar.lies == lies + 1
    world.run_for(11)
    pairs(world, 1)
    assert liar.lies == lies + 2


def test_a_named_hub_is_asked_again_when_too_few_others_are_there() -> None:
    world = World(hub_classes={"hub1": LIARS["alters-one-byte"]}).start()
    pairs(world, 1)
    world.hubs["hub1"].repent()
    world.stop_hub("hub2")
    world.stop_hub("hub3")
    pairs(world, 1)


def test_mismatches_of_two_initiators_set_a_hub_aside_for_all() -> None:
    world = World(hub_classes={"hub1": LIARS["alters-share"]}).start()
    pairs(world, 1)
    serena = world.get_keys("celia", "serena", ["sunny"])
    assert world.get_by_id("curtis", "sunny", "serena", serena) == serena
    world.run_for(0.01)
    [hub1, *others] = world.clients["curtis"].status(world.now)["peer_hubs"]
    assert hub1["mismatches"] == {"carol": 1, "celia": 1}
    assert hub1["set_aside"] is True
    assert not any(hub["set_aside"] for hub in others)


def test_a_dishonest_initiator_frames_a_hub_for_its_own_keys_only() -> None:
    """carol deals hub1 a bad share: hub1 is named for carol, and serves celia's keys as before."""
    world = World().start()

    keys = world.get_keys("carol", "sam", ["sunny"])
    lot = world.hubs["hub1"].shares.find("carol", keys[0].key_id)
    assert lot is not None
    lot.shares = add(bytes(lot.shares), b"\x01")
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    world.run_for(0.01)
    hub1 = world.clients["curtis"].status(world.now)["peer_hubs"][0]
    assert hub1["mismatches"] == {"carol": 1}
    assert hub1["set_aside"] is False
    assert hub1["set_aside_for"] == ["carol"]


def test_a_liar_with_too_few_hubs_up_fails_clearly() -> None:
    world = World(hub_classes={"hub1": LIARS["alters-share"]}).start()
    world.stop_hub("hub4")
    world.stop_hub("hub5")
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises((ReconstructionError, TooFewHubsError)):
        world.get_by_id("curtis", "sunny", "sam", keys)
    world.start_hub("hub4")
    world.start_hub("hub5")
    world.run_until(lambda: all(len(c.hubs.usable()) == 5 for c in world.clients.values()))
    world.run_for(0.1)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys, "what was in hand was kept"


def test_multicast_with_one_liar_and_a_dishonest_responder_cannot_forge_for_the_other() -> None:
    """x and f are dealt for each responder client: celia's code tells nothing about curtis's."""
    world = World(hub_classes={"hub1": LIARS["alters-share"], "hub5": LIARS["alters-f"]}).start()
    keys = world.get_keys("carol", "sam", ["serena", "sunny"], 3, 256)
    lot = world.hubs["hub2"].shares.find("carol", keys[0].key_id)
    assert lot is not None
    _, _, codes = lot.columns([key.key_id for key in keys])
    assert len(set(cut(codes, 32))) == 3 * 2, "of each key one for celia and one for curtis"
    assert world.get_by_id("celia", "serena", "sam", keys) == keys
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_nine_hubs_four_liars() -> None:
    liars = ("hub1", "hub3", "hub5", "hub9")
    world = World(n=9, k=5, hub_classes=dict.fromkeys(liars, LIARS["alters-one-byte"])).start()
    pairs(world, 1)
    assert accused(world) == set(liars)
