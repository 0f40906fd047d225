"""What a session still has to send: it waits for pads, the window or the disk, and may be taken back."""

from __future__ import annotations

import pytest

from dsked.errors import LimitError, PoolExhaustedError, StorageError
from dsked.limits import MASK_BYTES, MAX_OUTBOX_BYTES, WINDOW_PING_RESERVE_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.store import in_memory
from dsked.wire.frame import decode_header
from dsked.wire.messages import Error, Located, Message, Ping, PutShares, encode_body
from dsked.wire.session import Session

from ..psrd.stores import DiskStream
from .sides import SIZE, WIN, Ends, Sessions, frames, put


def test_a_message_waits_for_pads_in_plain_form_and_costs_none() -> None:
    ends = Ends(simulated=True)
    client, hub = ends.sessions()
    local = client.streams.local
    message = put(b"s" * (local.unused + 1))
    client.send(1, message)
    client.send(2, Error(0, "waits behind it"))
    start = local.next
    assert list(client.seal_ready()) == []
    assert local.next == start
    assert list(message.secrets()) == [b"s" * (local.unused + 1), b""]
    assert client.pads_wanted == local.unused + 1 + 2 * MASK_BYTES
    ends.deliver(client.streams, hub.streams, Side.CLIENT)
    sent = list(client.seal_ready())
    assert [hub.open(frame)[0] for frame in sent] == [1, 2]
    assert (client.pads_wanted, client.outbox_bytes) == (0, 0)


def test_a_message_waits_for_the_window_and_leaves_on_an_ack(media: Sessions) -> None:
    client, hub = media
    for number in range(1, 11):
        client.send(number, put(bytes(4096)))
    sent = list(client.seal_ready())
    assert 0 < len(sent) < 10
    local = client.streams.local
    assert local.next <= local.acked + WIN - WINDOW_PING_RESERVE_BYTES
    assert list(client.seal_ready()) == []
    arrived = [hub.open(frame)[0] for frame in sent]
    while len(arrived) < 10:
        acks = list(hub.seal_ready())
        assert acks, "a full window is told in time"
        for frame in acks:
            assert isinstance(client.open(frame)[1], Ping)
        arrived += [hub.open(frame)[0] for frame in client.seal_ready()]
    assert arrived == list(range(1, 11))


def test_two_full_windows_do_not_wait_for_each_other(media: Sessions) -> None:
    arrived: dict[Session, list[int]] = {session: [] for session in media}
    client, hub = media
    hub.open(frames(client, Error(0, ""))[0])  # the hub's own window opens with the client's first frame
    for session in media:
        for number in range(1, 16):
            session.send(number, put(bytes(4000)))
    for _ in range(40):
        under_way = [(session, list(session.seal_ready())) for session in media]
        for session, sent in under_way:
            other = hub if session is client else client
            arrived[other] += [
                number for number, message in map(other.open, sent) if isinstance(message, PutShares)
            ]
    assert list(arrived.values()) == [list(range(1, 16))] * 2


def test_a_ping_tells_the_ends_held(media: Sessions) -> None:
    client, hub = media
    in_memory(hub.streams.local.store).append(bytes(16), bytes(100))
    assert client.ping() == Ping(False, SIZE, SIZE, [])
    assert hub.ping() == Ping(False, SIZE, SIZE + 100, [])


def test_new_ends_are_told_even_by_a_used_up_pool_and_open_it_again(media: Sessions) -> None:
    client, hub = media
    frames(client, Error(0, "the first frame"))
    local = client.streams.local
    local.next = local.durable = local.held_end - WINDOW_PING_RESERVE_BYTES
    local.acked = hub.streams.peer.told = local.next
    client.send(7, Error(0, "waits for pads"))
    assert list(client.seal_ready()) == []
    for side in media:
        for pool in (side.streams.local, side.streams.peer):
            in_memory(pool.store).append(bytes(16), bytes(4096))
        side.streams.local.grown()
        side.ends_to_tell = True
    (told,) = client.seal_ready()
    assert hub.open(told) == (0, Ping(False, SIZE + 4096, SIZE + 4096, []))
    local.peer_holds(SIZE + 4096)
    assert hub.open(next(client.seal_ready())) == (7, Error(0, "waits for pads"))
    assert not client.ends_to_tell


def test_the_first_frame_of_the_client_acknowledges_the_hubs_handshake(media: Sessions) -> None:
    client, hub = media
    assert hub.streams.local.available(urgent=True) == 0
    (frame,) = frames(client, Error(0, ""))
    hub.open(frame)
    assert hub.streams.local.acked >= hub.streams.local.next
    assert hub.streams.local.available() > 0


def test_nothing_leaves_before_the_disk_has_reserved_it() -> None:
    ends = Ends(slow=True)
    client, hub = ends.sessions()
    store = client.streams.local.store
    assert isinstance(store, DiskStream)
    client.send(1, put(b"plain"))
    start = client.streams.local.next
    assert list(client.seal_ready()) == []
    assert client.streams.local.next == start
    store.work()
    (frame,) = client.seal_ready()
    assert hub.open(frame) == (1, put(b"plain"))


def test_a_full_disk_lets_nothing_leave_and_nothing_get_lost(media: Sessions) -> None:
    client, hub = media
    store = client.streams.local.store
    assert isinstance(store, DiskStream)
    store.full = True
    client.send(1, put(b"plain"))
    assert list(client.seal_ready()) == []
    store.full = False
    (frame,) = client.seal_ready()
    assert hub.open(frame) == (1, put(b"plain"))


def test_a_lost_disk_raises_before_a_pad_is_taken(media: Sessions) -> None:
    client, _ = media
    store = client.streams.local.store
    assert isinstance(store, DiskStream)
    store.lose()
    client.send(1, put(b"plain"))
    before = client.streams.local.next
    with pytest.raises(StorageError):
        list(client.seal_ready())
    assert client.streams.local.next == before


def test_only_a_durable_mark_is_acknowledged() -> None:
    client, hub = Ends(slow=True).sessions()
    own, followed = hub.streams.local.store, hub.streams.peer.store
    assert isinstance(own, DiskStream)
    assert isinstance(followed, DiskStream)
    assert isinstance(client.streams.local.store, DiskStream)
    followed.work()
    durable = followed.mark
    for number in range(3):
        client.send(number, put(bytes(3000)))
    list(client.seal_ready())
    client.streams.local.store.work()
    for frame in client.seal_ready():
        hub.open(frame)
    for disk_works in (False, True):
        if disk_works:
            followed.work()
        hub.send(1, Error(0, ""))
        sent = list(hub.seal_ready())
        own.work()
        sent += hub.seal_ready()
        acks = {decode_header(frame).ack for frame in sent}
        assert acks == {followed.mark}
        assert (followed.mark > durable) is disk_works


@pytest.mark.parametrize(
    "message",
    [put(bytes(4096)), Located(["a client of some name"] * 1000), Error(0, "x" * 200), Error(0, "")],
)
def test_a_peer_that_does_not_read_fills_its_outbox_and_no_more(media: Sessions, message: Message) -> None:
    """Whatever waits is counted with all of its bytes, not with its pads alone."""
    client, _ = media
    client.streams.local.held_end = client.streams.local.next  # not a byte left to send with
    waiting = 0
    with pytest.raises(LimitError):
        while waiting < 2 * MAX_OUTBOX_BYTES:
            client.send(1, message)
            waiting += len(encode_body(message))
    assert waiting < MAX_OUTBOX_BYTES * 1.1
    assert list(client.seal_ready()) == []


def test_a_share_too_large_for_a_frame_is_our_own_mistake(media: Sessions) -> None:
    client, _ = media
    assert client.max_pads == WIN // 4
    with pytest.raises(AssertionError, match="in pieces"):
        client.send(1, put(bytes(WIN // 4 + 1)))


def test_an_exhausted_pool_keeps_the_message(media: Sessions) -> None:
    client, _ = media
    client.streams.local.held_end = client.streams.local.next + MASK_BYTES - 1
    client.send(1, Error(0, ""))
    assert list(client.seal_ready()) == []
    assert client.pads_wanted == MASK_BYTES
    with pytest.raises(PoolExhaustedError):
        client.streams.local.allocate(MASK_BYTES)


def test_what_waits_in_one_session_waits_in_no_other() -> None:
    """Sessions in which nothing waits share an empty outbox."""
    (near, far), (elsewhere, _) = (Ends(simulated=True, seed=seed).sessions() for seed in (1, 2))
    assert near._outbox is elsewhere._outbox
    near.send(1, put())
    assert list(elsewhere.seal_ready()) == [] and elsewhere.outbox_bytes == 0
    assert [far.open(frame) for frame in near.seal_ready()] == [(1, put())]
    assert near._outbox is elsewhere._outbox and not near._outbox
    near.send(2, put())
    assert [far.open(frame) for frame in near.seal_ready()] == [(2, put())]


# --- what is taken back ---


def test_what_is_taken_back_before_it_has_left_costs_no_pad_and_no_room(media: Sessions) -> None:
    client, hub = media
    numbers = [client.send(request_id, put(bytes(100))) for request_id in (1, 2, 3)]
    counted = client.pads_wanted, client.outbox_bytes
    taken_back = client.send(4, put(bytes(4096)))
    start = client.streams.local.next
    assert client.exchange(taken_back, None)
    assert (client.pads_wanted, client.outbox_bytes) == counted
    assert client.exchange(numbers[1], None) and not client.exchange(numbers[1], None)
    assert [hub.open(frame)[0] for frame in client.seal_ready()] == [1, 3]
    assert client.streams.local.next == start + 2 * (MASK_BYTES + 100)


def test_another_message_leaves_in_the_place_of_the_first(media: Sessions) -> None:
    client, hub = media
    client.send(1, put(bytes(100)))
    number = client.send(2, put(bytes(4096)))
    client.send(3, put(bytes(100)))
    assert client.exchange(number, put(b"smaller"))
    assert client.pads_wanted == 3 * MASK_BYTES + 207
    assert list(map(hub.open, client.seal_ready()))[1] == (2, put(b"smaller"))
    assert (client.pads_wanted, client.outbox_bytes) == (0, 0)


def test_what_has_left_is_not_taken_back(media: Sessions) -> None:
    client, hub = media
    number = client.send(1, put(b"it has left"))
    sent = list(client.seal_ready())
    assert not client.exchange(number, None) and not client.exchange(number, put())
    assert list(client.seal_ready()) == [] and (client.pads_wanted, client.outbox_bytes) == (0, 0)
    assert [hub.open(frame) for frame in sent] == [(1, put(b"it has left"))]


def test_a_session_whose_last_message_was_taken_back_keeps_no_outbox() -> None:
    (near, _), (elsewhere, _) = (Ends(simulated=True, seed=seed).sessions() for seed in (1, 2))
    assert near.exchange(near.send(1, put()), None)
    assert near._outbox is elsewhere._outbox and not near._outbox
