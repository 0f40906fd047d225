"""What the oracle promises where PSRD on media is nearly used up: neither more nor less than pads allow."""

from __future__ import annotations

import pytest
from simulating.events import Broken
from simulating.load import Load
from simulating.supplies import can_deal, can_fetch, pads
from simulating.world import World

from dsked.client.hubs import Hubs
from dsked.keys import Key
from dsked.limits import LAST_QUESTION_BYTES, USED_UP_BYTES, WINDOW_PING_RESERVE_BYTES
from dsked.psrd.pair import Streams
from dsked.sharing.shares import code_bytes

from .worlds import small

_HUBS = ("hub1", "hub2")  # that nothing befalls
_ENOUGH = 4 * USED_UP_BYTES


class Setting:
    """A key of 2,048 bytes from sam to sunny, and pools to which no operator brings more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = small(1, simulated=False, victims=("hub3",))
        self.world.events.run_for(1.0)
        monkeypatch.setattr(self.world, "bring_bundles", lambda: None)
        self.load = Load(self.world)
        self.load.stop()
        self.world.events.run_for(20.0)
        self.key = self.get_key()

    def get_key(self) -> Key:
        carol = self.world.client("carol")
        assert carol is not None
        answers: list[list[Key]] = []
        self.world.oracle.get_keys(
            carol, "sam", ["sunny"], 1, 16_384, lambda request: answers.append(request.outcome)
        )
        self.world.events.run_for(0.2)
        return answers[0][0]

    def ask(self) -> None:
        """For a further key, as the load does. Raises Broken."""
        carol = self.world.client("carol")
        assert carol is not None
        self.load._get_keys(carol, "sam", ["sunny"], 1, 256)
        self.world.events.run_for(0.5)

    def fetch(self) -> int:
        """How often sunny has had the key then. Raises Broken."""
        self.load._fetch("sunny", "sam", [self.key.key_id], 0)
        self.world.events.run_for(2.0)
        return self.world.oracle.memory.delivered[("carol", self.key.key_id), "sunny"]


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    return Setting(monkeypatch)


def streams(world: World, owner: str, peer: str) -> Streams:
    node = (world.clients | world.hubs)[owner]
    assert node.process is not None and node.process.store is not None
    return node.process.store.streams()[peer]


def use_up(world: World, owner: str, peer: str, left: int) -> None:
    """The owner has so many bytes left for ordinary frames, and its peer knows it."""
    own, follower = streams(world, owner, peer).local, streams(world, peer, owner).peer
    own.next = own.held_end - WINDOW_PING_RESERVE_BYTES - left
    follower.advance(own.next)
    follower.durable = follower.told = max(follower.durable, own.next)
    own.acked = follower.told


def refuse_what_is_used_up(self: Hubs) -> list[object]:
    """The fault that is planted."""
    return [peer for peer in self.peers if not peer.trouble]


def test_a_key_is_due_as_long_as_a_question_has_pads(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hub in _HUBS:
        use_up(setting.world, "curtis", hub, LAST_QUESTION_BYTES)
    setting.world.network.cut([("curtis", "hub3")])
    with monkeypatch.context() as planted, pytest.raises(Broken, match="though enough hubs hold it"):
        planted.setattr(Hubs, "usable", refuse_what_is_used_up)
        setting.fetch()
    assert setting.fetch() == 1


@pytest.mark.parametrize("owner", ["curtis", "hub1"])
def test_no_key_is_due_where_pads_are_lacking(setting: Setting, owner: str) -> None:
    world = setting.world
    terms = world.oracle.memory.dealt["carol", setting.key.key_id].terms
    needed = LAST_QUESTION_BYTES if owner == "curtis" else pads(2048 + code_bytes(terms), 1)
    peer = "hub1" if owner == "curtis" else "curtis"
    use_up(world, owner, peer, needed)
    assert can_fetch(world, "curtis", "hub1", [terms])
    use_up(world, owner, peer, needed - 1)
    assert not can_fetch(world, "curtis", "hub1", [terms])
    assert can_fetch(world, "curtis", "hub2", [terms])
    for hub in _HUBS:
        use_up(world, "curtis", hub, LAST_QUESTION_BYTES - 1)
    world.network.cut([("curtis", "hub3")])
    assert setting.fetch() == 0, "and nobody is blamed"


def test_nobody_is_blamed_for_new_keys_that_pads_do_not_reach(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hub in _HUBS:
        use_up(setting.world, "carol", hub, _ENOUGH)
    with monkeypatch.context() as planted, pytest.raises(Broken, match="though enough hubs are well"):
        planted.setattr(Hubs, "taking", lambda self: [])
        setting.ask()
    for hub in _HUBS:
        use_up(setting.world, "carol", hub, USED_UP_BYTES - 1)
    setting.world.network.cut([("carol", "hub3")])
    setting.ask()
    assert setting.world.events.counts["error TooFewHubsError"] == 2


@pytest.mark.parametrize("owner", ["carol", "hub1"])
def test_new_keys_are_due_until_a_pair_is_used_up(setting: Setting, owner: str) -> None:
    world, peer = setting.world, "hub1" if owner == "carol" else "carol"
    use_up(world, owner, peer, _ENOUGH)
    assert can_deal(world, "carol", "hub1", _ENOUGH)
    assert can_deal(world, "carol", "hub1", _ENOUGH + 1) is (owner != "carol")
    use_up(world, owner, peer, USED_UP_BYTES)
    assert can_deal(world, "carol", "hub1", 100)
    use_up(world, owner, peer, USED_UP_BYTES - 1)
    assert not can_deal(world, "carol", "hub1", 100)


def test_what_has_no_pools_on_media_is_never_used_up() -> None:
    world = small(1)
    world.events.run_for(1.0)
    assert can_deal(world, "carol", "hub1", 2**40)
