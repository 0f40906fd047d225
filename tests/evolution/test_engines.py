"""The rules of specification.md, section 6: what engines make of codes and messages of another version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from dsked.errors import ErrorCode, TooFewHubsError, UnknownKeyError
from dsked.hub.engine import HubEngine
from dsked.limits import ANSWER_LIMIT_S
from dsked.wire.connection import HubConnection
from dsked.wire.messages import (
    Error,
    Locate,
    Located,
    Message,
    Missing,
    Ping,
    PutSharesAck,
    Registered,
    Shares,
)

from ..engines.world import World

NEW_CODE = 99
REFUSED = "refused the registration of this client"


class Later(Message):
    """A message of a later version."""

    type = 0x55  # type: ignore[assignment]
    words: str = "later"
    secret: bytes = b"\x55" * 48

    def secrets(self) -> Iterator[bytes]:
        yield self.secret

    def replace_secrets(self, bins: Iterator[bytes]) -> None:
        self.secret = next(bins)


Change = Callable[[Any], Message]


def new_code(ack: PutSharesAck) -> Message:
    return PutSharesAck(bytes((NEW_CODE,)) * len(ack.codes))


def nothing_here(shares: Shares) -> Message:
    of = [(group.initiator.client, group.key_ids) for group in shares.groups]
    return Shares([], [Missing(client, NEW_CODE, key_ids) for client, key_ids in of])


def hub_that(says: dict[type[Message], Change], times: int = 1_000_000) -> type[HubEngine]:
    """A hub that puts other messages in the place of its answers of these types, so many times."""

    class Other(HubEngine):
        left = times

        def _opened(self, connection: HubConnection) -> None:
            super()._opened(connection)
            assert connection.session is not None
            connection.session.send = partial(self._send, connection.session.send)  # type: ignore[method-assign]

        def _send(self, send: Any, request_id: int, message: Message) -> int:
            change = says.get(type(message))
            if change is not None and self.left:
                self.left -= 1
                message = change(message)
            return int(send(request_id, message))

    return Other


def later(message: Message) -> Message:
    return Later()


STRANGE_ANSWERS: dict[str, dict[type[Message], Change]] = {
    "a new code in PUT_SHARES_ACK": {PutSharesAck: new_code},
    "a new code in SHARES": {Shares: nothing_here},
    "type 0x55 for PUT_SHARES_ACK": {PutSharesAck: later},
    "type 0x55 for SHARES": {Shares: later},
    "type 0x55 for LOCATED": {Located: later},
    "type 0x55 for PING": {Ping: later},
    "SHARES for LOCATED": {Located: lambda message: Shares([], [])},
    "a message that clients send": {Located: lambda message: Locate(["x"])},
}


@pytest.mark.parametrize("answer", STRANGE_ANSWERS)
def test_two_of_five_that_answer_so_cost_no_key(answer: str) -> None:
    kinds = dict.fromkeys(("hub1", "hub4"), hub_that(STRANGE_ANSWERS[answer]))
    world = World(hub_classes=kinds).start()
    links = list(world.links)
    for _ in range(3):
        world.pair()
    world.run_for(2 * ANSWER_LIMIT_S)
    assert world.links == links and not world.warnings(), "no session ends, and nobody is accused"


def test_a_code_that_is_not_known_in_put_shares_ack_counts_as_a_refusal() -> None:
    world = World(
        hub_classes=dict.fromkeys(("hub1", "hub2", "hub3"), hub_that({PutSharesAck: new_code}))
    ).start()
    began = world.now
    with pytest.raises(TooFewHubsError, match="took the key's shares, 3 are needed"):
        world.get_keys("carol", "sam", ["sunny"])
    assert world.now - began < 0.1, "at once: it is no answer that is still to come"


def test_a_code_that_is_not_known_in_shares_is_not_final() -> None:
    """Asked again until the deadline: a hub that has thought better of it gives its share."""
    kinds = dict.fromkeys(("hub1", "hub2", "hub3"), hub_that({Shares: nothing_here}, times=2))
    world = World(hub_classes=kinds).start()
    world.pair()
    kinds = dict.fromkeys(("hub1", "hub2", "hub3"), hub_that({Shares: nothing_here}))
    world = World(hub_classes=kinds).start()
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(UnknownKeyError):
        world.get_by_id("curtis", "sunny", "sam", keys)


@pytest.mark.parametrize(("answer", "words"), [
    (lambda message: Registered(NEW_CODE, [], 60_000), f"{REFUSED} with code 99"),
    (lambda message: Error(NEW_CODE, "of a later version\n"), f"{REFUSED} with code 99"),
    (lambda message: Later(), "answered the registration of this client with a message of another kind"),
])  # fmt: skip
def test_an_answer_to_register_that_is_not_known_is_a_refusal_that_is_tried_again(
    answer: Change, words: str
) -> None:
    world = World(hub_classes={"hub5": hub_that({Registered: answer}, times=6)})
    world.run_until(lambda: f"hub hub5 {words}" in world.warnings())
    hub5 = world.clients["carol"].hubs["hub5"]
    assert (hub5.registered, hub5.problem) == (False, words)
    world.run_until(lambda: hub5.registered, 60.0)
    assert sum(words in text for text in world.warnings()) == len(world.clients), "each client tells it once"


class SaysMore(HubEngine):
    """Whatever it hears, it says messages of type 0x55: unasked, and to a request that is not under way."""

    def receive(self, connection: HubConnection, data: bytes, now: float) -> None:
        super().receive(connection, data, now)
        if connection.session is not None:
            for request_id in (0, 2**32 - 1):
                connection.send(request_id, Later())


def test_a_client_ignores_what_answers_nothing() -> None:
    world = World(hub_classes=dict.fromkeys(("hub1", "hub2", "hub3", "hub4", "hub5"), SaysMore)).start()
    links = list(world.links)
    for _ in range(3):
        world.pair()
    assert world.links == links and not world.warnings()


@pytest.mark.parametrize(
    "message", [Later(), Located([]), Registered(0, [], 1), PutSharesAck(b""), Shares([], [])]
)
@pytest.mark.parametrize("request_id", [0, 77])
def test_a_hub_answers_error_with_the_same_id_and_goes_on(message: Message, request_id: int) -> None:
    """A type of a later version, and one that hubs send: the directions alone differ."""
    world = World().start()
    link = next(link for link in world.links if (link.client, link.hub) == ("carol", "hub1"))
    heard: list[tuple[int, Message]] = []
    link.peer.answer = lambda request_id, message, now: heard.append((request_id, message))  # type: ignore[method-assign]
    link.near.send(request_id, message)
    link.peer.changed = True
    world.run_until(lambda: bool(heard))
    kind = int(message.type)
    words = f"message type {kind} is not for hubs of version 1"
    assert heard == [(request_id, Error(int(ErrorCode.BAD_REQUEST), words))]
    assert link in world.links


def test_error_is_never_answered() -> None:
    world = World().start()
    link = next(link for link in world.links if (link.client, link.hub) == ("carol", "hub1"))
    assert link.far.session is not None
    link.near.send(5, Error(NEW_CODE, "of a later version"))
    before = link.far.session.streams.local.next
    link.peer.changed = True
    world.run_for(0.5)
    assert link.far.session.streams.local.next == before and link in world.links
