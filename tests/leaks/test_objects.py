"""Whatever the engines hold, no text of it tells a secret, at any moment of any story."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest
from simulating.enemies.liars import LIARS

from dsked.client.columns import Column, Piece
from dsked.client.deal import Deal, KeyRequest
from dsked.client.fetch import Batch, Fetch
from dsked.client.put_frames import PutItem
from dsked.errors import DskedError
from dsked.hub.lots import Given, Lot
from dsked.hub.share_desk import ShareDesk
from dsked.keys import Key
from dsked.psrd.pair import Pair
from dsked.sharing.dealing import HubColumns, HubShare, KeyShare
from dsked.sharing.terms import Party, Terms
from dsked.wire.handshake import SessionKeys
from dsked.wire.messages import PartyBody, PsrdBlock, PutGroup, PutShares, ShareGroup
from dsked.wire.session import Session, _Waiting
from dsked.wire.wrapping import _Direction

from ..engines.world import World
from .canaries import Canaries
from .watched_world import Watch, is_ours, pickled, reachable, texts

TERMS = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)
SECRET = bytes(range(100, 132))


def look(world: World, canaries: Canaries) -> set[str]:
    """Every object of the engines, as text and pickled; gives the names of the classes seen."""
    links: list[object] = [link.near for link in world.links] + [link.far for link in world.links]
    seen = [
        thing
        for thing in reachable([*world.hubs.values(), *world.clients.values(), *links])
        if is_ours(thing)
    ]
    told: dict[str, str] = {}
    for thing in seen:
        told.update({text: place for place, text in texts(thing) if text not in told})
    assert not [hit for text, place in told.items() for hit in canaries.found(place, text)]
    for thing in seen:
        assert not canaries.found(f"pickle of {type(thing).__qualname__}", pickled(thing))
    return {type(thing).__qualname__ for thing in seen}


def failing(world: World, *outcomes: list[object]) -> None:
    """Wait for requests of which some may fail."""
    world.run_until(lambda: all(outcomes))


def stories(world: World) -> None:
    """Successes and failures of all kinds; each leaves something behind."""
    keys = world.get_keys("carol", "sam", ["sunny", "susan", "serena"], 3, 256)
    world.get_by_id("curtis", "sunny", "sam", keys)
    failing(
        world,
        world.ask_by_id("curtis", "sunny", "sam", keys),  # once more
        world.ask_by_id("celia", "serena", "sunny", keys),  # another initiator
        world.ask_by_id("carol", "sam", "serena", [bytes(16)]),  # unknown
        world.ask_keys("carol", "sam", ["nobody"]),
        world.ask_keys("carol", "sam", ["sunny"], 1, 77),
        world.ask_keys("carol", "sam", ["sunny"], 2, 8 * 1025),
    )


def test_no_object_of_the_engines_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    world = World(hub_classes={"hub4": LIARS["alters-share"], "hub5": LIARS["alters-x"]}).start()
    watch.gate_keys(world)
    stories(world)
    classes = look(world, watch.canaries)
    world.stop_hub("hub1")
    outcome = world.ask_keys("carol", "sam", ["sunny"], 5, 256)
    world.end_turns()  # dealt, on its way, and shares wait for the hub that is down
    classes |= look(world, watch.canaries)
    keys = world.result(outcome)
    wanted = world.ask_by_id("curtis", "sunny", "sam", keys)
    while "Fetch" not in classes or not classes & {"Point", "Search"}:  # some shares are here, and wrong
        assert not wanted
        world.step()
        classes |= look(world, watch.canaries)
    assert {
        "Lot",
        "Fetch",
        "Batch",
        "Column",
        "Deal",
        "KeyRequest",
        "PutItem",
        "HubColumns",
        "Pair",
        "Session",
        "_MemoryBlock",
    } <= classes
    assert {"SessionKeys", "Evidence", "HubHandshake"} & classes
    notices = "\n".join(text for _, text in world.notices)
    assert "differs from the key" in notices
    watch.canaries.clean("log", notices)


def test_no_outcome_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    liars = dict.fromkeys(("hub1", "hub2", "hub3"), LIARS["random-shares"])
    world = World(hub_classes=liars).start()
    outcomes: list[list[object]] = []
    for size in (256, 8 * 1025):
        keys = world.get_keys("carol", "sam", ["sunny"], 1, size)
        outcomes.append(world.ask_by_id("curtis", "sunny", "sam", keys))
    failing(world, *outcomes)
    for [error] in outcomes:
        assert isinstance(error, DskedError), "three liars are too many"
        watch.canaries.clean("error", "".join(traceback.format_exception(error)) + repr(error))


def test_an_object_that_leaked_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    world = World(n=2, k=2).start()
    world.pair()
    monkeypatch.setattr(Session, "__repr__", lambda self: self._send_hash_key.hex())
    with pytest.raises(AssertionError, match="of Session"):
        look(world, watch.canaries)


@pytest.mark.parametrize("place", ["_put_group", "_get"])
def test_a_traceback_tells_no_secret(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A fault of ours in the middle of a handler: what goes to the log is the code, not its values."""
    watch = Watch(monkeypatch)
    world = World(n=2, k=2).start()
    keys = world.get_keys("carol", "sam", ["sunny"], 2, 256)
    real: Callable[..., object] = getattr(ShareDesk, place)

    def breaks(*arguments: object) -> object:
        real(*arguments)
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(ShareDesk, place, breaks)
    request = world.ask_keys if place == "_put_group" else world.ask_by_id
    arguments = ("carol", "sam", ["sunny"]) if place == "_put_group" else ("curtis", "sunny", "sam", keys)
    request(*arguments)  # type: ignore[operator]
    with pytest.raises(ZeroDivisionError) as caught:
        world.run_for(1)
    logged = logging.Formatter().formatException((caught.type, caught.value, caught.tb))
    assert place in logged
    watch.canaries.clean("traceback", logged)


BATCH = Batch("carol")
FETCH = Fetch(("carol", bytes(16)), BATCH, "sunny", 0.0)
PARTY = PartyBody("carol", "sam")
PUT = PutGroup("sam", [PARTY], 5, 3, 60_000, 32, bytes(16), 0, SECRET, SECRET)
COLUMNS = HubColumns(SECRET, SECRET)
DEAL = Deal(TERMS, [KeyRequest(1, print)], bytes(16), SECRET, range(5))
HOLDERS = [
    Key(b"i" * 16, SECRET),
    HubShare(SECRET, (SECRET,)),
    COLUMNS,
    DEAL,
    PutItem(DEAL, COLUMNS, 0, 1),
    KeyShare(1, SECRET, SECRET),
    SessionKeys(bytes(16), SECRET, bytes(16), SECRET),
    _Direction(SECRET),
    _Waiting(1, PutShares([PUT]), [SECRET], 32, 100),
    PUT,
    ShareGroup(PARTY, [PARTY], 5, 3, 32, bytes(16), 0, SECRET, SECRET),
    PsrdBlock(0, bytes(16), 0, bytes(16), SECRET),
    Lot(TERMS, ("curtis",), 0.0, bytes(16), SECRET, SECRET, 1, 1),
    Given(TERMS, bytes(16), 0, SECRET, SECRET),
    Column(1, TERMS, bytes(16), SECRET, SECRET),
    Piece(TERMS, SECRET, bytearray(SECRET)),
    BATCH,
    FETCH,
    Pair("carol", "hank", None, SECRET, True),  # type: ignore[arg-type]
]


BATCH.take(Column(1, TERMS, bytes(16), SECRET, SECRET))
FETCH.key = SECRET


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_types_for_secrets(holder: object) -> None:
    canaries = Canaries()
    canaries.add("secret", SECRET)
    for place, text in texts(holder):
        canaries.clean(place, text)
    with pytest.raises(TypeError, match="holds secrets: it cannot be pickled or copied"):
        pickle.dumps(holder)
    with pytest.raises(TypeError, match="holds secrets"):
        copy.deepcopy(holder)
