"""Connections: every stage takes what belongs there, and anything else closes."""

from __future__ import annotations

import pytest

from dsked.errors import (
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    PeerError,
    StorageError,
    TagError,
)
from dsked.limits import MAX_FRAME_BYTES, MAX_HANDSHAKE_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.store import in_memory
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from dsked.wire.frame import Header, encode_untagged
from dsked.wire.gate import Sealer
from dsked.wire.handshake import M4, encode_part
from dsked.wire.messages import Error, Ping, PsrdBlock, PsrdRequest

from ..psrd.stores import DiskStream
from .sides import GATE, SIZE, Ends, deliver_all, put

Both = tuple[ClientConnection, HubConnection]

FRAME = encode_untagged(Header(0x10, 1, 20_000, 0, 0), b"\x90") + bytes(16)
SEALED = encode_untagged(Header(0x08, 1, 0, 0, 0), bytes(40)) + bytes(16)
REQUEST = PsrdRequest(0, bytes(16), 0, 1)


def up_to(ends: Ends, nr_messages: int) -> tuple[Both, list[bytes]]:
    """A connection on which so many of M0 to M4 have arrived, and these messages."""
    near, far = ends.connections()
    sent: list[bytes] = []
    for number in range(nr_messages):
        if number == 3:
            bring_blocks(ends, near, far)
            near.prove()
        sender, receiver = ((far, near), (near, far))[number % 2]
        sent.append(sender.data_to_send())
        assert list(receiver.receive_data(sent[-1])) == []
    return (near, far), sent


def bring_blocks(ends: Ends, near: ClientConnection, far: HubConnection) -> None:
    """New simulated streams get their first bytes."""
    if near.handshake.wants_blocks:
        assert near.streams is not None and far.streams is not None
        for owner in Side:
            ends.deliver(near.streams, far.streams, owner)


@pytest.fixture(params=[False, True], ids=["media", "simulated"])
def ends(request: pytest.FixtureRequest) -> Ends:
    return Ends(simulated=request.param)


def test_messages_flow_once_both_ends_are_open(ends: Ends) -> None:
    near, far = ends.open_connections()
    near.send(1, put(b"a share"))
    near.send(2, Error(0, "and more"))
    assert deliver_all(near, far) == [(1, put(b"a share")), (2, Error(0, "and more"))]
    far.send(1, Error(0, "an answer"))
    assert deliver_all(far, near) == [(1, Error(0, "an answer"))]
    assert (far.client, far.boot_id) == ("carol", ends.boot_id)


def test_it_all_works_byte_by_byte(ends: Ends) -> None:
    near, far = ends.connections()
    arrived = []
    for number in range(5):
        if number == 3:
            bring_blocks(ends, near, far)
            near.prove()
        sender, receiver = ((far, near), (near, far))[number % 2]
        for byte in sender.data_to_send():
            assert list(receiver.receive_data(bytes((byte,)))) == []
    near.send(1, put())
    near.send(2, put())
    for byte in near.data_to_send():
        arrived += far.receive_data(bytes((byte,)))
    assert arrived == [(1, put()), (2, put())]


def test_m4_and_the_first_frames_may_come_in_one_piece() -> None:
    (near, far), _ = up_to(Ends(simulated=True), 4)
    far.send(1, Error(0, "one"))
    far.send(2, Error(0, "two"))
    assert deliver_all(far, near) == [(1, Error(0, "one")), (2, Error(0, "two"))]


def test_a_hub_lets_go_of_the_handshake_when_all_that_it_promised_is_durable() -> None:
    """What a session needs is there beside it; M4 leaves no earlier than before."""
    ends = Ends(slow=True)
    near, far = ends.connections()

    def work() -> None:
        for pair in (ends.client, ends.hub):
            for pool in (pair.streams.local, pair.streams.peer):
                pool.store.work()

    for sender, receiver in ((far, near), (near, far), (far, near)):
        work()
        assert list(receiver.receive_data(sender.data_to_send())) == []
    near.prove()
    work()
    assert list(far.receive_data(near.data_to_send())) == []
    assert far.stage is Stage.OPEN and far._handshake is None
    assert far.data_to_send() == b"", "M4 tells a mark that is not durable yet"
    assert far._promises is not None
    work()
    assert list(near.receive_data(far.data_to_send())) == []
    assert near.stage is Stage.OPEN
    assert far._promises is None
    assert (far.boot_id, far.client, far.streams) == (ends.boot_id, "carol", ends.hub.streams)


# --- anything out of place closes ---


def _messages(ends: Ends) -> dict[str, bytes]:
    """One of everything, from a connection of its own."""
    _, sent = up_to(ends, 5)
    m0, m1, m2, m3, m4 = sent
    return {
        "M0": m0, "M1": m1, "M2": m2, "M3": m3, "M4": m4, "a frame": FRAME, "a sealed frame": SEALED,
        "one byte": b"\0\0\0\1\0", "an array of 7": b"\0\0\0\1\x97", "text": b"GET / HTTP/1.1\r\n\r\n",
        "no length": b"\0\0\0\0", "too long": (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
    }  # fmt: skip


KINDS = ["M0", "M1", "M2", "M3", "M4", "a frame", "a sealed frame", "one byte", "an array of 7", "text",
         "no length", "too long"]  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("nr_messages", range(6))
def test_what_is_out_of_place_is_refused_in_silence(ends: Ends, nr_messages: int, what: str) -> None:
    """Each end, after so many messages of the handshake, gets one more from elsewhere."""
    data = _messages(ends)[what]
    other = Ends(simulated=ends.client.simulated, seed=2)
    (near, far), _ = up_to(other, nr_messages)
    for connection in (near, far):
        if connection is near and (nr_messages, what) == (0, "M0"):
            continue  # any hub's greeting is taken: M2 will tell
        connection.data_to_send()
        stage = connection.stage
        with pytest.raises(PeerError):
            list(connection.receive_data(data))
        assert connection.stage is stage
        assert connection.data_to_send() == b""


@pytest.mark.parametrize("stage", ["hub before M1", "hub before M3", "client before M0", "client before M2"])
def test_lengths_are_those_of_a_handshake_before_it_is_over(stage: str) -> None:
    side, _, message = stage.split()
    (near, far), _ = up_to(Ends(), int(message[1]))
    connection: Connection = near if side == "client" else far
    connection.data_to_send()
    allowed = MAX_HANDSHAKE_BYTES.to_bytes(4, "big")
    assert list(connection.receive_data(allowed[:3])) == []
    assert list(connection.receive_data(allowed[3:])) == []
    (near, far), _ = up_to(Ends(), int(message[1]))
    connection = near if side == "client" else far
    with pytest.raises(FrameError):
        list(connection.receive_data((MAX_HANDSHAKE_BYTES + 1).to_bytes(4, "big")))


def test_a_media_client_takes_no_more_than_a_handshake_before_m4() -> None:
    (near, _), _ = up_to(Ends(), 3)
    with pytest.raises(FrameError):
        list(near.receive_data((MAX_HANDSHAKE_BYTES + 1).to_bytes(4, "big")))


def test_m4_before_m3_is_refused() -> None:
    near, far = Ends().connections()
    for sender, receiver in ((far, near), (near, far), (far, near)):
        deliver_all(sender, receiver)
    with pytest.raises(PeerError, match="M4 before M3"):
        list(near.receive_data(encode_part(M4(0, 0, bytes(16)))))


def test_m3_is_sent_once() -> None:
    (near, _), _ = up_to(Ends(), 4)
    with pytest.raises(AssertionError):
        near.prove()


def test_nothing_is_sent_before_the_session_is_open() -> None:
    for number in range(5):
        (near, far), _ = up_to(Ends(), number)
        with pytest.raises(AssertionError):
            near.send(1, put())
        if number < 4:
            with pytest.raises(AssertionError):
                far.send(1, put())


def test_a_refusal_is_sent_and_nothing_more_is_read() -> None:
    ends = Ends()
    ends.hub.hub = "helen"
    near, far = ends.connections()
    far.handshake.hub = "helen"
    deliver_all(far, near)
    data = near.data_to_send()
    assert list(far.receive_data(data + FRAME + data)) == []
    assert far.stage is Stage.CLOSING
    assert list(far.receive_data(b"\0\0\0\5whatever that is")) == []
    with pytest.raises(HandshakeRefusedError) as refused:
        deliver_all(far, near)
    assert refused.value.refusal == ErrorCode.WRONG_HUB


def test_a_replaced_connections_unread_input_is_dropped() -> None:
    near, far = Ends().open_connections()
    near.send(1, put())
    far.stage = Stage.CLOSING
    mark = far.session.streams.peer.mark if far.session else None
    assert deliver_all(near, far) == []
    assert far.session is not None and far.session.streams.peer.mark == mark


def disks_work(streams: Streams | None) -> None:
    """Both disks of one side do what they were asked for."""
    assert streams is not None
    for pool in (streams.local, streams.peer):
        assert isinstance(pool.store, DiskStream)
        pool.store.work()


def test_a_handshake_is_held_back_until_its_marks_are_durable() -> None:
    """M0 uses none; M1 to M4 leave when the sender's disks have worked, and so does the first frame."""
    near, far = Ends(slow=True).connections()
    deliver_all(far, near)
    for number in range(1, 5):
        if number == 3:
            near.prove()
        sender, receiver = ((far, near), (near, far))[number % 2]
        assert sender.data_to_send() == b""
        disks_work(sender.streams)
        data = sender.data_to_send()
        assert data
        assert list(receiver.receive_data(data)) == []
    near.send(1, Error(0, "the first frame acknowledges M4"))
    assert near.data_to_send() == b""
    disks_work(near.streams)
    assert near.data_to_send() == b""  # it has told the mark, and now wants a mark of its own
    disks_work(near.streams)
    assert deliver_all(near, far) == [(1, Error(0, "the first frame acknowledges M4"))]


@pytest.mark.parametrize("nr_messages", [1, 4, 5])
def test_bytes_that_come_in_the_middle_of_a_handshake_are_told_once_it_is_over(nr_messages: int) -> None:
    ends = Ends()
    (near, far), _ = up_to(ends, nr_messages)
    assert ends.client.streams is not None
    in_memory(ends.client.streams.peer.store).append(bytes(16), bytes(4096))
    near.tell_ends()
    for number in range(nr_messages, 5):
        if number == 3:
            near.prove()
        deliver_all(*((far, near), (near, far))[number % 2])
    (told,) = deliver_all(near, far)
    assert told == (0, Ping(False, SIZE, SIZE + 4096, []))
    assert near.data_to_send() == b""


@pytest.mark.parametrize("owner", Side)
@pytest.mark.parametrize("nr_messages", [1, 3, 5])
def test_a_failed_disk_lets_nothing_more_leave(owner: Side, nr_messages: int) -> None:
    (near, _), _ = up_to(Ends(), nr_messages)
    if nr_messages == 3:
        near.prove()
    assert near.streams is not None
    store = near.streams.by_owner(Side.CLIENT, owner).store
    assert isinstance(store, DiskStream)
    store.lose()
    with pytest.raises(StorageError):
        near.data_to_send()


def test_a_slow_reader_gets_nothing_and_costs_no_pads() -> None:
    near, far = Ends().open_connections()
    assert near.session is not None
    near.writable = False
    near.send(1, put())
    used = near.session.streams.local.next
    assert near.data_to_send() == b""
    assert near.session.streams.local.next == used
    near.writable = True
    assert deliver_all(near, far) == [(1, put())]


# --- sealed frames ---


def _sealer(near: ClientConnection, side: Side) -> Sealer:
    return Sealer(side, GATE, near.handshake.hub_nonce, near.handshake.nonce)


@pytest.mark.parametrize("nr_messages", [3, 5])
def test_simulated_ends_take_blocks_and_requests_from_m2_on(nr_messages: int) -> None:
    (near, far), _ = up_to(Ends(simulated=True), nr_messages)
    near.data_to_send()
    near.send_sealed(1, REQUEST)
    assert deliver_all(near, far)[-1] == (1, REQUEST)
    block = PsrdBlock(0, bytes(16), 0, bytes(16), bytes(MAX_HANDSHAKE_BYTES))
    far.send_sealed(2, block)
    assert deliver_all(far, near)[-1] == (2, block)


@pytest.mark.parametrize("nr_messages", [3, 5])
def test_each_side_takes_only_the_sealed_frame_that_is_for_it(nr_messages: int) -> None:
    """Rightly sealed, and yet nothing that an honest peer sends."""
    (near, far), _ = up_to(Ends(simulated=True), nr_messages)
    for connection, sender, message in (
        (near, Side.HUB, REQUEST),
        (far, Side.CLIENT, PsrdBlock(0, bytes(16), 0, bytes(16), b"x")),
    ):
        with pytest.raises(FrameError):
            list(connection.receive_data(_sealer(near, sender).seal(1, message)))


@pytest.mark.parametrize("nr_messages", [0, 1])
def test_no_sealed_frame_is_taken_before_its_end_has_seen_the_gate_key(nr_messages: int) -> None:
    (near, far), _ = up_to(Ends(simulated=True), nr_messages)
    for connection in (near, far):
        with pytest.raises(FrameError):
            list(connection.receive_data(SEALED))


def test_media_ends_take_no_sealed_frame_even_under_the_gate_key() -> None:
    near, far = Ends().open_connections()
    with pytest.raises(FrameError):
        list(far.receive_data(_sealer(near, Side.CLIENT).seal(1, REQUEST)))
    with pytest.raises(FrameError):
        list(near.receive_data(_sealer(near, Side.HUB).seal(1, PsrdBlock(0, bytes(16), 0, bytes(16), b"x"))))


def test_a_sealed_message_under_a_pad_is_no_sealed_frame() -> None:
    near, far = Ends(simulated=True).open_connections()
    near.send(1, REQUEST)
    with pytest.raises(PeerError):
        deliver_all(near, far)


def test_frames_before_a_bad_one_are_acted_on_and_none_after_it(ends: Ends) -> None:
    near, far = ends.open_connections()
    sent = []
    for number in range(3):
        near.send(number, put())
        sent.append(near.data_to_send())
    bad = sent[1][:-1] + bytes((sent[1][-1] ^ 1,))
    arrived = []
    with pytest.raises(TagError):
        for request_id, _ in far.receive_data(sent[0] + bad + sent[2]):
            arrived.append(request_id)
    assert arrived == [0]


def test_greeted_and_opened_are_called_once_before_m2_and_m4_leave() -> None:
    ends = Ends()
    greeted: list[bytes] = []
    seen: list[bool] = []
    near, _ = ends.connections()
    parts = ends.machines()
    far = HubConnection(
        parts.far,
        lambda connection: greeted.append(connection.boot_id),
        lambda connection: seen.append(connection.session is not None),
    )
    deliver_all(far, near)
    assert greeted == []
    deliver_all(near, far)
    assert greeted == [ends.boot_id]
    deliver_all(far, near)
    near.prove()
    assert seen == []
    deliver_all(near, far)
    assert seen == [True]
    deliver_all(far, near)
    assert near.stage is Stage.OPEN
