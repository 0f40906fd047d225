"""Sessions: sealed once, opened once, nothing changed by what does not verify."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dsked.auth.tags import one_time_tag
from dsked.errors import (
    FrameError,
    PeerError,
    ReplayError,
    TagError,
    WindowError,
)
from dsked.limits import MASK_BYTES, MAX_FRAME_PAD_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.wire.frame import Header, body_of, decode_header, encode_untagged
from dsked.wire.handshake import SessionKeys
from dsked.wire.messages import Error, MessageType, Unknown, encode_body
from dsked.wire.session import Session

from ..psrd.stores import filled
from .sides import CLIENT_BYTES, SIZE, WIN, Ends, Sessions, flips, frames, put, state


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
