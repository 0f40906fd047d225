"""Refusals that the peer may read, and what is refused of it."""

from __future__ import annotations

from typing import Any

import pytest

from dsked.errors import (
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    TagError,
)
from dsked.limits import MIN_FRAME_PAD_BYTES
from dsked.wire import handshake
from dsked.wire.handshake import M0, Flag, encode_part

from .handshakes import (
    OTHER,
    answered,
    both,
    changed_m1,
    changed_m2,
    client_state,
    greeted,
    hub_state,
)
from .sides import Ends, flips


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
