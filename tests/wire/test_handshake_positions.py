"""Where a session begins, and marks that are durable before they are told."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from dsked.errors import (
    DskedError,
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    PoolExhaustedError,
    StorageError,
    TagError,
    WindowError,
)
from dsked.limits import HANDSHAKE_PAD_BYTES
from dsked.psrd.pair import Promises, Side, Streams
from dsked.psrd.store import in_memory
from dsked.wire.handshake import M1, M2, M3, M4, decode_part, encode_part
from dsked.wire.messages import Error

from ..psrd.stores import DiskStream
from .handshakes import (
    OTHER,
    both,
    hub_state,
)
from .sides import SIZE, WIN, Ends


def test_a_lost_m3_is_followed_by_one_at_another_position() -> None:
    ends = Ends()
    positions = [decode_part(M3, ends.proof().m3).position for _ in range(20)]
    assert positions == [48 + WIN + 48 * number for number in range(20)]
    ends.sessions()


def test_a_lost_m4_is_followed_by_one_at_another_position() -> None:
    ends = Ends()
    seen: list[int] = []
    for _ in range(5):
        parts = ends.proof()
        m4, _ = parts.far.verify(parts.m3)
        seen.append(decode_part(M4, m4).position)
    assert all(later >= earlier + HANDSHAKE_PAD_BYTES for earlier, later in pairwise(seen))
    client, hub = ends.sessions()
    client.send(1, Error(0, ""))
    assert [hub.open(frame)[0] for frame in client.seal_ready()] == [1]


def test_an_m3_beyond_the_window_or_below_the_mark_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends()
    parts = ends.proof()
    _, far = both(ends)
    m3 = decode_part(M3, parts.m3)
    before = hub_state(ends)
    monkeypatch.setattr(DiskStream, "read", lambda *_: pytest.fail("the pool was read"))
    for position in (far.peer.told + WIN + 1, SIZE, 2**64 - 1):
        with pytest.raises(WindowError):
            parts.far.verify(encode_part(msgspec.structs.replace(m3, position=position)))
    assert hub_state(ends) == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_stream": OTHER}, FrameError),
        ({"hub_stream": OTHER}, FrameError),
        ({"client_end": SIZE + 1}, WindowError),
        ({"hub_end": SIZE + 1}, WindowError),
        ({"hub_end": SIZE - 1}, TagError),
    ],
)
def test_an_m3_that_claims_otherwise_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    ends = Ends()
    parts = ends.proof()
    before = hub_state(ends)
    with pytest.raises(error):
        parts.far.verify(encode_part(msgspec.structs.replace(decode_part(M3, parts.m3), **changes)))
    assert hub_state(ends) == before


@pytest.mark.parametrize("pools", [slice(0, 2), slice(2, 4), slice(0, 4, 2), slice(1, 4, 2)])
def test_the_ends_held_are_the_smaller_ones(pools: slice) -> None:
    """The owner never passes the end that the peer holds."""
    ends = Ends()
    near, far = both(ends)
    for pool in (near.local, near.peer, far.local, far.peer)[pools]:
        in_memory(pool.store).append(bytes(16), bytes(1000))  # a bundle that reached one side first
    ends.sessions()
    assert (near.local.held_end, far.local.held_end) == (SIZE, SIZE)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("started", [False, True])
def test_a_mark_beyond_the_own_next_proves_a_rewind_unless_the_peer_just_started(
    side: Side, started: bool
) -> None:
    ends = Ends()
    ends.sessions()
    near, far = both(ends)
    streams, pair = (far, ends.client) if side is Side.CLIENT else (near, ends.hub)
    streams.peer.advance(streams.peer.mark + 1)
    (ends.hub if side is Side.CLIENT else ends.client).had_session = not started
    ends.sessions()
    assert pair.rewound is not started


def _disk(streams: Streams, side: Side, owner: Side) -> DiskStream:
    store = streams.by_owner(side, owner).store
    assert isinstance(store, DiskStream)
    return store


def test_marks_are_promised_before_they_are_told() -> None:
    """With a disk that is slow: what M1 to M4 tell and use is computed, and not to leave before it stands."""
    ends = Ends(slow=True)
    near, far = both(ends)
    parts = ends.machines()
    parts.m0 = parts.far.greeting()
    assert parts.far.promises.kept
    parts.m1 = parts.near.greet(parts.m0)
    told = decode_part(M1, parts.m1).holdings.durable_mark
    _kept_once(parts.near.promises, _disk(near, Side.CLIENT, Side.HUB), told)
    parts.m2 = parts.far.answer(parts.m1)
    told = decode_part(M2, parts.m2).holdings.durable_mark
    _kept_once(parts.far.promises, _disk(far, Side.HUB, Side.CLIENT), told)
    parts.near.answer(parts.m2)
    parts.m3 = parts.near.prove()
    proof_end = decode_part(M3, parts.m3).position + HANDSHAKE_PAD_BYTES
    _kept_once(parts.near.promises, _disk(near, Side.CLIENT, Side.CLIENT), proof_end)
    m4, _ = parts.far.verify(parts.m3)
    assert decode_part(M4, m4).ack >= proof_end
    assert not parts.far.promises.kept
    _disk(far, Side.HUB, Side.CLIENT).work()
    assert _disk(far, Side.HUB, Side.CLIENT).mark >= decode_part(M4, m4).ack
    hub_proof_end = decode_part(M4, m4).position + HANDSHAKE_PAD_BYTES
    _kept_once(parts.far.promises, _disk(far, Side.HUB, Side.HUB), hub_proof_end)
    parts.near.finish(m4)
    _kept_once(parts.near.promises, _disk(near, Side.CLIENT, Side.HUB), hub_proof_end)


def _kept_once(promises: Promises, disk: DiskStream, mark: int) -> None:
    """They are kept when that disk has done its work, and not before."""
    assert disk.mark < mark
    assert not promises.kept
    disk.work()
    assert disk.mark >= mark
    assert promises.kept


@pytest.mark.parametrize("owner", Side)
@pytest.mark.parametrize("side", Side)
def test_a_lost_disk_lets_no_handshake_go_on(side: Side, owner: Side) -> None:
    """Where the handshake needs nothing of the pool yet, the connection notices (test_connection.py)."""
    ends = Ends()
    _disk(both(ends)[0 if side is Side.CLIENT else 1], side, owner).lose()
    with pytest.raises(StorageError):
        ends.sessions()
    assert not ends.client.had_session


@pytest.mark.parametrize("owner", Side)
def test_an_exhausted_pool_ends_the_handshake(owner: Side) -> None:
    ends = Ends()
    for side, streams in zip(Side, both(ends), strict=True):
        pool = streams.by_owner(side, owner)
        if side is owner:
            streams.local.next = streams.local.durable = SIZE - 47
        else:
            assert pool is streams.peer
            streams.peer.advance(SIZE - 47)
    before = hub_state(ends)
    with pytest.raises(DskedError) as ended:
        ends.sessions()
    if owner is Side.HUB:  # which knows before it answers M1
        assert isinstance(ended.value, HandshakeRefusedError)
        assert ended.value.refusal == ErrorCode.POOL_EXHAUSTED
        assert hub_state(ends) == before
    else:
        assert isinstance(ended.value, PoolExhaustedError)
