"""The oracle can fail: faults planted in the product are caught within a few seeds, each by its rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from simulating.events import Broken
from simulating.judging.oracle import Oracle
from simulating.load import Load
from simulating.processes import Node

from dsked.client import engine
from dsked.client.deal import Deal, KeyRequest
from dsked.client.delivered import Delivered
from dsked.client.dials import Dials
from dsked.client.fetches import Fetches
from dsked.client.handing_out import HandingOut
from dsked.client.holders import Holders
from dsked.client.hub_peer import HubPeer
from dsked.client.initiator import Initiator
from dsked.client.locator import Locator
from dsked.client.responder import Responder
from dsked.client.stored_keys import StoredKeys
from dsked.client.stored_place import Lot, Place, StoredPair
from dsked.errors import UnknownKeyError
from dsked.hub.share_store import ShareStore, _Account
from dsked.hub.simulated import Deliveries
from dsked.keys import Key, Outcome
from dsked.psrd.pool import OwnerPool
from dsked.sharing import rebuilding
from dsked.storage.marks import MarkFile
from dsked.wire import handshake_client, handshake_hub, session

from .worlds import LIARS, failure_of, small

Patch = pytest.MonkeyPatch
_FEW = 32  # one in ten worlds has bits flipped in a frame


def the_secret_tag_is_not_looked_at(patch: Patch) -> None:
    patch.setattr(rebuilding, "hmac", SimpleNamespace(compare_digest=lambda *what: True))


def a_tag_is_not_looked_at(patch: Patch) -> None:
    patch.setattr(session, "verify_one_time_tag", lambda *what: None)


def a_position_is_taken_twice(patch: Patch) -> None:
    """What was taken is neither wiped nor passed."""

    def twice(self: OwnerPool, position: int, length: int) -> tuple[int, bytes]:
        return position, self.store.read(position, length)

    patch.setattr(OwnerPool, "_take", twice)


def the_unnamed_are_served(patch: Patch) -> None:
    patch.setattr(HandingOut, "_refusal_of", lambda *what: None)


def what_was_delivered_is_forgotten(patch: Patch) -> None:
    patch.setattr(Delivered, "add", lambda *what: None)
    patch.setattr(ShareStore, "confirm", lambda *what: None)


def a_caller_is_told_twice(patch: Patch) -> None:
    succeed = Deal.succeed

    def told(self: Deal, request: KeyRequest) -> None:
        outcomes: list[Outcome] = []
        done = request.done
        assert done is not None
        request.done = outcomes.append
        succeed(self, request)
        for _ in range(2):
            done(outcomes[0])

    patch.setattr(Deal, "succeed", told)


def a_caller_is_never_told(patch: Patch) -> None:
    patch.setattr(Deal, "succeed", lambda *what: None)
    patch.setattr(Initiator, "_time_is_up", lambda *what: None)


def honest_hubs_are_accused(patch: Patch) -> None:
    grant = Responder._grant

    def accused(self: Responder, recipient: Any, requests: Any, now: float) -> None:
        self._evidence.mismatch(recipient[0], "hub1", now)
        grant(self, recipient, requests, now)

    patch.setattr(Responder, "_grant", accused)


def a_lost_hub_is_not_dialled_again(patch: Patch) -> None:
    patch.setattr(Dials, "later", lambda *what: None)


def fetches_are_kept_for_ever(patch: Patch) -> None:
    patch.setattr(Fetches, "_sweep", lambda *what: None)
    patch.setattr(Fetches, "drop", lambda *what: None)


def a_hub_forgets_to_count(patch: Patch) -> None:
    patch.setattr(_Account, "count", lambda *what: None)


def a_client_forgets_to_count(patch: Patch) -> None:
    patch.setattr(Fetches, "_count_bytes", lambda *what: None)


def a_hub_keeps_what_belongs_to_lost_connections(patch: Patch) -> None:
    patch.setattr(Deliveries, "forget", lambda *what: None)


def an_error_is_not_declared(patch: Patch) -> None:
    patch.setattr(engine, "key_bytes", lambda *what: 1 // 0)


def nobody_gets_a_key(patch: Patch) -> None:
    error = UnknownKeyError("no")
    patch.setattr(Responder, "_hand_out", lambda self, request: self._finish(request, error))


def a_stored_key_stays_in_the_store(patch: Patch) -> None:
    def kept(self: Place, lots: Sequence[Lot], number: int) -> list[Key]:
        return [key for lot in lots for key in lot.keys][:number]

    patch.setattr(Place, "_remove", kept)


def hubs_that_were_started_again_are_holders(patch: Patch) -> None:
    def present(self: Holders, hubs: Iterable[HubPeer], now: float) -> int:
        return sum(hub.index in self._of and now < self._of[hub.index].until for hub in hubs)

    patch.setattr(Holders, "present", present)
    patch.setattr(Holders, "has_lost", lambda *what: False)


def stored_keys_do_not_grow_old(patch: Patch) -> None:
    answered = Holders.answered

    def for_ever(self: Holders, hub: HubPeer, *, taken: bool, last: bool) -> None:
        answered(self, hub, taken=taken, last=last)
        if hub.index in self._of:
            self._of[hub.index] = self._of[hub.index]._replace(until=math.inf)

    patch.setattr(Holders, "answered", for_ever)


def a_store_is_said_to_be_full(patch: Patch) -> None:
    patch.setattr(StoredKeys, "_stored", lambda self, place, now: place.pair.count)


def a_store_is_said_to_be_empty(patch: Patch) -> None:
    patch.setattr(StoredKeys, "_stored", lambda *what: 0)


def a_store_is_not_filled_again_after_a_loss(patch: Patch) -> None:
    patch.setattr(Place, "put_off", lambda self, problem, now: setattr(self, "next_try", math.inf))


def more_is_stored_than_is_wanted(patch: Patch) -> None:
    patch.setattr(Place, "lacks", lambda self, now: self.pair.count)
    patch.setattr(Place, "_drop_surplus", lambda *what: 0)


def a_common_hub_is_left_out(patch: Patch) -> None:
    patch.setattr(Locator, "strangers", lambda self, encryptors: frozenset({0}))


def clients_are_found_without_hubs(patch: Patch) -> None:
    served = {"sam": "carol", "sue": "carol", "sunny": "curtis", "susan": "curtis"}
    patch.setattr(Locator, "known", lambda self, encryptor, now: served[encryptor])


APART = {"carol": ("hub1", "hub2"), "curtis": ("hub2", "hub3")}
STORED = {"stored": {"carol": (StoredPair("sam", "sunny", 4, 32), StoredPair("sue", "susan", 1, 32))}}
PLANTED: list[tuple[Callable[[Patch], None], str, dict[str, Any]]] = [
    (the_secret_tag_is_not_looked_at, "WRONG KEY", {"liars": {"hub1": LIARS["alters-share"]}}),
    (a_tag_is_not_looked_at, "a forged piece", {}),
    (a_position_is_taken_twice, "uses bytes", {}),
    (the_unnamed_are_served, "a key that", {}),
    (what_was_delivered_is_forgotten, "twice", {}),
    (a_caller_is_told_twice, "twice", {}),
    (a_caller_is_never_told, "has not answered", {}),
    (honest_hubs_are_accused, "accuses the honest hub1", {}),
    (a_lost_hub_is_not_dialled_again, "no session after", {}),
    (fetches_are_kept_for_ever, "keeps what it needs no more", {"share_timeout_s": 3.0}),
    (a_hub_keeps_what_belongs_to_lost_connections, "deliveries with", {}),
    (a_hub_forgets_to_count, "bytes of shares", {}),
    (a_client_forgets_to_count, "bytes of shares", {}),
    (an_error_is_not_declared, "ZeroDivisionError", {}),
    (nobody_gets_a_key, "in the calm", {}),
    (a_stored_key_stays_in_the_store, "hands out the key", STORED),
    (hubs_that_were_started_again_are_holders, "hands out the stored key", STORED),
    (stored_keys_do_not_grow_old, "hands out the stored key", {**STORED, "share_timeout_s": 3.0}),
    (a_store_is_said_to_be_full, "and does not hand out", STORED),
    (a_store_is_said_to_be_empty, "tells 0 of", STORED),
    (a_store_is_not_filled_again_after_a_loss, "stores are not full", STORED),
    (more_is_stored_than_is_wanted, "stores ", STORED),
    (a_common_hub_is_left_out, "leaves out ['hub1']", {}),
    (clients_are_found_without_hubs, " alone", {"n": 3, "k": 2, "some_hubs": APART}),
]


@pytest.mark.parametrize(("plant", "expected", "world"), PLANTED, ids=[one[0].__name__ for one in PLANTED])
def test_a_planted_fault_is_caught(
    plant: Callable[[Patch], None], expected: str, world: dict[str, Any], monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    found = next(filter(None, (failure_of(seed, **world) for seed in range(_FEW))), "nothing was found")
    assert expected in found


def marks_are_not_synced(patch: Patch) -> None:
    patch.setattr(MarkFile, "sync", lambda self: None)


def a_restored_side_goes_on_where_it_stands(patch: Patch) -> None:
    for module in (handshake_client, handshake_hub):
        patch.setattr(module, "begin_position", lambda pool, **told: pool.next)
        patch.setattr(module, "lies_where_no_frame_was", lambda *told: True)
        patch.setattr(module, "peers_hash_key", lambda *told: None)


IN_STATE: list[tuple[Callable[[Patch], None], str]] = [
    (marks_are_not_synced, ""),
    (a_restored_side_goes_on_where_it_stands, "client"),
]


@pytest.mark.parametrize(("plant", "restores"), IN_STATE, ids=[one[0].__name__ for one in IN_STATE])
def test_a_fault_of_what_is_durable_is_caught(
    plant: Callable[[Patch], None], restores: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    found = next(filter(None, (_lose_state(seed, restores) for seed in range(_FEW))), "nothing was found")
    assert "uses bytes" in found or "false alarm" in found


def _lose_state(seed: int, restores: str) -> str:
    """The power of all nodes fails again and again, or one client's state is set back. What did not hold."""
    world = small(seed, simulated=False, restores=restores)
    world.events.run_for(0.5)
    nodes = [world.clients["carol"]] if restores else world.nodes
    for node in nodes:
        assert node.disk is not None
        node.disk.take_copy()
    load = Load(world)
    try:
        for _ in range(3):
            world.events.run_for(1.0)
            for node in nodes:
                _fail(node, restores)
        load.stop()
    except Broken as broken:
        return str(broken)
    return ""


def _fail(node: Node, restores: str) -> None:
    assert node.disk is not None
    node.crash(power=not restores)
    if restores:
        node.disk.restore()
        node.events.count("restores")
    node.start()


def test_a_stolen_key_is_seen() -> None:
    world = small(1, clients={"carol": ("sam",), "curtis": ("sunny",), "mallory": ("mallory-a",)})
    oracle: Oracle = world.oracle
    world.events.run_for(1.0)
    answers: list[Any] = []
    carol, mallory = world.client("carol"), world.client("mallory")
    assert carol is not None and mallory is not None
    oracle.get_keys(carol, "sam", ["sunny"], 1, 256, answers.append)
    world.events.run_for(0.5)
    key = answers[0].outcome[0]
    mallory.engine.stolen = [("carol", key.key_id, bytes(32))]  # type: ignore[attr-defined]
    oracle.check_stolen(mallory)  # a wrong guess is none
    mallory.engine.stolen.append(("carol", key.key_id, key.key))  # type: ignore[attr-defined]
    with pytest.raises(Broken, match="was not for it"):
        oracle.check_stolen(mallory)
