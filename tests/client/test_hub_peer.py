from __future__ import annotations

import pytest

from dsked.client import rebuilt
from dsked.client.hub_peer import HubPeer
from dsked.client.refill import RefillSettings
from dsked.limits import (
    ANSWER_LIMIT_S,
    DONE_FLUSH_S,
    MAX_KEYS_PER_FRAME,
)
from dsked.psrd.pair import Pair, Side
from dsked.wire.messages import Confirmed, Error, Locate, Message, Ping, PsrdBlock
from tests.client.hub_connection import KEY_IDS, NOW, FakeConnection, new_peer
from tests.engines.world import World


@pytest.fixture
def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
def peer(connection: FakeConnection) -> HubPeer:
    peer = new_peer()
    peer.connected(connection)
    return peer


# --- requests ---


def test_answers_find_who_asked(peer: HubPeer, connection: FakeConnection) -> None:
    got: list[tuple[str, Message | None]] = []
    for name in ("first", "second"):
        peer.request(Locate([name]), lambda message, now, name=name: not got.append((name, message)))
    (first, _), (second, _) = connection.sent
    answer = Error(0, "")
    peer.answer(second, answer, NOW)
    peer.answer(first, answer, NOW)
    assert got == [("second", answer), ("first", answer)]
    assert peer.nr_requests == 0


def test_an_answer_that_nobody_waits_for_is_dropped(peer: HubPeer, connection: FakeConnection) -> None:
    calls: list[Message | None] = []
    peer.request(Locate(["sam"]), lambda message, now: not calls.append(message))
    [(request_id, _)] = connection.sent
    for number in (0, request_id + 1, 2**32 - 1):
        peer.answer(number, Error(0, ""), NOW)
    assert calls == []
    peer.answer(request_id, Error(0, ""), NOW)
    peer.answer(request_id, Error(0, ""), NOW)
    assert len(calls) == 1


def test_a_request_may_have_several_answers(peer: HubPeer, connection: FakeConnection) -> None:
    calls: list[Message | None] = []

    def on_answer(message: Message | None, now: float) -> bool:
        calls.append(message)
        return len(calls) == 2

    peer.request(Locate(["sam"]), on_answer)
    [(request_id, _)] = connection.sent
    for _ in range(3):
        peer.answer(request_id, Error(0, ""), NOW)
    assert len(calls) == 2


def test_an_alarm_concerns_its_own_connection_alone(peer: HubPeer) -> None:
    peer.alarmed = True
    peer.disconnected(1.0)
    assert peer.alarmed, "the back-off asks when the connection is gone"
    peer.connected(FakeConnection())
    assert not peer.alarmed


def test_a_lost_connection_tells_everyone_who_waits_once(peer: HubPeer) -> None:
    told: list[Message | None] = []
    for _ in range(3):
        peer.request(Locate(["sam"]), lambda message, now: not told.append(message))
    peer.registered = True
    peer.disconnected(NOW)
    assert told == [None, None, None]
    assert (peer.connection, peer.registered, peer.nr_requests) == (None, False, 0)


def test_a_forgotten_request_is_told_as_if_the_session_were_lost(
    peer: HubPeer, connection: FakeConnection
) -> None:
    told: list[Message | None] = []
    request_id = peer.request(Locate(["sam"]), lambda message, now: not told.append(message))
    assert request_id is not None
    peer.forget(request_id, NOW)
    peer.forget(request_id, NOW)
    peer.answer(request_id, Error(0, ""), NOW)
    assert told == [None]


def test_a_forgotten_request_that_has_not_left_never_leaves(
    peer: HubPeer, connection: FakeConnection
) -> None:
    told: list[Message | None] = []
    first, second = (
        peer.request(Locate(["sam"]), lambda message, now: not told.append(message)) for _ in "12"
    )
    assert first is not None and second is not None and connection.session is not None
    connection.session.waiting = {2: Locate(["sam"])}
    peer.forget(second, NOW)
    assert connection.session.waiting == {} and told == [None]
    peer.forget(first, NOW)
    assert told == [None, None]


def test_a_request_that_waits_is_exchanged_and_then_answered(
    peer: HubPeer, connection: FakeConnection
) -> None:
    told: list[Message | None] = []
    request_id = peer.request(Locate(["sam"]), lambda message, now: not told.append(message))
    assert request_id is not None and connection.session is not None
    assert not peer.exchange(request_id, Locate([])), "it has left"
    connection.session.waiting = {1: Locate(["sam"])}
    assert peer.exchange(request_id, Locate(["serena"]))
    assert connection.session.waiting == {1: Locate(["serena"])}
    peer.answer(request_id, Error(0, ""), NOW)
    assert told == [Error(0, "")]
    assert not peer.exchange(request_id, None), "it is answered"


def test_a_request_taken_back_is_not_told_and_not_waited_for(
    peer: HubPeer, connection: FakeConnection
) -> None:
    request_id = peer.request(Locate(["sam"]), lambda message, now: pytest.fail("nobody waits"))
    assert request_id is not None and connection.session is not None
    connection.session.waiting = {1: Locate(["sam"])}
    assert peer.exchange(request_id, None)
    assert peer.nr_requests == 0
    peer.answer(request_id, Error(0, ""), NOW)
    peer.disconnected(NOW)
    assert not peer.exchange(request_id, None)


def taken_back(peer: HubPeer, connection: FakeConnection) -> int:
    """A request that is made now and taken back before it has left; its ID."""
    request_id = peer.request(Locate(["sam"]), lambda message, now: True)
    assert request_id is not None and connection.session is not None
    assert not peer.hangs(NOW), "this turn ends"
    connection.session.waiting = {len(connection.sent): Locate(["sam"])}
    assert peer.exchange(request_id, None)
    return request_id


def test_a_hub_that_takes_nothing_hangs_though_nobody_waits_any_more(
    peer: HubPeer, connection: FakeConnection
) -> None:
    taken_back(peer, connection)
    taken_back(peer, connection)
    assert not peer.hangs(NOW + ANSWER_LIMIT_S) and peer.oldest_request == NOW
    assert peer.hangs(NOW + ANSWER_LIMIT_S + 0.1)
    peer.disconnected(NOW)
    peer.connected(connection)
    assert not peer.hangs(NOW + ANSWER_LIMIT_S + 0.1)


@pytest.mark.parametrize("heard", ["before", "after"])
def test_a_hub_that_has_answered_since_does_not_hang(
    peer: HubPeer, connection: FakeConnection, heard: str
) -> None:
    """Its window was full, or its answers are slow."""
    other = peer.request(Locate(["sam"]), lambda message, now: True)
    assert other is not None
    late = peer.request(Locate(["serena"]), lambda message, now: True)
    assert late is not None and connection.session is not None
    assert not peer.hangs(NOW)
    if heard == "before":
        peer.answer(other, Error(0, ""), NOW)
    connection.session.waiting = {2: Locate(["serena"])}
    assert peer.exchange(late, None)
    if heard == "after":
        peer.answer(other, Error(0, ""), NOW)
    assert not peer.hangs(NOW + 10 * ANSWER_LIMIT_S)


def test_a_hub_that_does_not_read_is_asked_nothing(peer: HubPeer, connection: FakeConnection) -> None:
    connection.full = True
    assert peer.request(Locate(["sam"]), lambda message, now: pytest.fail("nothing was asked")) is None
    peer.tell(Locate(["sam"]))
    peer.disconnected(NOW)


def test_request_ids_are_never_0(peer: HubPeer, connection: FakeConnection) -> None:
    """0 stands for messages without an answer."""
    peer._next_request_id = 0xFFFF_FFFE
    for _ in range(3):
        peer.request(Locate(["sam"]), lambda message, now: True)
    assert [request_id for request_id, _ in connection.sent] == [0xFFFF_FFFF, 1, 2]


# --- simulated PSRD ---


def block(number: int, *, owner: int = 0, size: int = 1000, stream: bytes | None = None) -> PsrdBlock:
    return PsrdBlock(owner, stream or (b"h" if owner else b"c") * 16, number, bytes(16), bytes(size))


def test_both_pools_are_asked_for_in_sequence(peer: HubPeer, connection: FakeConnection) -> None:
    peer.ask_for_blocks(NOW)
    asked = [(request.owner, request.stream[:1], request.sequence) for request in connection.sealed]
    assert asked == [(0, b"c", 0), (0, b"c", 1), (0, b"c", 2), (1, b"h", 0), (1, b"h", 1), (1, b"h", 2)]
    peer.ask_for_blocks(NOW)
    assert len(connection.sealed) == 6, "what is on its way is not asked for again"


def test_blocks_are_appended_in_sequence(peer: HubPeer, connection: FakeConnection) -> None:
    peer.ask_for_blocks(NOW)
    assert peer.take_block(block(0))
    assert peer.take_block(block(1, size=7))
    assert peer.take_block(block(0, owner=1, size=9))
    assert connection.streams is not None
    local, remote = connection.streams.local, connection.streams.peer
    assert (local.store.end, local.held_end, remote.end) == (1007, 1007, 9)


def test_a_block_that_came_before_is_no_breach_and_changes_nothing(
    peer: HubPeer, connection: FakeConnection
) -> None:
    peer.ask_for_blocks(NOW)
    peer.take_block(block(0))
    assert peer.take_block(block(0))
    assert connection.streams is not None
    assert connection.streams.local.store.end == 1000


@pytest.mark.parametrize("wrong", [block(1), block(0, stream=b"x" * 16), block(0, owner=1, stream=b"c" * 16)])
def test_a_block_out_of_place_breaks_the_protocol(peer: HubPeer, wrong: PsrdBlock) -> None:
    assert not peer.take_block(wrong)


def test_a_block_before_any_stream_breaks_the_protocol(connection: FakeConnection, peer: HubPeer) -> None:
    connection.streams = None
    assert not peer.take_block(block(0))


def test_without_simulated_psrd_nothing_is_asked_for(connection: FakeConnection) -> None:
    peer = new_peer(simulated=False)
    peer.ask_for_blocks(NOW)
    connection.delivers_blocks = False
    peer.connected(connection)
    peer.ask_for_blocks(NOW)
    assert connection.sealed == []


# --- confirmations ---


def confirmed(ping: Message) -> list[tuple[str, bytes]]:
    assert isinstance(ping, Ping)
    return [(group.initiator, group.key_ids) for group in ping.done]


def test_confirmations_travel_grouped_by_initiator(peer: HubPeer, connection: FakeConnection) -> None:
    for initiator, key_id in (("carol", KEY_IDS[0]), ("celia", KEY_IDS[1]), ("carol", KEY_IDS[2])):
        peer.confirm(Confirmed(initiator, key_id))
    peer.send_confirmations()
    [(_, ping)] = connection.sent
    assert confirmed(ping) == [("carol", KEY_IDS[0] + KEY_IDS[2]), ("celia", KEY_IDS[1])]
    assert not peer.has_confirmations


def test_confirmations_are_repeated_until_acknowledged(peer: HubPeer) -> None:
    peer.confirm(Confirmed("carol", KEY_IDS[0]))
    peer.send_confirmations()
    peer.disconnected(NOW)
    assert peer.has_confirmations
    again = FakeConnection()
    peer.connected(again)
    peer.send_confirmations()
    [(request_id, ping)] = again.sent
    assert confirmed(ping) == [("carol", KEY_IDS[0])]
    peer.answer(request_id, Ping(True, 0, 0, []), NOW)
    peer.disconnected(NOW)
    assert not peer.has_confirmations


def test_confirmations_that_could_not_be_sent_stay(peer: HubPeer, connection: FakeConnection) -> None:
    for key_id in KEY_IDS[:3]:
        peer.confirm(Confirmed("carol", key_id))
    connection.full = True
    peer.send_confirmations()
    assert peer.take_confirmations() == [Confirmed("carol", b"".join(KEY_IDS[:3]))]


def test_a_frame_takes_as_many_confirmations_as_fit(peer: HubPeer) -> None:
    for start in range(0, MAX_KEYS_PER_FRAME, 128):
        peer.confirm(Confirmed("carol", b"".join(KEY_IDS[start : start + 128])))
    peer.confirm(Confirmed("celia", KEY_IDS[MAX_KEYS_PER_FRAME]))
    assert [group.number for group in peer.take_confirmations()] == [MAX_KEYS_PER_FRAME]
    assert peer.take_confirmations() == [Confirmed("celia", KEY_IDS[MAX_KEYS_PER_FRAME])]
    assert not peer.has_confirmations


def test_confirmations_for_a_hub_that_stays_away_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilt, "MAX_REMEMBERED_DONE_PER_HUB", 4)
    peer = new_peer()
    for start in (0, 2, 4):
        peer.confirm(Confirmed("carol", b"".join(KEY_IDS[start : start + 2])))
    assert peer.take_confirmations() == [Confirmed("carol", b"".join(KEY_IDS[2:6]))], "the oldest go first"
    peer.confirm(Confirmed("carol", KEY_IDS[6]))
    assert peer.take_confirmations() == [Confirmed("carol", KEY_IDS[6])], "what was taken does not count"


def test_a_confirmation_lost_with_its_connection_reaches_the_hub_in_the_end() -> None:
    world = World().start()
    world.pair()
    world.run_for(DONE_FLUSH_S - 0.01)
    assert all(len(hub.shares) == 1 for hub in world.hubs.values())
    said = {link: len(link.frames_to_hub) for link in world.links}
    world.run_until(lambda: any(len(link.frames_to_hub) > said[link] for link in world.links))
    world.cut(client="curtis")  # with the confirmations on the wire
    world.run_for(DONE_FLUSH_S - 0.01)
    assert all(len(hub.shares) == 1 for hub in world.hubs.values())
    world.run_for(2 * DONE_FLUSH_S)
    assert all(len(hub.shares) == 0 for hub in world.hubs.values())


def test_the_x_coordinate_is_the_configured_one_wherever_the_hub_stands() -> None:
    pair = Pair("carol", "hank", Side.CLIENT, bytes(32), True)
    peers = [HubPeer(pair, x, index, RefillSettings(500, 2000, 1000)) for index, x in enumerate((9, 255, 3))]
    assert [peer.x for peer in peers] == [9, 255, 3]
