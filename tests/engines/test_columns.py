"""Keys that travel together and fare differently: what happens to one says nothing of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from simulating.enemies.liars import LIARS
from simulating.enemies.lies.hub import ShareLie, hub_that
from simulating.enemies.rows import Row, replaced
from simulating.enemies.sums import add

from dsked.errors import (
    ConflictError,
    ErrorCode,
    LimitError,
    NotNamedError,
    ReconstructionError,
    TooFewHubsError,
)
from dsked.hub.engine import HubEngine
from dsked.limits import ACK_GRACE_S
from dsked.wire.connection import HubConnection
from dsked.wire.messages import PutShares, PutSharesAck, ShareGroup
from tests.engines.lying import OwnHandlers
from tests.engines.world import DELAY_S, World


class LiesAboutOne(ShareLie):
    """Alters the share of one key that a test names."""

    of_key = b""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, share=add(key.share, bytes([self.x]))) if key.key_id == self.of_key else key


def named(world: World) -> set[str]:
    return {text.split()[1] for text in world.warnings() if "differs from the key" in text}


# --- responders ---


def test_one_altered_share_of_a_batch_is_outvoted_and_named() -> None:
    world = World(hub_classes={"hub1": hub_that(LiesAboutOne), "hub2": hub_that(LiesAboutOne)}).start()
    keys = world.get_keys("carol", "sam", ["sunny"], 128)
    LiesAboutOne.of_key = keys[77].key_id
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    world.run_for(0.1)
    assert named(world) == {"hub1", "hub2"}
    status = world.clients["curtis"].status(world.now)
    assert [hub["mismatches"].get("carol", 0) for hub in status["peer_hubs"]] == [1, 1, 0, 0, 0]


def test_a_key_that_fails_beside_others_is_told_at_once_and_fails_no_other() -> None:
    """Three hubs, all are needed, and one alters one key of those that are asked for in one turn."""
    world = World(n=3, k=3, hub_classes={"hub2": hub_that(LiesAboutOne)}).start()
    world.pair()
    keys = world.get_keys("carol", "sam", ["sunny"], 5)
    LiesAboutOne.of_key = keys[1].key_id
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", [key]) for key in keys]
    world.run_for(4 * DELAY_S)
    assert [len(outcome) for outcome in outcomes] == [1] * 5, "at once"
    assert isinstance(outcomes[1][0], ReconstructionError)
    assert [outcome[0] for number, outcome in enumerate(outcomes) if number != 1] == [
        [key] for number, key in enumerate(keys) if number != 1
    ]


def test_a_key_that_is_not_there_holds_up_no_other_request_of_the_turn() -> None:
    world = World().start()
    keys = world.get_keys("carol", "sam", ["sunny"], 8)
    unknown = world.ask_by_id("curtis", "sunny", "sam", [bytes(16)])
    of_others = [world.ask_by_id("curtis", "sunny", "sam", keys[at : at + 2]) for at in range(0, 8, 2)]
    world.run_for(4 * DELAY_S)
    assert [outcome[0] for outcome in of_others] == [keys[at : at + 2] for at in range(0, 8, 2)]
    assert not unknown


def test_keys_that_hubs_give_in_other_groups_than_asked_are_one_answer() -> None:
    """Each hub another way of saying what is true."""
    kinds = {"hub1": LIARS["one-key-a-frame"], "hub2": LIARS["keys-twice"], "hub5": LIARS["one-key-a-frame"]}
    world = World(hub_classes=kinds).start()
    world.pair()  # the directory is known now
    keys = world.get_keys("carol", "sam", ["sunny"], 40)
    asked = world.now
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    assert world.now - asked == pytest.approx(2 * DELAY_S)
    world.run_for(0.1)
    assert not named(world)


def test_of_two_shares_of_a_key_in_one_column_the_first_stands() -> None:
    """Whichever it is: a liar has one try, and the truth first is no excuse for what stands elsewhere."""
    world = World(hub_classes=dict.fromkeys(("hub1", "hub2"), LIARS["keys-twice-that-differ"])).start()
    for _ in range(6):
        keys = world.get_keys("carol", "sam", ["sunny"], 3)
        assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
        world.run_for(12.0)
    assert named(world) <= {"hub1", "hub2"}


class SaysAnotherK(ShareLie):
    """All else is true, so that terms may be taken for those of honest hubs."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        return [replaced(group, k=group.k + 1)]


def test_a_hub_that_says_another_k_first_is_not_believed_of_others() -> None:
    world = World(hub_classes=dict.fromkeys(("hub1", "hub2"), hub_that(SaysAnotherK))).start()
    for _ in range(2):
        keys = world.get_keys("carol", "sam", ["sunny"], 3)
        assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    world.run_for(0.1)
    assert named(world) == {"hub1", "hub2"}


def test_shares_of_another_request_are_not_taken_with_the_answer_to_one() -> None:
    """The first keys are kept for susan, who has not asked yet; the liars have given their shares before."""
    liars = dict.fromkeys(("hub1", "hub2"), LIARS["gives-what-was-asked-before"])
    world = World(hub_classes=liars).start()
    batches = [world.get_keys("carol", "sam", ["sunny", "susan"], 3) for _ in range(4)]
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", keys) for keys in batches[:2]]
    world.run_until(lambda: all(outcomes))
    outcomes += [world.ask_by_id("curtis", "sunny", "sam", keys) for keys in batches[2:]]
    world.run_until(lambda: all(outcomes))
    assert [outcome[0] for outcome in outcomes] == batches
    assert [world.get_by_id("curtis", "susan", "sam", keys) for keys in batches] == batches
    assert not named(world)


def test_a_request_for_keys_of_which_one_names_another_is_refused_and_loses_none() -> None:
    world = World().start()
    own = world.get_keys("carol", "sam", ["sunny"], 3)
    of_susan = world.get_keys("carol", "sam", ["susan"], 1)
    with pytest.raises(NotNamedError):
        world.get_by_id("curtis", "sunny", "sam", [*own, *of_susan])
    assert world.get_by_id("curtis", "sunny", "sam", own) == own
    assert world.get_by_id("curtis", "susan", "sam", of_susan) == of_susan


# --- initiators ---


class RefusesThe(OwnHandlers):
    """Refuses the keys at some places of every PUT_SHARES, and does store them."""

    places: tuple[int, ...] = ()
    code = ErrorCode.CONFLICT

    def _put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        self._honest[PutShares](connection, request_id, message, now)
        session = connection.session
        assert session is not None
        ack = next(reversed(session._outbox.values())).message
        assert isinstance(ack, PutSharesAck)
        codes = bytearray(ack.codes)
        for place in self.places:
            codes[place] = self.code
        ack.codes = bytes(codes)


def _refusing(places: tuple[int, ...], hubs: int) -> World:
    kind = type("Refuses", (RefusesThe,), {"places": places})
    return World(hub_classes={f"hub{number}": kind for number in range(1, hubs + 1)}).start()


@pytest.mark.parametrize("hubs", [1, 2, 3])
def test_a_refusal_of_one_key_concerns_its_request_alone(hubs: int) -> None:
    """Three requests of four keys leave in one frame; some hubs refuse the sixth key."""
    world = _refusing((), hubs)
    world.pair()
    for name in world.hub_names[:hubs]:
        world.hubs[name].places = (5,)  # type: ignore[attr-defined]
    asked = world.now
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 4) for _ in range(3)]
    world.run_for(4 * DELAY_S)
    assert [len(outcomes[number][0]) for number in (0, 2)] == [4, 4], "at once"
    if hubs == 3:
        assert isinstance(outcomes[1][0], ConflictError), "two of five hubs are fewer than k"
        return
    world.run_until(lambda: bool(outcomes[1]), ACK_GRACE_S + 0.01)
    assert len(outcomes[1][0]) == 4
    assert world.now - asked < ACK_GRACE_S + 0.01
    for outcome in outcomes:
        assert world.get_by_id("curtis", "sunny", "sam", outcome[0]) == outcome[0]


@pytest.mark.parametrize("number", [0, 1, 11, 13, 1024])
def test_codes_of_a_wrong_number_are_no_acknowledgement(number: int) -> None:
    class Miscounts(OwnHandlers):
        def _put_shares(
            self, connection: HubConnection, request_id: int, message: PutShares, now: float
        ) -> None:
            connection.send(request_id, PutSharesAck(bytes(number)))

    world = World(n=3, k=2, hub_classes=dict.fromkeys(("hub1", "hub2"), Miscounts)).start()
    outcome = world.ask_keys("carol", "sam", ["sunny"], 12)
    world.run_for(1.0)
    assert isinstance(outcome[0], TooFewHubsError), "one hub of three has the keys"


def test_a_limit_of_hubs_fails_the_requests_beyond_it_alone() -> None:
    """Room for ten keys at every hub: of four requests of four keys in one frame two succeed."""
    world = World().start()
    for hub in world.hubs.values():
        _limit(hub, 10)
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 4) for _ in range(4)]
    world.run_for(1.0)
    kinds: list[Any] = [type(outcome[0]) for outcome in outcomes]
    assert kinds == [list, list, LimitError, LimitError]
    for outcome in outcomes[:2]:
        assert world.get_by_id("curtis", "sunny", "sam", outcome[0]) == outcome[0]


def _limit(hub: HubEngine, number: int) -> None:
    hub.shares.limits = replace(hub.shares.limits, max_pending_shares_per_client=number)
