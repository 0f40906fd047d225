"""Long frames: the same tag, computed where the frame stands; nothing changes before it verifies."""

from __future__ import annotations

import random

import pytest

from dsked.auth.tags import one_time_tag
from dsked.errors import PeerError, TagError
from dsked.limits import MASK_BYTES, MAX_FRAME_PAD_BYTES, TAG_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.store import in_memory
from dsked.wire.frame import HEADER_BYTES
from dsked.wire.session import _LONG_BYTES, Session

from .sides import Ends, Sessions, put, state

SHARE = random.Random(1).randbytes(_LONG_BYTES + 1)


@pytest.fixture
def sessions() -> Sessions:
    """Both ends over simulated pools that hold the pads of two of the longest frames."""
    ends = Ends(simulated=True)
    client, hub = ends.sessions()
    ends.deliver(client.streams, hub.streams, Side.CLIENT, 2 * (MAX_FRAME_PAD_BYTES + MASK_BYTES))
    return client, hub


def sealed(session: Session, share: bytes) -> tuple[bytes, bytes]:
    """(the frame, the mask under its tag)."""
    start = session.streams.local.next
    mask = in_memory(session.streams.local.store).read(start, MASK_BYTES)
    session.send(1, put(share))
    (frame,) = session.seal_ready()
    return frame, mask


@pytest.mark.parametrize(
    "size", [_LONG_BYTES - 1, _LONG_BYTES, _LONG_BYTES + 1, MAX_FRAME_PAD_BYTES], ids=str
)
def test_the_tag_is_that_of_the_whole_frame(sessions: Sessions, size: int) -> None:
    client, hub = sessions
    share = random.Random(size).randbytes(size)
    frame, mask = sealed(client, share)
    key = client._send_hash_key + mask
    assert frame[-TAG_BYTES:] == one_time_tag(key, client._send_prefix + frame[:-TAG_BYTES])
    assert share[:64] not in frame
    assert hub.open(frame) == (1, put(share))
    assert hub.streams.peer.mark == client.streams.local.next


def test_a_changed_byte_is_refused_and_changes_nothing(sessions: Sessions) -> None:
    client, hub = sessions
    frame, _ = sealed(client, SHARE)
    before = state(hub.streams)
    tail = len(frame) - TAG_BYTES
    places = [HEADER_BYTES, HEADER_BYTES + 40, len(frame) // 2, *range(tail - 4, len(frame))]
    for place in places:
        changed = bytearray(frame)
        changed[place] ^= 1
        with pytest.raises(PeerError):
            hub.open(bytes(changed))
        assert state(hub.streams) == before
    assert hub.open(frame) == (1, put(SHARE))


@pytest.mark.parametrize("part", [slice(0, -1), slice(-1, None)], ids=["nonce", "direction"])
def test_its_tag_binds_session_and_direction(sessions: Sessions, part: slice) -> None:
    client, hub = sessions
    prefix = bytearray(client._send_prefix)
    prefix[part] = bytes(byte ^ 1 for byte in prefix[part])
    client._send_prefix = bytes(prefix)
    frame, _ = sealed(client, SHARE)
    before = state(hub.streams)
    with pytest.raises(TagError):
        hub.open(frame)
    assert state(hub.streams) == before
