"""Identifiers between whole engines: what travels, what a lying hub gains, and what clients guess."""

from __future__ import annotations

from typing import Any

import pytest
from simulating.enemies.liars import LIARS
from simulating.enemies.lies.identifiers import ABOUT_IDENTIFIERS

from dsked.errors import ErrorCode, UnknownKeyError
from dsked.wire import handshake_client
from dsked.wire.frame import body_of, decode_header
from dsked.wire.local_identifiers import LocalIdentifiers
from dsked.wire.messages import (
    SEALED_TYPES,
    Error,
    GetGroup,
    GetShares,
    Located,
    Message,
    Names,
    PutShares,
    Shares,
    decode_body,
    encode_body,
)
from tests.engines.world import CLIENTS, Link, World


def frames_of(stream: list[bytes]) -> list[bytes]:
    """Whole frames, without those of the handshake and of simulated delivery."""
    data, found = b"".join(stream), []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if data[4] == 0x97 and data[5] not in SEALED_TYPES:
            found.append(data[:end])
        data = data[end:]
    return found


def said_by(link: Link) -> tuple[list[Message], list[Message]]:
    """What a link's client has said since the last look, and what its hub has, as it stands in frames."""
    sides = []
    for stream in (link.frames_to_hub, link.frames_to_client):
        frames = frames_of(stream)
        sides.append([decode_body(decode_header(frame).type, body_of(frame)) for frame in frames])
        stream.clear()
    return sides[0], sides[1]


def frame_bytes(world: World) -> int:
    """Bytes of all frames since the last look."""
    total = 0
    for link in world.links:
        for stream in (link.frames_to_hub, link.frames_to_client):
            total += sum(map(len, frames_of(stream)))
            stream.clear()
    return total


def named_in(messages: list[Message]) -> set[str]:
    """Clients whose names stand in what was said, but in NAMES itself."""
    said = b"".join(encode_body(message) for message in messages if not isinstance(message, Names))
    return {name for name in CLIENTS if name.encode() in said}


def all_said(world: World) -> list[Message]:
    return [message for link in world.links for side in said_by(link) for message in side]


def test_no_client_is_named_in_any_frame_but_names() -> None:
    world = World().start()
    for _ in range(3):
        world.pair()
    world.run_for(0.5)
    said = all_said(world)
    assert {type(message) for message in said} >= {PutShares, GetShares, Shares, Located, Names}
    assert named_in(said) == set()
    world.pair()
    world.run_for(0.5)
    later = all_said(world)
    assert later and not any(isinstance(message, Names) for message in later), "each is defined once"


def test_a_new_session_begins_without_identifiers() -> None:
    world = World().start()
    world.pair()
    world.stop_hub("hub1")
    world.start_hub("hub1")
    world.run_until(lambda: len(world.clients["curtis"].hubs.usable()) == 5)
    world.run_until(lambda: len(world.clients["carol"].hubs.usable()) == 5)
    all_said(world)
    world.pair()
    world.run_for(0.5)
    [link] = [link for link in world.links if (link.client, link.hub) == ("curtis", "hub1")]
    asked, answered = said_by(link)
    gets = [message for message in asked if isinstance(message, GetShares) and message.groups]
    assert gets[0].groups[0].initiator == "carol"
    assert any(isinstance(message, Names) for message in answered)


def without_identifiers(patch: pytest.MonkeyPatch) -> None:
    offer = handshake_client.offer
    patch.setattr(
        handshake_client, "offer", lambda wrapping: {n: v for n, v in offer(wrapping).items() if n != 3}
    )


def bytes_of_pairs(names: dict[str, str], number: int) -> int:
    """Of so many key pairs of 256 bits, one after the other, over five hubs, once all are known."""
    clients = {names[name]: encryptors for name, encryptors in CLIENTS.items()}
    world = World(clients=clients).start()
    for turn in range(number + 1):
        keys = world.get_keys(names["carol"], "sam", ["sunny"])
        assert world.get_by_id(names["curtis"], "sunny", "sam", keys) == keys
        world.run_for(0.5)
        if not turn:
            frame_bytes(world)
    return frame_bytes(world)


@pytest.mark.parametrize(("name_bytes", "least"), [(6, 0.05), (64, 0.35)])
def test_what_they_save(name_bytes: int, least: float) -> None:
    names = {name: name.ljust(name_bytes, "_") for name in CLIENTS}
    short = bytes_of_pairs(names, 3)
    with pytest.MonkeyPatch.context() as patch:
        without_identifiers(patch)
        long = bytes_of_pairs(names, 3)
    assert short < long * (1 - least)


# --- hubs that lie, clients that guess ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [lie.named() for lie in ABOUT_IDENTIFIERS])
def test_hubs_that_lie_with_them_do_what_hubs_can_that_lie_with_names(kind: str) -> None:
    liars = ("hub1", "hub4")
    world = World(hub_classes=dict.fromkeys(liars, LIARS[kind])).start()
    for _ in range(4):
        world.pair()
        world.run_for(0.5)
    assert sum(world.cabal.lies.values())
    named = {text.split()[1] for text in world.warnings() if "differs from the key" in text}
    assert named <= set(liars)


@pytest.mark.parametrize("told", [["curtis", "celia"], ["celia", "carol"], ["carol", "curtis"]])
def test_a_hub_that_means_another_by_a_number_gives_no_share(told: list[str]) -> None:
    """Curtis is 0 and carol 1, and it has told curtis something else: what it gives is of other terms."""
    world = World().start()
    world.pair()
    [link] = [link for link in world.links if (link.client, link.hub) == ("curtis", "hub2")]
    session = link.near.session
    assert session is not None
    session._identifiers = LocalIdentifiers()
    session.define(Names(list(enumerate(told))))
    for _ in range(3):
        world.pair()
        world.run_for(0.5)
    named = {text.split()[1] for text in world.warnings() if "differs from the key" in text}
    assert named <= {"hub2"}
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.stop_hub("hub4")
    world.stop_hub("hub5")
    with pytest.raises(UnknownKeyError):  # two hubs are left that say what is so
        world.get_by_id("curtis", "sunny", "sam", keys)


def say(world: World, client: str, hub: str, message: Any) -> Link:
    """What this client says to this hub arrives there, and is acted on."""
    [link] = [link for link in world.links if (link.client, link.hub) == (client, hub)]
    link.near.send(77, message)
    said_by(link)
    world.run_for(0.1)
    return link


@pytest.mark.parametrize("number", [0, 1, 2, 3, 2**32 - 1])
def test_an_identifier_of_another_session_closes_this_one_alone(number: int) -> None:
    """Hub 3 has told carol and curtis of each other, and celia of nobody."""
    world = World().start()
    world.pair()
    wanted: Any = GetGroup("", bytes(16), 0)
    wanted.initiator = number
    link = say(world, "celia", "hub3", GetShares([wanted], 0, []))
    assert not link.open
    assert len([other for other in world.links if other.client != "celia"]) == 10
    world.pair()


def test_a_clients_own_names_are_not_for_hubs() -> None:
    world = World().start()
    link = say(world, "celia", "hub3", Names([(0, "carol")]))
    assert link.open
    _, answers = said_by(link)
    [error] = [answer for answer in answers if isinstance(answer, Error)]
    assert error.code == ErrorCode.BAD_REQUEST
