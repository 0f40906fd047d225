"""Whole topologies whose nodes wrap what they say: keys flow whatever happens, and no name is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dsked.client.engine import ClientEngine
from dsked.errors import TooFewHubsError
from dsked.hub.engine import HubEngine
from dsked.limits import LAST_QUESTION_BYTES, MASK_BYTES, MAX_WRAPPED_BYTES, WRAP_PAD_BYTES
from dsked.wire.additions import Wrapping, start_bytes
from dsked.wire.frame import FrameBuffer

from .media_world import MediaWorld
from .test_media import hub_status, streams_of, use_up
from .world import World

OFF, ON, REQUIRED = Wrapping.OFF, Wrapping.ON, Wrapping.REQUIRED


class Wraps(World):
    """`wrapping`: by node; those that are not named have it on."""

    def __init__(self, *, wrapping: dict[str, Wrapping] | None = None, **world: Any) -> None:
        self.wrapping = wrapping or {}
        super().__init__(**world)

    def new_hub(self, name: str) -> HubEngine:
        hub = super().new_hub(name)
        hub._wrapping = self.wrapping.get(name, ON)
        return hub

    def new_client(self, name: str) -> ClientEngine:
        client = super().new_client(name)
        client._wrapping = self.wrapping.get(name, ON)
        for peer in client.hubs:
            peer._start_bytes = start_bytes(client._wrapping is not OFF)
        return client


class WrapsOnMedia(Wraps, MediaWorld):
    """The same over pools on media."""


@pytest.fixture(params=[Wraps, WrapsOnMedia])
def world(request: pytest.FixtureRequest) -> World:
    world: World = request.param()
    return world.start()


@pytest.fixture
def media() -> WrapsOnMedia:
    world = WrapsOnMedia()
    world.start()
    return world


def said(world: World) -> Iterator[tuple[list[bytes], bytes]]:
    """Of each direction of each connection: all pieces of it, and its bytes."""
    for link in world.links:
        for data in (b"".join(link.frames_to_hub), b"".join(link.frames_to_client)):
            yield list(FrameBuffer(MAX_WRAPPED_BYTES).feed(data)), data


def test_behind_wrap_every_piece_is_wrapped_and_no_name_is_seen(world: World) -> None:
    keys = world.pair(8, 256)
    for pieces, _ in said(world):
        kinds = [(piece[4], piece[5]) for piece in pieces]
        at = kinds.index((0x97, 0x06))
        assert all(kind in (0x93, 0x96, 0x9A, 0x9B) or type_ in (0x08, 0x09) for kind, type_ in kinds[:at])
        assert len(kinds) > at + 1
        assert {kind for kind, _ in kinds[at + 1 :]} == {0x91}
        behind = b"".join(pieces[at:])
        for name in (b"carol", b"curtis", b"sam", b"sunny", *(key.key_id for key in keys)):
            assert name not in behind


def test_it_begins_anew_with_every_session(world: World) -> None:
    for _ in range(3):
        world.pair(2, 128)
        world.cut(client="carol")
        world.stop_hub("hub2")
        world.start_hub("hub2")
        world.restart_client("curtis")
        world.run_until(
            lambda: all(peer.registered for client in world.clients.values() for peer in client.hubs), 90.0
        )
    assert all(peer.wrapped for client in world.clients.values() for peer in client.hubs)


def test_nodes_with_and_without_it_serve_each_other() -> None:
    world = Wraps(wrapping={"hub1": OFF, "hub2": OFF, "curtis": OFF, "hub3": ON, "carol": ON}).start()
    world.pair(4, 256)
    wrapped = {
        name: [hub["hub_name"] for hub in client.status(world.now)["peer_hubs"] if hub["wrapped"]]
        for name, client in world.clients.items()
    }
    assert wrapped == {"carol": ["hub3", "hub4", "hub5"], "celia": ["hub3", "hub4", "hub5"], "curtis": []}
    seen = {one["client_name"]: one["wrapped"] for one in world.hubs["hub4"].status()["peer_clients"]}
    assert seen == {"carol": True, "celia": True, "curtis": False}
    assert not any(one["wrapped"] for one in world.hubs["hub1"].status()["peer_clients"])


@pytest.mark.parametrize("insists", ["clients", "hubs"])
def test_who_requires_it_is_told_why_there_is_no_session(insists: str) -> None:
    off = {"hub4": OFF, "hub5": OFF} if insists == "clients" else {"carol": OFF}
    rest = dict.fromkeys(["carol", "celia", "curtis"] if insists == "clients" else ["hub4", "hub5"], REQUIRED)
    world = Wraps(wrapping={**off, **rest})
    world.run_for(5.0)
    found = {hub["hub_name"]: hub["problem"] for hub in world.clients["carol"].status(world.now)["peer_hubs"]}
    assert [hub for hub, problem in found.items() if problem is None] == ["hub1", "hub2", "hub3"]
    assert all("message wrapping is required here" in str(found[hub]) for hub in ("hub4", "hub5"))
    world.pair(2, 128)
    world.stop_hub("hub1")
    with pytest.raises(TooFewHubsError, match="message wrapping is required here"):
        world.get_keys("carol", "sam", ["sunny"])


def test_a_hub_that_drains_tells_it_behind_wrap(world: World) -> None:
    world.hubs["hub1"].drain(world.now)
    world.run_for(0.1)
    assert world.clients["carol"].hubs["hub1"].drains
    world.cut(client="carol", hub="hub1")
    world.run_until(lambda: world.clients["carol"].hubs["hub1"].registered, 90.0)
    world.run_for(0.1)
    assert world.clients["carol"].hubs["hub1"].drains and world.clients["carol"].hubs["hub1"].wrapped
    world.pair(1, 128)


def test_windows_that_are_used_up_again_and_again(media: WrapsOnMedia) -> None:
    for _ in range(6):
        media.pair(1, 16_384)
    assert all(peer.wrapped for peer in media.clients["carol"].hubs)


def test_what_is_left_after_the_last_question_begins_the_next_session(media: WrapsOnMedia) -> None:
    use_up(media, "carol", "hub1", left=LAST_QUESTION_BYTES + WRAP_PAD_BYTES - MASK_BYTES)
    media.cut(client="carol", hub="hub1")
    media.run_until(lambda: hub_status(media, "carol", "hub1")["registered"] is True, 5.0)
    assert streams_of(media, "carol", "hub1").local.left == 0
    assert hub_status(media, "carol", "hub1")["wrapped"] is True
    media.grow("carol", "hub1", 1024 * 1024)
    media.run_until(lambda: hub_status(media, "carol", "hub1")["problem"] is None, 1.0)


@pytest.mark.parametrize(("left", "dialled"), [(96, True), (95, False)])
def test_a_pair_without_room_for_wrap_is_not_dialled_until_it_grows(
    media: WrapsOnMedia, left: int, dialled: bool
) -> None:
    pool = streams_of(media, "carol", "hub1").local
    use_up(media, "carol", "hub1", left=0)
    pool.next = pool.held_end - left
    media.cut(client="carol", hub="hub1")
    media.run_for(3.0)
    assert hub_status(media, "carol", "hub1")["problem"] is not None
    assert hub_status(media, "carol", "hub1")["wrapped"] is dialled
    media.grow("carol", "hub1", 1024 * 1024)
    media.run_until(lambda: hub_status(media, "carol", "hub1")["problem"] is None, 90.0)
    assert hub_status(media, "carol", "hub1")["wrapped"] is True
    media.pair(1, 128)
