"""Sessions: sealed once, opened once, nothing changed by what does not verify."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dsked.auth.tags import one_time_tag
from dsked.errors import (
    FrameError,
    LimitError,
    PeerError,
    PoolExhaustedError,
    ReplayError,
    StorageError,
    TagError,
    WindowError,
)
from dsked.limits import MASK_BYTES, MAX_FRAME_PAD_BYTES, MAX_OUTBOX_BYTES, WINDOW_PING_RESERVE_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import in_memory
from dsked.wire.frame import Header, body_of, decode_header, encode_untagged
from dsked.wire.handshake import SessionKeys
from dsked.wire.messages import Error, Located, Message, MessageType, Ping, PutShares, Unknown, encode_body
from dsked.wire.session import Session

from ..psrd.stores import DiskStream, filled
from .sides import CLIENT_BYTES, SIZE, WIN, Ends, flips, put, state

Sessions = tuple[Session, Session]


@pytest.fixture(params=["media", "simulated"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    return Ends(simulated=request.param == "simulated").sessions()


@pytest.fixture
def media() -> Sessions:
    return Ends().sessions()


def frames(session: Session, *messages: Message) -> list[bytes]:
    for number, message in enumerate(messages, 1):
        session.send(number, message)
    return list(session.seal_ready())


def forged(session: Session, kind: int, body: bytes, pads: int) -> bytes:
    """A frame with a right tag and whatever inside, as only the peer itself could send it."""
    taken = session.streams.local.allocate(MASK_BYTES + pads)
    assert taken is not None
    position, pad = taken
    untagged = encode_untagged(Header(kind, 1, position, pads, session.streams.peer.tell()), body)
    return untagged + one_time_tag(session._send_hash_key + pad[:16], session._send_prefix + untagged)


def test_messages_arrive_both_ways_with_their_secrets(sessions: Sessions) -> None:
    for sender, receiver in (sessions, sessions[::-1], sessions):
        sent = frames(sender, put(b"a secret share", b"a secret code"), put(b"another"), Error(7, "text"))
        assert not any(
            secret in b"".join(sent) for secret in (b"a secret share", b"a secret code", b"another")
        )
        assert [receiver.open(frame) for frame in sent] == [
            (1, put(b"a secret share", b"a secret code")), (2, put(b"another")), (3, Error(7, "text")),
        ]  # fmt: skip
        assert receiver.streams.peer.mark == sender.streams.local.next


def test_a_frames_pads_lie_behind_its_mask_in_the_order_of_its_secrets(media: Sessions) -> None:
    client, _ = media
    start = client.streams.local.next
    (frame,) = frames(client, put(b"A" * 5, b"B" * 7))
    header = decode_header(frame)
    assert (header.position, header.pads) == (start, 12)
    pad = CLIENT_BYTES[start + MASK_BYTES : start + MASK_BYTES + 12]
    sealed = bytes(a ^ b for a, b in zip(b"A" * 5 + b"B" * 7, pad, strict=True))
    assert sealed[:5] in body_of(frame)
    assert sealed[5:] in body_of(frame)
    assert client.streams.local.next == start + MASK_BYTES + 12


def test_every_flipped_bit_is_refused_and_changes_nothing(sessions: Sessions) -> None:
    client, hub = sessions
    (frame,) = frames(client, put(b"share", b"code"))
    before = state(hub.streams)
    for changed in flips(frame):
        with pytest.raises(PeerError):
            hub.open(changed)
    assert state(hub.streams) == before
    assert hub.frames_received == 0
    assert hub.open(frame) == (1, put(b"share", b"code"))


def test_every_truncation_is_refused_and_changes_nothing(sessions: Sessions) -> None:
    client, hub = sessions
    (frame,) = frames(client, put(b"share", b"code"))
    before = state(hub.streams)
    for length in range(len(frame)):
        cut = (length - 4).to_bytes(4, "big") + frame[4:length] if length >= 4 else frame[:length]
        for piece in (cut, frame[:length]):
            with pytest.raises(FrameError):
                hub.open(piece)
    assert state(hub.streams) == before


def test_a_replayed_frame_is_refused(sessions: Sessions) -> None:
    client, hub = sessions
    (frame,) = frames(client, put())
    hub.open(frame)
    before = state(hub.streams)
    with pytest.raises(ReplayError):
        hub.open(frame)
    assert state(hub.streams) == before


def test_a_lost_frame_is_a_gap_and_cannot_come_later(sessions: Sessions) -> None:
    client, hub = sessions
    first, second, third = frames(client, put(b"1"), put(b"2"), put(b"3"))
    assert hub.open(first)[1] == put(b"1")
    assert hub.open(third)[1] == put(b"3")
    with pytest.raises(ReplayError):
        hub.open(second)


def test_a_frame_comes_back_to_its_sender_for_nothing(sessions: Sessions) -> None:
    client, _ = sessions
    (frame,) = frames(client, put())
    with pytest.raises((TagError, ReplayError, WindowError)):
        client.open(frame)


@pytest.mark.parametrize(
    ("change", "side"),
    [
        ({}, Side.HUB),  # nothing but the direction is wrong: reflected to a side with the same bytes
        ({"receive_nonce": b"other nonce".ljust(16)}, Side.CLIENT),
        ({"receive_hash_key": b"other key".ljust(16)}, Side.CLIENT),
    ],
)
def test_the_tag_binds_session_and_direction(change: dict[str, bytes], side: Side) -> None:
    """Two sides with the same bytes everywhere: only what is under test differs."""

    def twin(of: Side, keys: SessionKeys) -> Session:
        local = OwnerPool(bytes(16), filled(CLIENT_BYTES), None)
        local.held_end = SIZE
        return Session(of, Streams(local, ReceiverPool(bytes(16), filled(CLIENT_BYTES), None)), keys, 4096)

    keys = SessionKeys(b"n" * 16, b"k" * 16, b"n" * 16, b"k" * 16)
    (frame,) = frames(twin(side, keys), put())
    with pytest.raises(TagError):
        twin(Side.HUB, keys._replace(**change)).open(frame)


@pytest.mark.parametrize("simulated", [False, True])
def test_frames_of_an_earlier_session_are_refused_in_the_next(simulated: bool) -> None:
    ends = Ends(simulated=simulated)
    client, _ = ends.sessions()
    kept = frames(client, put(b"kept back"), put(b"this too"))
    client, hub = ends.sessions()
    before = state(hub.streams)
    for frame in kept:
        with pytest.raises(PeerError):
            hub.open(frame)
    assert state(hub.streams) == before
    (frame,) = frames(client, put(b"of this session"))
    assert hub.open(frame)[1] == put(b"of this session")


def test_two_sessions_back_to_back_share_no_position() -> None:
    ends = Ends()
    spans: list[tuple[int, int]] = []
    for _ in range(4):
        start = ends.client.streams.local.next if ends.client.streams else 0
        client, hub = ends.sessions()
        for frame in frames(client, put(), put()):
            header = decode_header(frame)
            hub.open(frame)
            spans.append((header.position, header.position + MASK_BYTES + header.pads))
        assert spans[-2][0] >= start + 48
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


# --- what the peer itself may get wrong ---


@pytest.mark.parametrize(
    ("kind", "body", "pads"),
    [
        (MessageType.PUT_SHARES, encode_body(put(b"12345678")), 7),
        (MessageType.PUT_SHARES, encode_body(put(b"12345678")), 9),
        (MessageType.PUT_SHARES, encode_body(put(b"12345678")), 0),
        (MessageType.ERROR, encode_body(Error(1, "")), 1),
        (MessageType.ERROR, b"\xc1", 0),
        (MessageType.ERROR, b"\x92\xcc\x01\xa0", 0),  # not canonical
        (MessageType.ERROR, b"", 0),
    ],
)
def test_a_bad_body_under_a_right_tag_is_refused_after_the_mark_has_moved(
    media: Sessions, kind: int, body: bytes, pads: int
) -> None:
    client, hub = media
    frame = forged(client, kind, body, pads)
    with pytest.raises(FrameError):
        hub.open(frame)
    assert hub.streams.peer.mark == client.streams.local.next
    with pytest.raises(ReplayError):
        hub.open(frame)


def test_a_verified_message_of_a_later_version_burns_its_pads(media: Sessions) -> None:
    client, hub = media
    request_id, message = hub.open(forged(client, 0x7F, b"\xc1\xc1", 100))
    assert (request_id, isinstance(message, Unknown)) == (1, True)
    assert hub.streams.peer.mark == client.streams.local.next


@pytest.mark.parametrize(("simulated", "limit"), [(False, WIN // 4), (True, MAX_FRAME_PAD_BYTES)])
def test_more_pads_than_a_frame_may_have_are_refused_before_the_pool_is_read(
    simulated: bool, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hub = Ends(simulated=simulated).sessions()
    read: list[int] = []
    monkeypatch.setattr(
        ReceiverPool, "read", lambda self, position, length: read.append(length) or bytes(length)
    )
    for pads in (limit, limit + 1, 2**32 - 1):
        frame = encode_untagged(Header(0x7F, 1, hub.streams.peer.mark, pads, 0), b"") + bytes(16)
        with pytest.raises(TagError if pads == limit else FrameError):
            hub.open(frame)
    assert read == [MASK_BYTES + limit]


def test_a_frame_beyond_the_window_is_refused(media: Sessions) -> None:
    _, hub = media
    told = hub.streams.peer.told
    for position, error in (
        (told + WIN - 16, TagError),
        (told + WIN - 15, WindowError),
        (2**64 - 1, WindowError),
    ):
        with pytest.raises(error):
            hub.open(encode_untagged(Header(0x7F, 1, position, 0, 0), b"") + bytes(16))


# --- the outbox ---


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
