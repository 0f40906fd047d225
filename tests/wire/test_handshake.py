"""The handshake: both roles, over media and simulated pools, and every way in which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac
from dsked.errors import (
    DskedError,
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    PeerError,
    PoolExhaustedError,
    StorageError,
    TagError,
    WindowError,
)
from dsked.limits import HANDSHAKE_PAD_BYTES, MAX_HANDSHAKE_BYTES, MIN_FRAME_PAD_BYTES
from dsked.psrd.pair import NO_BOOT, RESTORED, Pair, Promises, Side, Streams
from dsked.psrd.store import in_memory
from dsked.wire import handshake, handshake_hub
from dsked.wire.handshake import M0, M1, M2, M3, M4, NEXT_FIELD, Flag, decode_part, encode_part
from dsked.wire.messages import Error

from ..psrd.stores import DiskStream
from .sides import GATE, SIZE, WIN, Ends, Parts, flips, state

OTHER = b"?" * 16


def both(ends: Ends) -> tuple[Streams, Streams]:
    """(the client's, the hub's) streams."""
    assert ends.client.streams is not None and ends.hub.streams is not None
    return ends.client.streams, ends.hub.streams


def signed(part: M1 | M2, transcript: bytes, **changes: Any) -> bytes:
    """The message with other fields, under a right MAC: as one who knows the gate key can send it."""
    raw = encode_part(msgspec.structs.replace(part, **changes))[:-GATE_MAC_BYTES]
    return raw + gate_mac(GATE, type(part).__name__.encode(), transcript + raw)


def changed_m1(parts: Parts, **changes: Any) -> bytes:
    return signed(decode_part(M1, parts.m1), parts.m0, **changes)


def changed_m2(parts: Parts, **changes: Any) -> bytes:
    return signed(decode_part(M2, parts.m2), parts.m0 + parts.m1, **changes)


def greeted(ends: Ends) -> Parts:
    """M1 is made, and not delivered yet."""
    parts = ends.machines()
    parts.m0 = parts.far.greeting()
    parts.m1 = parts.near.greet(parts.m0)
    return parts


def answered(ends: Ends) -> Parts:
    """M2 is made, and not delivered yet."""
    parts = greeted(ends)
    parts.m2 = parts.far.answer(parts.m1)
    return parts


# --- it works ---


@pytest.mark.parametrize("simulated", [False, True])
def test_both_ends_have_the_same_keys_and_streams(simulated: bool) -> None:
    ends = Ends(simulated=simulated)
    parts = ends.proof()
    m4, hub_keys = parts.far.verify(parts.m3)
    client_keys = parts.near.finish(m4)
    assert (client_keys.send_nonce, client_keys.send_hash_key) == (
        hub_keys.receive_nonce,
        hub_keys.receive_hash_key,
    )
    assert (hub_keys.send_nonce, hub_keys.send_hash_key) == (
        client_keys.receive_nonce,
        client_keys.receive_hash_key,
    )
    assert client_keys.send_hash_key != hub_keys.send_hash_key
    near, far = both(ends)
    assert (near.local.stream_id, near.peer.stream_id) == (far.peer.stream_id, far.local.stream_id)
    assert near.local.next == far.peer.mark
    assert far.local.next == near.peer.mark
    assert near.local.held_end == far.peer.end
    assert ends.client.had_session and ends.hub.had_session
    assert parts.far.client_boot_id == ends.boot_id
    assert (ends.client.proved_boot, ends.hub.proved_boot) == (ends.hub_boot_id, ends.boot_id)
    assert max(map(len, (parts.m0, parts.m1, parts.m2, parts.m3, m4))) <= MAX_HANDSHAKE_BYTES + 4


def test_names_of_64_bytes_fit_into_m1() -> None:
    ends = Ends()
    ends.client.client, ends.client.hub = "c" * 64, "h" * 64
    parts = ends.machines()
    assert len(parts.near.greet(parts.far.greeting())) <= MAX_HANDSHAKE_BYTES + 4


def test_keys_are_not_shown() -> None:
    ends = Ends()
    parts = ends.proof()
    _, keys = parts.far.verify(parts.m3)
    shown = repr(keys) + repr(parts.near) + repr(parts.far)
    for secret in (GATE, keys.send_hash_key, keys.receive_hash_key, ends.dummy_key):
        assert repr(secret)[2:-1] not in shown


def test_media_sessions_begin_where_the_rule_says() -> None:
    """First a window beyond the mark that the peer tells; then, by two that know each other, at the next."""
    ends = Ends()
    near, far = both(ends)
    ends.sessions()
    assert (near.local.next, far.local.next) == (48 + WIN + 48, 48 + WIN + 48)
    client, hub = ends.sessions()
    assert near.local.next == 48 + WIN + 2 * 48
    client.send(1, Error(0, ""))
    for frame in client.seal_ready():
        hub.open(frame)
    before = far.local.next
    ends.sessions()
    assert far.local.next == before + 48


def test_simulated_sessions_begin_at_the_next_position_once_streams_are_there() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    near, far = both(ends)
    assert (near.local.next, far.local.next) == (48, 48)
    ends.sessions()
    assert both(ends) == (near, far)
    assert (near.local.next, far.local.next) == (96, 96)


# --- who proved itself last ---


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


# --- simulated streams are begun anew ---


def _client_restarts(ends: Ends) -> None:
    ends.client = Pair("carol", "hank", Side.CLIENT, GATE, True)


def _hub_restarts(ends: Ends) -> None:
    ends.hub = Pair("carol", "hank", Side.HUB, GATE, True)


def _client_says_just_started(ends: Ends) -> None:
    ends.client.had_session = False


def _client_runs_short(ends: Ends) -> None:
    near, _ = both(ends)
    near.local.allocate(near.local.unused - 95)


def _hub_runs_short(ends: Ends) -> None:
    _, far = both(ends)
    far.local.allocate(far.local.unused - 95)


def _client_is_ahead_of_the_hub(ends: Ends) -> None:
    near, far = both(ends)
    near.peer.advance(far.local.next + 1)


def _hub_used_bytes_of_a_lost_block(ends: Ends) -> None:
    _, far = both(ends)
    far.local.store.append(bytes(16), bytes(1000))
    far.local.held_end = far.local.store.end
    far.local.allocate(far.local.unused - 500)


def _other_streams(ends: Ends) -> None:
    near, _ = both(ends)
    near.local.stream_id = b"?" * 16


@pytest.mark.parametrize(
    "happens",
    [
        _client_restarts, _hub_restarts, _client_says_just_started, _client_runs_short, _hub_runs_short,
        _client_is_ahead_of_the_hub, _hub_used_bytes_of_a_lost_block, _other_streams,
    ],
)  # fmt: skip
def test_simulated_streams_are_begun_anew_when_in_doubt(happens: Callable[[Ends], None]) -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    old = both(ends)
    happens(ends)
    client, hub = ends.sessions()
    near, far = both(ends)
    assert near is not old[0] and far is not old[1]
    assert {near.local.stream_id, near.peer.stream_id}.isdisjoint(
        {old[1].local.stream_id, old[1].peer.stream_id}
    )
    client.send(1, Error(0, "it works"))
    assert [hub.open(frame) for frame in client.seal_ready()] == [(1, Error(0, "it works"))]


def test_a_hub_that_is_ahead_of_a_simulated_client_is_begun_anew_at_the_next_try() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    near, far = both(ends)
    far.peer.advance(near.local.next + 1)
    with pytest.raises(HandshakeRefusedError) as refused:
        ends.hello()
    assert refused.value.refusal == ErrorCode.REWIND
    ends.sessions()
    assert both(ends)[0] is not near
    assert ends.client.rewound


def test_new_streams_stand_only_once_m3_has_verified() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    old = both(ends)
    _client_says_just_started(ends)
    parts = ends.proof()
    assert both(ends) == old
    parts.far.verify(parts.m3)
    assert ends.hub.streams is parts.far.streams is not old[1]
    assert ends.client.streams is old[0]


# --- outsiders: silence, and nothing changes ---


def hub_state(ends: Ends) -> tuple[object, ...]:
    assert ends.hub.streams is not None
    return (*state(ends.hub.streams), ends.hub.had_session, ends.hub.rewound)


def client_state(ends: Ends) -> tuple[object, ...]:
    assert ends.client.streams is not None
    return (*state(ends.client.streams), ends.client.had_session, ends.client.rewound)


def test_every_flipped_bit_of_m0_or_m1_gets_silence() -> None:
    ends = Ends()
    parts = greeted(ends)
    before = hub_state(ends)
    for m1 in flips(parts.m1):
        with pytest.raises(PeerError):
            parts.far.answer(m1)
        assert parts.far.pair is None
    assert hub_state(ends) == before
    for m0 in flips(parts.m0):
        try:
            m1 = ends.machines().near.greet(m0)
        except PeerError:
            continue
        with pytest.raises(TagError):
            parts.far.answer(m1)
    assert hub_state(ends) == before


def test_every_flipped_bit_of_m2_m3_or_m4_is_refused_and_changes_nothing() -> None:
    ends = Ends()
    parts = answered(ends)
    before = client_state(ends)
    for m2 in flips(parts.m2):
        with pytest.raises(PeerError):
            parts.near.answer(m2)
    assert client_state(ends) == before
    parts.near.answer(parts.m2)
    m3 = parts.near.prove()
    before = hub_state(ends)
    for changed in flips(m3):
        with pytest.raises(PeerError):
            parts.far.verify(changed)
    assert hub_state(ends) == before
    m4, _ = parts.far.verify(m3)
    before = client_state(ends)
    for changed in flips(m4):
        with pytest.raises(PeerError):
            parts.near.finish(changed)
    assert client_state(ends) == before
    parts.near.finish(m4)


def test_every_truncation_is_refused() -> None:
    ends = Ends()
    parts = ends.proof()
    m4, _ = parts.far.verify(parts.m3)
    for kind, raw in ((M0, parts.m0), (M1, parts.m1), (M2, parts.m2), (M3, parts.m3), (M4, m4)):
        assert encode_part(decode_part(kind, raw)) == raw
        for length in range(4, len(raw)):
            with pytest.raises(FrameError):
                decode_part(kind, (length - 4).to_bytes(4, "big") + raw[4:length])
        with pytest.raises(FrameError):
            decode_part(kind, raw + b"\0")


def test_an_unknown_client_and_a_wrong_gate_key_look_the_same() -> None:
    errors = []
    for name, gate_key in (("carol", b"?" * 32), ("nobody", GATE), ("nobody", b"?" * 32)):
        ends = Ends()
        before = hub_state(ends)
        ends.client.client, ends.client.gate_key = name, gate_key
        parts = greeted(ends)
        with pytest.raises(TagError) as refused:
            parts.far.answer(parts.m1)
        errors.append((type(refused.value), str(refused.value)))
        assert hub_state(ends) == before
        assert parts.far.pair is None
    assert len(set(errors)) == 1


def test_an_unknown_name_is_checked_against_the_dummy_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work for every name; and even one who knew the dummy key would get nothing."""
    ends = Ends()
    ends.client.client, ends.client.gate_key = "nobody", ends.dummy_key
    parts = greeted(ends)
    keys = []
    verify = handshake_hub.verify_gate_mac
    monkeypatch.setattr(
        handshake_hub, "verify_gate_mac", lambda key, *rest: keys.append(key) or verify(key, *rest)
    )
    with pytest.raises(TagError):
        parts.far.answer(parts.m1)
    assert keys == [ends.dummy_key]


def test_messages_of_another_connection_are_refused() -> None:
    ends = Ends()
    first, second = greeted(ends), greeted(ends)
    with pytest.raises(TagError):
        second.far.answer(first.m1)  # another Nh
    m2 = first.far.answer(first.m1)
    second.far.answer(second.m1)
    with pytest.raises(TagError):
        second.near.answer(m2)
    third, fourth = ends.proof(), ends.proof()
    before = hub_state(ends)
    with pytest.raises(TagError):
        fourth.far.verify(third.m3)
    assert hub_state(ends) == before


def test_a_message_does_not_pass_for_another_or_for_its_own_senders() -> None:
    ends = Ends()
    parts = answered(ends)
    for raw in (parts.m0, parts.m1, parts.m2):
        with pytest.raises(FrameError):
            parts.far.verify(raw)
    with pytest.raises(FrameError):
        parts.near.answer(parts.m1)
    with pytest.raises(FrameError):
        parts.near.finish(parts.m2)


# --- refusals that the peer may read ---


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 2}, ErrorCode.VERSION),
        ({"hub": "helen"}, ErrorCode.WRONG_HUB),
        ({"flags": int(Flag.SIMULATED | Flag.JUST_STARTED)}, ErrorCode.PSRD_MODE),
    ],
)
def test_the_hub_refuses_with_a_reason_under_the_gate_key(changes: dict[str, Any], code: ErrorCode) -> None:
    ends = Ends()
    parts = greeted(ends)
    before = hub_state(ends)
    m1 = changed_m1(parts, **changes)
    m2 = parts.far.answer(m1)
    assert parts.far.refusal == code
    assert hub_state(ends) == before
    parts.near._transcript = parts.m0 + m1
    with pytest.raises(HandshakeRefusedError) as refused:
        parts.near.answer(m2)
    assert refused.value.refusal == code
    assert str(refused.value)
    parts.near._transcript = parts.m0 + m1
    for changed in flips(m2, step=7):
        with pytest.raises((TagError, FrameError)):
            parts.near.answer(changed)


@pytest.mark.parametrize("which", ["client_stream", "hub_stream"])
def test_media_streams_that_differ_are_refused_with_a_reason(which: str) -> None:
    ends = Ends()
    near, _ = both(ends)
    pool = near.local if which == "client_stream" else near.peer
    pool.stream_id = b"?" * 16
    with pytest.raises(HandshakeRefusedError) as refused:
        ends.hello()
    assert refused.value.refusal == ErrorCode.STREAM_UNKNOWN


def test_media_without_streams_is_refused_with_a_reason() -> None:
    for missing in ("client", "hub"):
        ends = Ends()
        (ends.client if missing == "client" else ends.hub).streams = None
        with pytest.raises(HandshakeRefusedError) as refused:
            ends.hello()
        assert refused.value.refusal == ErrorCode.STREAM_UNKNOWN


@pytest.mark.parametrize("simulated", [False, True])
def test_sides_of_different_psrd_modes_refuse_each_other(simulated: bool) -> None:
    ends = Ends(simulated=simulated)
    ends.hub.simulated = not simulated
    with pytest.raises(HandshakeRefusedError) as refused:
        ends.hello()
    assert refused.value.refusal == ErrorCode.PSRD_MODE


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"version": 2}, HandshakeRefusedError, ErrorCode.VERSION),
        ({"flags": int(Flag.SIMULATED)}, HandshakeRefusedError, ErrorCode.PSRD_MODE),
        ({"flags": int(Flag.BEGIN_ANEW)}, HandshakeRefusedError, ErrorCode.PSRD_MODE),
        (
            {"holdings": handshake.Holdings(OTHER, OTHER, 0, 0, 0, 0)},
            HandshakeRefusedError,
            ErrorCode.STREAM_UNKNOWN,
        ),
        ({"code": 200, "reason": "a later refusal"}, HandshakeRefusedError, 200),
        ({"max_pads": MIN_FRAME_PAD_BYTES - 1}, FrameError, None),
    ],
)
def test_the_client_refuses_what_no_honest_hub_answers(
    changes: dict[str, Any], error: type[Exception], code: int | None
) -> None:
    ends = Ends()
    parts = answered(ends)
    before = client_state(ends)
    with pytest.raises(error) as refused:
        parts.near.answer(changed_m2(parts, **changes))
    assert getattr(refused.value, "refusal", None) == code
    assert client_state(ends) == before


@pytest.mark.parametrize(
    ("magic", "versions", "error"),
    [("DSKE", [2, 3], HandshakeRefusedError), ("HTTP", [1], FrameError), ("DSKE", [], FrameError)],
)
def test_the_client_greets_only_a_hub_of_its_version(
    magic: str, versions: list[int], error: type[Exception]
) -> None:
    ends = Ends()
    before = client_state(ends)
    with pytest.raises(error):
        ends.machines().near.greet(encode_part(M0(magic, versions, bytes(16))))
    assert client_state(ends) == before


def test_a_hub_of_a_later_version_that_still_speaks_this_one_is_greeted() -> None:
    ends = Ends()
    assert ends.machines().near.greet(encode_part(M0("DSKE", [2, 1], bytes(16))))


def test_optional_fields_of_a_later_version_are_ignored() -> None:
    parts = greeted(Ends())
    parts.m2 = parts.far.answer(changed_m1(parts, optional={7: b"later"}))
    assert parts.far.refusal is None
    parts = answered(Ends())
    parts.near.answer(changed_m2(parts, optional={2**32 - 1: b""}))


def test_too_small_a_limit_of_pads_is_refused() -> None:
    parts = greeted(Ends())
    with pytest.raises(FrameError):
        parts.far.answer(changed_m1(parts, max_pads=MIN_FRAME_PAD_BYTES - 1))
    parts.far.answer(changed_m1(parts, max_pads=MIN_FRAME_PAD_BYTES))
    assert parts.far.max_pads == MIN_FRAME_PAD_BYTES


# --- positions ---


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
