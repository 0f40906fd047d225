"""Outsiders get silence, and change nothing."""

from __future__ import annotations

import pytest

from dsked.errors import (
    FrameError,
    PeerError,
    TagError,
)
from dsked.wire import handshake_hub
from dsked.wire.handshake import M0, M1, M2, M3, M4, decode_part, encode_part

from .handshakes import (
    answered,
    client_state,
    greeted,
    hub_state,
)
from .sides import GATE, Ends, flips


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
