"""Who proved itself last, and how a side that was set back catches up."""

from __future__ import annotations

import pytest

from dsked.errors import (
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    TagError,
)
from dsked.limits import HANDSHAKE_PAD_BYTES
from dsked.psrd.pair import NO_BOOT, RESTORED, Side
from dsked.psrd.store import in_memory
from dsked.wire.handshake import M1, M2, NEXT_FIELD, decode_part

from .handshakes import (
    OTHER,
    both,
    changed_m1,
    changed_m2,
    greeted,
    hub_state,
)
from .sides import SIZE, WIN, Ends, Parts, state


def _again(ends: Ends, **boot_ids: bytes) -> Parts:
    """A handshake of other processes on the same state, up to M2."""
    for name, boot_id in boot_ids.items():
        setattr(ends, name, boot_id)
    return ends.hello()


def test_a_proof_is_told_to_the_process_that_gave_it() -> None:
    ends = Ends()
    parts = ends.hello()
    assert decode_part(M1, parts.m1).proved_boot == decode_part(M2, parts.m2).proved_boot == NO_BOOT
    ends.sessions()
    parts = ends.hello()
    assert decode_part(M1, parts.m1).proved_boot == decode_part(M2, parts.m2).boot_id == ends.hub_boot_id
    assert decode_part(M2, parts.m2).proved_boot == decode_part(M1, parts.m1).boot_id == ends.boot_id


def test_a_hub_forgets_who_proved_itself_once_another_process_may_have() -> None:
    ends = Ends()
    ends.sessions()
    original = ends.boot_id
    m2 = decode_part(M2, _again(ends, boot_id=OTHER).m2)
    assert m2.proved_boot == ends.hub.proved_boot == NO_BOOT
    m2 = decode_part(M2, _again(ends, boot_id=original).m2)
    assert m2.proved_boot == NO_BOOT


def test_a_client_forgets_who_proved_itself_once_another_process_may_have() -> None:
    ends = Ends()
    ends.sessions()
    original = ends.hub_boot_id
    parts = _again(ends, hub_boot_id=OTHER)
    assert ends.client.proved_boot == original, "without M3 no hub sends M4"
    parts.near.prove()
    assert ends.client.proved_boot == NO_BOOT
    m1 = decode_part(M1, _again(ends, hub_boot_id=original).m1)
    assert m1.proved_boot == NO_BOOT


def test_a_refused_client_makes_the_hub_forget_nothing() -> None:
    ends = Ends()
    ends.sessions()
    parts = greeted(ends)
    latest = ends.hub.latest_hello
    parts.far.answer(changed_m1(parts, boot_id=OTHER, hub="helen"))
    assert (ends.hub.proved_boot, ends.hub.latest_hello) == (ends.boot_id, latest)


def test_an_m3_counts_only_on_the_newest_m2() -> None:
    ends = Ends()
    first = ends.proof()
    second = ends.proof()
    before = hub_state(ends)
    with pytest.raises(FrameError):
        first.far.verify(first.m3)
    assert hub_state(ends) == before
    second.far.verify(second.m3)


@pytest.mark.parametrize("side", Side)
def test_a_peer_that_forgot_more_than_a_window_catches_up(side: Side) -> None:
    """The hub before it answers M1, the client at the next attempt."""
    ends = Ends()
    ends.sessions()
    near, far = both(ends)
    ahead, behind = (near, far) if side is Side.CLIENT else (far, near)
    ahead.local.next = ahead.local.durable = ahead.local.next + 5 * WIN
    before = ahead.local.next
    if side is Side.HUB:
        with pytest.raises(HandshakeRefusedError) as refused:
            ends.proof()
        assert refused.value.refusal == ErrorCode.REWIND
        assert "restored or cloned" in str(refused.value)
        assert ahead.local.next == before
    ends.sessions()
    assert before <= behind.peer.mark - HANDSHAKE_PAD_BYTES <= before + 3 * HANDSHAKE_PAD_BYTES
    pair = ends.hub if side is Side.CLIENT else ends.client
    assert pair.rewound
    assert pair.take_alarm() == RESTORED
    assert pair.take_alarm() == ""


@pytest.mark.parametrize("side", Side)
def test_a_peer_that_forgot_bytes_that_it_does_not_hold_any_more_is_refused(side: Side) -> None:
    """A copy from before a delivery: it gives up all that it holds and no more."""
    ends = Ends()
    ends.sessions()
    near, far = both(ends)
    ahead, behind = (near, far) if side is Side.CLIENT else (far, near)
    in_memory(ahead.local.store).append(bytes(16), bytes(SIZE))
    ahead.local.next = ahead.local.durable = SIZE + 2 * WIN
    for _ in range(3):
        with pytest.raises(HandshakeRefusedError) as refused:
            ends.proof()
        assert refused.value.refusal == ErrorCode.REWIND
    assert SIZE <= behind.peer.told <= SIZE + 10 * HANDSHAKE_PAD_BYTES
    assert behind.peer.mark < SIZE


@pytest.mark.parametrize("field", [b"", bytes(7), bytes(9)])
def test_a_position_of_another_length_is_refused(field: bytes) -> None:
    ends = Ends()
    parts = greeted(ends)
    before = hub_state(ends)
    with pytest.raises(FrameError):
        parts.far.answer(changed_m1(parts, optional={NEXT_FIELD: field}))
    assert hub_state(ends) == before


@pytest.mark.parametrize("optional", [{}, {7: b"later"}, {NEXT_FIELD: bytes(8)}])
def test_a_client_that_does_not_tell_where_it_stands_is_taken_as_it_is(optional: dict[int, bytes]) -> None:
    ends = Ends()
    ends.sessions()
    parts = greeted(ends)
    m2 = decode_part(M2, parts.far.answer(changed_m1(parts, optional=optional)))
    assert (m2.code, m2.optional) == (ErrorCode.OK, {})
    assert not ends.hub.rewound


def test_a_refusal_under_another_key_makes_nobody_catch_up() -> None:
    ends = Ends()
    parts = greeted(ends)
    parts.m2 = parts.far.answer(parts.m1)
    near, _ = both(ends)
    before = state(near)
    field = {NEXT_FIELD: (5 * WIN).to_bytes(8, "big")}
    forged = changed_m2(parts, code=int(ErrorCode.REWIND), optional=field)
    with pytest.raises(TagError):
        parts.near.answer(forged[:-1] + bytes([forged[-1] ^ 1]))
    assert state(near) == before
    with pytest.raises(HandshakeRefusedError):
        parts.near.answer(forged)
    assert near.peer.told == 4 * WIN
