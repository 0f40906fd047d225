from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dsked.client import hub_peer
from dsked.client.hub_peer import HubPeer
from dsked.client.refill import RefillSettings
from dsked.errors import LimitError
from dsked.limits import (
    DONE_FLUSH_S,
    MAX_KEYS_PER_FRAME,
    RECONNECT_FIRST_S,
    RECONNECT_HANDSHAKE_MAX_S,
    RECONNECT_JITTER,
    RECONNECT_UNREACHABLE_MAX_S,
)
from dsked.psrd.pair import Pair, Side, Streams, simulated_streams
from dsked.wire.messages import Confirmed, Error, Locate, Message, Ping, PsrdBlock, PsrdRequest
from tests.engines.world import World

NOW = 1000.0
KEY_IDS = [number.to_bytes(16, "big") for number in range(2000)]


@dataclass
class FakeSession:
    pads_wanted: int = 0

    def ping(self) -> Ping:
        return Ping(reply=False, client_end=0, hub_end=0, done=[])


@dataclass(eq=False)
class FakeConnection:
    """What HubPeer uses of a ClientConnection."""

    streams: Streams | None = field(default_factory=lambda: simulated_streams(b"c" * 16, b"h" * 16))
    session: FakeSession | None = field(default_factory=FakeSession)
    sent: list[tuple[int, Message]] = field(default_factory=list)
    sealed: list[PsrdRequest] = field(default_factory=list)
    full: bool = False
    delivers_blocks: bool = True

    def send(self, request_id: int, message: Message) -> None:
        if self.full:
            raise LimitError("a peer that does not read")
        self.sent.append((request_id, message))

    def send_sealed(self, request_id: int, message: PsrdRequest) -> None:
        self.sealed.append(message)


def new_peer(*, simulated: bool = True) -> HubPeer:
    return HubPeer(
        Pair("carol", "hank", Side.CLIENT, bytes(32), simulated), 1, 0, RefillSettings(500, 2000, 1000)
    )


@pytest.fixture
def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
def peer(connection: FakeConnection) -> HubPeer:
    peer = new_peer()
    peer.connected(connection)
    return peer


# --- back-off ---


def delays(
    peer: HubPeer, number: int, *, reached: bool, carried: bool = False, jitter: float = 0.5
) -> list[float]:
    return [
        peer.next_dial_delay(reached=reached, carried_frames=carried, jitter=jitter) for _ in range(number)
    ]


def test_an_unreachable_hub_is_tried_again_soon_and_for_ever() -> None:
    assert delays(new_peer(), 6, reached=False) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert RECONNECT_UNREACHABLE_MAX_S == 1.0


def test_handshakes_that_fail_after_m3_are_tried_less_and_less() -> None:
    assert delays(new_peer(), 12, reached=True) == [
        0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0,
    ]  # fmt: skip
    assert RECONNECT_HANDSHAKE_MAX_S == 60.0


def test_refused_tcp_in_between_does_not_shorten_the_long_back_off() -> None:
    """An attacker on the path may refuse TCP at will: pads are not spent faster for it."""
    peer = new_peer()
    delays(peer, 10, reached=True)
    delays(peer, 5, reached=False)
    assert delays(peer, 2, reached=True) == [60.0, 60.0]


def test_failed_handshakes_do_not_lengthen_the_short_back_off() -> None:
    peer = new_peer()
    delays(peer, 10, reached=True)
    assert delays(peer, 1, reached=False) == [0.1]


def test_a_session_without_frames_does_not_reset_the_back_off() -> None:
    peer = new_peer()
    delays(peer, 10, reached=True)
    assert delays(peer, 1, reached=True, carried=False) == [60.0]
    assert delays(peer, 1, reached=True, carried=True) == [RECONNECT_FIRST_S]
    assert delays(peer, 2, reached=True) == [0.1, 0.2]


def test_sessions_that_begin_with_an_alarm_do_not_reset_the_back_off(connection: FakeConnection) -> None:
    """Two clones that take turns would burn windows ten times a second."""
    peer = new_peer()
    alarmed = []
    for _ in range(12):
        peer.connected(connection)
        peer.alarmed = True
        alarmed += delays(peer, 1, reached=True, carried=True)
    assert alarmed == delays(new_peer(), 12, reached=True)
    peer.connected(connection)
    assert delays(peer, 1, reached=True, carried=True) == [RECONNECT_FIRST_S]


@pytest.mark.parametrize(
    ("jitter", "factor"), [(0.0, 1 - RECONNECT_JITTER), (0.5, 1.0), (1.0, 1 + RECONNECT_JITTER)]
)
def test_jitter_spreads_by_a_quarter(jitter: float, factor: float) -> None:
    expected = [pytest.approx(factor * delay) for delay in (0.1, 0.2, 0.4)]
    assert delays(new_peer(), 3, reached=True, jitter=jitter) == expected


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
    monkeypatch.setattr(hub_peer, "MAX_REMEMBERED_DONE_PER_HUB", 4)
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
