"""dsked's machines say what the transcripts say, and take it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dsked.errors import ErrorCode, HandshakeRefusedError, PeerError, TagError
from dsked.wire import handshake as hs
from tests.proto.files import cases, load
from tests.proto.playing import Play


def _proof(case: dict[str, Any]) -> Any:
    return pytest.param(case, id=case["name"])


def play_of(number: int) -> Play:
    return Play(load("handshakes")["handshakes"][number])


@pytest.mark.parametrize("case", **cases("handshakes", "handshakes"))
def test_hello(case: dict[str, Any]) -> None:
    play = Play(case)
    play.hello()
    refused = play.m2.code != 0
    assert (play.hub.refusal or 0) == play.m2.code
    if refused:
        play.client.hub_nonce, play.client._transcript = play.m0.nonce, play.raw["M0"] + play.raw["M1"]
        with pytest.raises(HandshakeRefusedError) as caught:
            play.client.answer(play.raw["M2"])
        assert (caught.value.refusal, str(caught.value)) == (play.m2.code, play.m2.reason)
        if play.m2.code == ErrorCode.REWIND:
            assert play.client_pair.streams is not None
            peer = play.client_pair.streams.peer
            assert peer.mark_to_tell + case["window_bytes"] >= case["hub_state"]["own_next"]


@pytest.mark.parametrize(
    "case", [_proof(case) for case in load("handshakes")["handshakes"] if case["hash_keys"] is not None]
)
def test_proofs(case: dict[str, Any]) -> None:
    play = Play(case)
    play.hello()
    play.client.answer(play.raw["M2"])
    assert play.client.wants_blocks == bool(play.m2.flags & hs.Flag.BEGIN_ANEW)
    if play.client.wants_blocks:
        play.deliver_blocks()
        assert not play.client.wants_blocks
    assert play.client.prove() == play.raw["M3"]
    own_m4, hub_keys = play.hub.verify(play.raw["M3"])
    made, told = hs.decode_part(hs.M4, own_m4), play.part("M4", hs.M4)
    assert made.position == told.position
    assert made.ack >= play.part("M3", hs.M3).position + 48  # how far it runs ahead is the hub's own choice
    client_keys = play.client.finish(play.raw["M4"])
    of_client, of_hub = (bytes.fromhex(case["hash_keys"][name]) for name in ("client", "hub"))
    assert client_keys == hs.SessionKeys(play.m0.nonce, of_client, play.m1.nonce, of_hub)
    assert hub_keys == hs.SessionKeys(play.m1.nonce, of_hub, play.m0.nonce, of_client)
    assert play.client.streams is not None and play.hub.streams is not None
    assert play.client.streams.peer.mark == told.position + 48
    assert play.hub.streams.peer.mark == play.client.streams.local.next


@pytest.mark.parametrize("offset", [4, 20, 60, -33, -1])
def test_a_changed_m1_gets_silence(offset: int) -> None:
    play = play_of(1)
    raw = bytearray(play.raw["M1"])
    raw[offset] ^= 1
    play.hub.greeting()
    with pytest.raises(PeerError):
        play.hub.answer(bytes(raw))
    assert play.hub.pair is None


def test_m1_of_another_connection_gets_silence() -> None:
    play = play_of(1)
    play.hub.nonce = bytes(16)
    play.hub.greeting()
    with pytest.raises(TagError):
        play.hub.answer(play.raw["M1"])


def test_an_unknown_client_gets_silence() -> None:
    play = play_of(1)
    play.hub.find_pair = {}.get
    play.hub.greeting()
    with pytest.raises(TagError):
        play.hub.answer(play.raw["M1"])


@pytest.mark.parametrize("name", ["M3", "M4"])
def test_a_wrong_proof_moves_no_mark(name: str) -> None:
    play = play_of(1)
    play.hello()
    play.client.answer(play.raw["M2"])
    play.client.prove()
    wrong = play.raw[name][:-1] + bytes([play.raw[name][-1] ^ 1])
    machine = play.hub if name == "M3" else play.client
    assert machine.streams is not None
    before = machine.streams.peer.mark
    with pytest.raises(TagError):
        play.hub.verify(wrong) if name == "M3" else play.client.finish(wrong)
    assert machine.streams.peer.mark == before


def test_no_part_is_longer_than_its_limit() -> None:
    longest = hs.M1(1, "c" * 64, "h" * 64, bytes(16), bytes(16), bytes(16), 255, hs.Holdings(
        bytes(16), bytes(16), *[2**64 - 1] * 4), 2**32 - 1, {1: bytes(8)}, bytes(32))  # fmt: skip
    assert len(msgspec.msgpack.encode(longest)) < 512
