"""Hubs that collude and know the key: their attacks are right, and fail at what they cannot know.

Each attack is shown to work first, where one thing that protects is taken away: x is told, the tag is not
asked, a naive judge names whoever differs. So that it fails otherwise is no accident.
"""

from __future__ import annotations

from functools import partial

import pytest
from simulating.enemies.cabal import Differences
from simulating.enemies.liars import LIARS
from simulating.enemies.lies.collusion import Adds, FramesHonestHubs, MisleadsDecoding, ShiftsTheKey
from simulating.enemies.lies.hub import hub_that

from dsked.errors import ReconstructionError, UnknownKeyError
from dsked.keys import Key
from dsked.sharing import gfp, shamir
from dsked.sharing.decode import GF256, GFP, locate_errors
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms
from tests.engines.world import World


class KnowsX(ShiftsTheKey):
    """What no k - 1 hubs can know is told to them: x and r of the secret tag."""

    of_hubs: World

    def guessed_x(self, terms: Terms, key_id: bytes) -> int:
        return int.from_bytes(self._rebuilt(terms, key_id)[1][:16], "little")

    def guessed_r(self, terms: Terms, key_id: bytes) -> bytes:
        return self._rebuilt(terms, key_id)[0]

    def _rebuilt(self, terms: Terms, key_id: bytes) -> tuple[bytes, bytes]:
        codes = [(x, code) for x, _, code in true_shares(self.of_hubs, terms.initiator.client, key_id)]
        pairs = [(x, code[:32]) for x, code in codes[: terms.k]]
        return shamir.join([(x, code[32:]) for x, code in codes[: terms.k]]), gfp.join(pairs)


def true_shares(world: World, client: str, key_id: bytes) -> list[KeyShare]:
    """What the hubs were given for curtis."""
    shares = []
    for name, x in world.cabal.xs.items():
        lot = world.hubs[name].shares.find(client, key_id)
        if lot is not None:
            _, share, code = lot.columns([key_id])  # curtis is the only responder client
            shares.append(KeyShare(x, bytes(share), code))
    return shares


def colluding(kind: type[Adds], liars: tuple[str, ...], n: int = 5, k: int = 3, seed: int = 1) -> World:
    return World(n=n, k=k, seed=seed, hub_classes=dict.fromkeys(liars, hub_that(kind))).start()


def named(world: World) -> set[str]:
    return {text.split()[1] for text in world.warnings() if "differs from the key" in text}


def fetch(world: World, keys: list[Key]) -> list[Key]:
    found = world.get_by_id("curtis", "sunny", "sam", keys)
    world.run_for(0.01)
    return found


# --- shifting ---


@pytest.mark.parametrize("bits", [128, 256, 8 * 1025])
@pytest.mark.parametrize("liars", [("hub1",), ("hub1", "hub2"), ("hub2", "hub3")])
def test_x_alone_stands_between_colluders_and_a_key_of_their_choice(
    liars: tuple[str, ...], bits: int
) -> None:
    """With k hubs up the helpers are those that they count on: told x they win, else they never do."""
    outcomes = []
    for kind in (KnowsX, ShiftsTheKey):
        world = KnowsX.of_hubs = colluding(kind, liars)
        for name in ("hub4", "hub5"):
            world.stop_hub(name)
            world.cabal.xs.pop(name)
        [key] = world.get_keys("carol", "sam", ["sunny"], 1, bits)
        world.run_for(0.05)
        try:
            outcomes.append(fetch(world, [key])[0].key)
        except ReconstructionError:
            outcomes.append(b"")
        assert all(world.cabal.lies[name] for name in liars)
    assert outcomes == [b"\x66" * (bits // 8), b""]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "k"), [(3, 2), (5, 3), (7, 4), (9, 5), (12, 4)])
def test_shifted_shares_are_outvoted_and_named(n: int, k: int, seed: int) -> None:
    liars = tuple(f"hub{number}" for number in range(1 + seed, k + seed))
    world = colluding(ShiftsTheKey, liars, n, k, seed)
    for bits in (256, 8 * 1025):
        keys = world.get_keys("carol", "sam", ["sunny"], 2, bits)
        assert fetch(world, keys) == keys
    assert all(world.cabal.lies[name] for name in liars)
    assert named(world) <= set(liars)


# --- framing ---


def polynomials_of(world: World, kind: type[Adds], key: Key) -> Differences:
    """What the colluders have agreed to add to one key's shares."""
    agreed: Differences = world.cabal._agreed[kind.named(), "carol", key.key_id, "curtis"]
    return agreed


def as_told(world: World, kind: type[Adds], key: Key, shares: list[KeyShare]) -> list[KeyShare]:
    """All shares of a key as its responder gets them."""
    differences = polynomials_of(world, kind, key)
    liars = set(world.cabal.together(kind.named()))
    told = []
    for share in shares:
        string, pair = differences.at(share.x) if share.x in liars else (bytes(len(key.key)), bytes(32))
        one = bytes(a ^ b for a, b in zip(share.share, string, strict=True))
        numbers = [int.from_bytes(text[i : i + 16], "little") for text in (share.code, pair) for i in (0, 16)]
        sums = [(numbers[i] + numbers[i + 2]) % gfp.P for i in (0, 1)]
        told.append(KeyShare(share.x, one, b"".join(number.to_bytes(16, "little") for number in sums)))
    return told


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "k"), [(5, 3), (7, 4), (9, 5)])
def test_differences_that_cancel_at_0_have_no_honest_hub_named(n: int, k: int, seed: int) -> None:
    """The right key passes with the liars' shares: a naive judge would name the honest that differ."""
    world = World(n=n, k=k, seed=seed)
    liars = tuple(world.random.sample(world.hub_names, k - 1))
    world = colluding(FramesHonestHubs, liars, n, k, seed)
    for _ in range(3):
        keys = world.get_keys("carol", "sam", ["sunny"])
        world.run_for(0.05)
        shares = true_shares(world, "carol", keys[0].key_id)
        assert fetch(world, keys) == keys
        assert differing_honest(world, keys[0], shares, k)
    assert named(world) <= set(liars)
    assert all(world.cabal.lies[name] for name in liars)


def differing_honest(world: World, key: Key, shares: list[KeyShare], k: int) -> set[int]:
    """The honest hubs off the polynomial of the liars and their helper, which gives the right key."""
    told = as_told(world, FramesHonestHubs, key, shares)
    liars = world.cabal.together(FramesHonestHubs.named())
    silent = [x for x, string in polynomials_of(world, FramesHonestHubs, key).strings if x and x not in liars]
    group = [share for share in told if share.x in {*liars, *silent}][:k]
    assert shamir.join([(share.x, share.share) for share in group]) == key.key
    pairs = [(share.x, share.code) for share in group]
    columns = [(share.x, share.share) for share in group]
    return {
        share.x
        for share in told
        if gfp.join(pairs, at=share.x) != share.code or shamir.join(columns, at=share.x) != share.share
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "k"), [(5, 3), (7, 4), (9, 5)])
def test_decoding_that_points_at_honest_hubs_loses_no_key_and_names_none(n: int, k: int, seed: int) -> None:
    liars = tuple(f"hub{number}" for number in range(1, k))
    world = colluding(MisleadsDecoding, liars, n, k, seed)
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.run_for(0.05)
    shares = true_shares(world, "carol", keys[0].key_id)
    assert fetch(world, keys) == keys
    told = as_told(world, MisleadsDecoding, keys[0], shares)
    assert suspected(told, k) - set(range(1, k)), "decoding does point at an honest hub"
    assert named(world) <= set(liars)


def suspected(told: list[KeyShare], k: int) -> set[int]:
    """The x-coordinates at which decoding points, over all columns."""
    xs = [share.x for share in told]
    columns = [(GF256, [share.share[i] for share in told]) for i in range(len(told[0].share))]
    for i in (0, 16):
        columns.append((GFP, [int.from_bytes(share.code[i : i + 16], "little") for share in told]))
    found = [locate_errors(field, xs, values, k) or () for field, values in columns]
    return {xs[index] for errors in found for index in errors}


# --- dealings of their own ---


@pytest.mark.parametrize("kind", ["deals-another", "deals-for-two", "deals-for-others", "deals-around"])
@pytest.mark.parametrize(("n", "k"), [(5, 3), (7, 4)])
def test_k_minus_1_shares_of_another_dealing_are_no_key(kind: str, n: int, k: int) -> None:
    liars = tuple(f"hub{number}" for number in range(1, k))
    world = World(n=n, k=k, hub_classes=dict.fromkeys(liars, LIARS[kind])).start()
    keys = world.get_keys("carol", "sam", ["sunny"], 3)
    assert fetch(world, keys) == keys
    assert named(world) == set(liars)


@pytest.mark.parametrize(("nr_liars", "wins"), [(2, False), (3, True)])
def test_a_key_that_nobody_dealt_takes_k_liars(nr_liars: int, wins: bool) -> None:
    """k of them are beyond the promise: then the key of their choice is what the responder gets."""
    liars = [f"hub{number}" for number in range(1, nr_liars + 1)]
    world = World(hub_classes=dict.fromkeys(liars, LIARS["deals-what-never-was"])).start()
    outcome = world.ask_by_id("curtis", "sunny", "sam", [bytes(range(16))])
    world.run_for(1.2)
    assert world.cabal.lies["hub1"]
    if wins:
        assert outcome == [[Key(bytes(range(16)), b"\x66" * 32)]]
    else:
        assert isinstance(outcome[0], UnknownKeyError)


# --- the directory ---


@pytest.mark.parametrize("kind", ["false-directory", "empty-directory", "torn-directory"])
@pytest.mark.parametrize(("n", "k"), [(3, 2), (5, 3), (7, 4)])
def test_fewer_than_k_hubs_move_no_encryptor(kind: str, n: int, k: int) -> None:
    """They answer first, and alike."""
    liars = tuple(f"hub{number}" for number in range(1, k))
    world = World(n=n, k=k, hub_classes=dict.fromkeys(liars, LIARS[kind])).start()
    found: dict[str, object] = {}
    for client, encryptor in (("carol", "sunny"), ("curtis", "sam"), ("celia", "susan")):
        world.clients[client].locate(encryptor, partial(found.__setitem__, encryptor), world.now)
    world.run_for(1.0)
    assert found == {"sunny": "curtis", "sam": "carol", "susan": "curtis"}
    assert all(world.cabal.lies[name] for name in liars)


def test_k_hubs_could_move_an_encryptor() -> None:
    """Beyond the promise: what the lie above is worth with one hub more."""
    world = World(hub_classes=dict.fromkeys(("hub1", "hub2", "hub3"), LIARS["false-directory"])).start()
    found: list[object] = []
    world.clients["carol"].locate("sunny", found.append, world.now)
    world.run_for(1.0)
    assert found == ["carol"]
