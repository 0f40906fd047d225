"""Local identifiers in a session: defined before use, put in when a frame leaves, never shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dsked.errors import FrameError
from dsked.limits import MASK_BYTES, USED_UP_BYTES
from dsked.psrd.pair import Side
from dsked.wire.additions import Additions
from dsked.wire.frame import body_of, decode_header
from dsked.wire.messages import (
    Confirmed,
    Error,
    GetGroup,
    GetShares,
    Located,
    Message,
    MessageType,
    Missing,
    Names,
    PartyBody,
    Ping,
    ShareGroup,
    Shares,
    decode_body,
)
from dsked.wire.session import Session

from .sides import Ends, Sessions, frames, put

IN_FORCE = Additions(local_identifiers=True)
NUMBERS = {"carol": 3, "celia": 200, "curtis": 70_000}
COLUMN = bytes(16)


@pytest.fixture(params=["media", "simulated"])
def sides(request: pytest.FixtureRequest) -> Sessions:
    return both(simulated=request.param == "simulated")


def both(
    *, simulated: bool = False, additions: Additions = IN_FORCE, numbers: dict[str, int] = NUMBERS
) -> Sessions:
    """A client's and a hub's; the hub's window has opened with the client's first frame."""
    client, hub = Ends(simulated=simulated).sessions(additions)
    hub.give_identifiers(numbers.get)
    hub.open(frames(client, Error(0, ""))[0])
    return client, hub


def shares(share: bytes = b"", initiator: str = "carol", responder: str = "curtis") -> Shares:
    parties = [PartyBody(responder, "sunny")]
    return Shares(
        [ShareGroup(PartyBody(initiator, "sam"), parties, 5, 3, max(len(share), 1), COLUMN, 0, share, b"")],
        [],
    )


def get(initiator: str = "carol") -> GetShares:
    return GetShares([GetGroup(initiator, COLUMN, 0)], 0, [Confirmed(initiator, COLUMN)])


def on_the_wire(frame: bytes) -> Any:
    """The message as it stands in a frame, whatever its pads."""
    return decode_body(decode_header(frame).type, body_of(frame))


def arrive(receiver: Session, sent: list[bytes]) -> list[Message]:
    return [receiver.open(frame)[1] for frame in sent]


def told(client: Session, hub: Session, *names: str) -> None:
    """The hub has named these in a frame, which has arrived."""
    arrive(client, frames(hub, Located(list(names))))


def test_the_first_frame_that_names_a_client_has_names_before_it(sides: Sessions) -> None:
    client, hub = sides
    sent = frames(hub, shares(b"secret"), shares(b"secret"), shares(b"secret", "celia"))
    assert [decode_header(frame).type for frame in sent] == [
        MessageType.NAMES, MessageType.SHARES, MessageType.SHARES, MessageType.NAMES, MessageType.SHARES,
    ]  # fmt: skip
    assert on_the_wire(sent[0]).names == [(3, "carol"), (70_000, "curtis")]
    assert on_the_wire(sent[3]).names == [(200, "celia")]
    for frame in sent[1:3]:
        group = on_the_wire(frame).groups[0]
        assert (group.initiator.client, group.responders[0].client) == (3, 70_000)
    assert [decode_header(frame).request_id for frame in sent] == [0, 1, 2, 0, 3]
    arrived = arrive(client, sent)
    expected = [shares(b"secret"), shares(b"secret"), shares(b"secret", "celia")]
    assert [message for message in arrived if not isinstance(message, Names)] == expected


def test_a_client_names_whom_it_has_not_been_told_of_and_numbers_the_others(sides: Sessions) -> None:
    client, hub = sides
    before = frames(client, get())
    assert on_the_wire(before[0]).groups[0].initiator == "carol"
    assert arrive(hub, before) == [get()]
    told(client, hub, "carol", "curtis")
    sent = frames(client, get(), get("celia"), put(), Ping(False, 0, 0, [Confirmed("carol", COLUMN)]))
    wire = [on_the_wire(frame) for frame in sent]
    assert (wire[0].groups[0].initiator, wire[0].done[0].initiator) == (3, 3)
    assert wire[1].groups[0].initiator == "celia"
    assert wire[2].groups[0].responders[0].client == 70_000
    assert wire[3].done[0].initiator == 3
    arrived = arrive(hub, sent)
    assert arrived == [get(), get("celia"), put(), Ping(False, 0, 0, [Confirmed("carol", COLUMN)])]


def test_one_message_to_two_hubs_goes_out_with_the_numbers_of_each() -> None:
    """As GET_SHARES and confirmations do: what one session does to it, the other must not see."""
    client1, hub1 = both()
    client2, hub2 = both(numbers={"carol": 5})
    told(client1, hub1, "carol")
    told(client2, hub2, "carol")
    message = get()
    client1.send(1, message)
    client2.send(1, message)
    (first,), (second,) = client1.seal_ready(), client2.seal_ready()
    assert on_the_wire(first).groups[0].initiator == 3
    assert on_the_wire(second).groups[0].initiator == 5
    assert message == get()
    assert arrive(hub1, [first]) == arrive(hub2, [second]) == [get()]


def test_a_number_of_one_session_means_nothing_in_another() -> None:
    told(*both(), "carol")
    client, hub = both()
    raw: Any = get()
    raw.groups[0].initiator = 3
    for frame in frames(client, raw):
        with pytest.raises(FrameError, match="has not been defined"):
            hub.open(frame)


@pytest.mark.parametrize("number", [0, 4, 70_000, 2**32 - 1])
def test_a_number_that_nobody_has_defined_closes(sides: Sessions, number: int) -> None:
    client, hub = sides
    told(client, hub, "carol")
    for sender, receiver, make in ((client, hub, get), (hub, client, shares)):
        raw: Any = make()
        party = raw.groups[0] if sender is client else raw.groups[0].responders[0]
        setattr(party, "initiator" if sender is client else "client", number)
        *_, frame = frames(sender, raw)
        with pytest.raises(FrameError, match="has not been defined"):
            receiver.open(frame)


def test_a_number_counts_from_when_it_has_been_told_and_not_before() -> None:
    """The hub has it in its outbox: a client that guesses it is closed on."""
    client, hub = both()
    hub.send(1, shares())
    raw: Any = get()
    raw.groups[0].initiator = 3
    for frame in frames(client, raw):
        with pytest.raises(FrameError, match="has not been defined"):
            hub.open(frame)


def test_strangers_keep_their_names(sides: Sessions) -> None:
    client, hub = sides
    sent = frames(hub, shares(initiator="mallory"), Located(["mallory", None]))
    assert on_the_wire(sent[0]).names == [(70_000, "curtis")]
    assert on_the_wire(sent[1]).groups[0].initiator.client == "mallory"
    assert len(sent) == 3
    assert arrive(client, sent)[1:] == [shares(initiator="mallory"), Located(["mallory", None])]


def test_what_is_told_counts_among_the_pads_that_wait() -> None:
    """Or a simulated pool would be filled up to what is wanted, and lack the mask of NAMES for ever."""
    _, hub = both(simulated=True)
    hub.send(1, shares(b"secret"))
    assert hub.pads_wanted == MASK_BYTES + MASK_BYTES + len(b"secret")
    list(hub.seal_ready())
    assert hub.pads_wanted == 0


def test_names_wait_for_pads_as_the_message_behind_them() -> None:
    ends = Ends(simulated=True)
    client, hub = ends.sessions(IN_FORCE)
    hub.give_identifiers(NUMBERS.get)
    room = hub.streams.local.unused
    hub.send(1, shares(bytes(room)))
    (names,) = hub.seal_ready()
    assert on_the_wire(names).names == [(3, "carol"), (70_000, "curtis")]
    assert list(hub.seal_ready()) == []
    ends.deliver(client.streams, hub.streams, Side.HUB)
    assert arrive(client, [names, *hub.seal_ready()])[1:] == [shares(bytes(room))]


def test_what_takes_the_place_of_a_message_has_no_number_that_comes_later() -> None:
    client, hub = both()
    number = hub.send(1, Located([None]))
    hub.send(2, Located(["celia"]))
    hub.exchange(number, Shares([], [Missing("celia", 5, COLUMN)]))
    sent = list(hub.seal_ready())
    assert on_the_wire(sent[0]).missing[0].initiator == "celia"
    assert arrive(client, sent) == [
        Shares([], [Missing("celia", 5, COLUMN)]), Names([(200, "celia")]), Located(["celia"]),
    ]  # fmt: skip


def test_a_message_that_is_taken_back_leaves_its_names() -> None:
    client, hub = both()
    hub.exchange(hub.send(1, shares()), None)
    hub.send(2, shares())
    sent = list(hub.seal_ready())
    assert [decode_header(frame).type for frame in sent] == [MessageType.NAMES, MessageType.SHARES]
    assert arrive(client, sent)[1:] == [shares()]


def test_a_writer_that_has_enough_may_stop_behind_names() -> None:
    client, hub = both()
    hub.send(1, shares())
    names = next(hub.seal_ready())
    assert arrive(client, [names, *hub.seal_ready()])[1:] == [shares()]


def spend(hub: Session, down_to: int) -> None:
    """Use up a pool on media, but for so many bytes for ordinary frames; all of it is acknowledged."""
    local = hub.streams.local
    while local.left > down_to:
        local.acknowledged(local.next)
        assert local.allocate(min(local.left - down_to, 1024)) is not None
    local.acknowledged(local.next)


@pytest.mark.parametrize(("spare", "has_names"), [(-1, False), (0, True)])
def test_the_last_of_a_pool_is_not_for_names(spare: int, has_names: bool) -> None:
    _, hub = both()
    share = bytes(100)
    spend(hub, USED_UP_BYTES + len(share) + spare)
    sent = frames(hub, shares(share))
    assert [on_the_wire(frame).type for frame in sent][-1] == MessageType.SHARES
    assert len(sent) == 1 + has_names


# --- where they are not in force ----------------------------------------------------------------------------


def test_a_hub_says_names_alone_where_they_are_not_in_force() -> None:
    client, hub = both(additions=Additions())
    (frame,) = frames(hub, shares())
    assert on_the_wire(frame) == shares()
    assert arrive(client, [frame]) == [shares()]


@pytest.mark.parametrize("make", [get, shares])
def test_numbers_are_malformed_where_they_are_not_in_force(make: Callable[[], Message]) -> None:
    client, hub = both(additions=Additions())
    raw: Any = make()
    raw.groups[0].initiator = 3 if make is get else PartyBody(3, "sam")  # type: ignore[arg-type]
    sender, receiver = (client, hub) if make is get else (hub, client)
    (frame,) = frames(sender, raw)
    with pytest.raises(FrameError, match="has not been defined"):
        receiver.open(frame)


def test_names_where_they_are_not_in_force_close() -> None:
    client, hub = both(additions=Additions())
    hub.additions = IN_FORCE
    (frame,) = frames(hub, Names([(1, "carol")]))
    with pytest.raises(FrameError, match="not in force"):
        client.open(frame)


def test_a_clients_names_are_a_message_as_any_other() -> None:
    """The engine answers that it is not for hubs; nothing is defined by it."""
    client, hub = both()
    client.send(1, Names([(9, "carol")]))
    arrive(hub, [next(client.seal_ready())])
    raw: Any = get()
    raw.groups[0].initiator = 9
    with pytest.raises(FrameError, match="has not been defined"):
        arrive(hub, frames(client, raw))


def test_a_hub_that_says_one_thing_and_another_is_closed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    client, hub = both()
    arrive(client, frames(hub, Names([(1, "carol")])))
    monkeypatch.setattr(hub, "define", lambda names: None)
    (frame,) = frames(hub, Names([(1, "celia")]))
    with pytest.raises(FrameError, match="belong to each other alone"):
        client.open(frame)
