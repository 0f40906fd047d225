"""Sealing of simulated PSRD: for one connection, one direction, one order."""

from __future__ import annotations

import copy
import pickle

import pytest

from dsked.errors import FrameError, PeerError, TagError
from dsked.psrd.pair import Side
from dsked.wire.frame import HEADER_BYTES, Header, encode_untagged
from dsked.wire.gate import Sealer
from dsked.wire.messages import PsrdBlock, PsrdRequest

from .sides import GATE, flips

NONCES = (b"h" * 16, b"c" * 16)
REQUEST = PsrdRequest(0, bytes(16), 3, 1000)
BLOCK = PsrdBlock(0, bytes(16), 3, bytes(16), b"pads of the laboratory")


def sealers(key: bytes = GATE, nonces: tuple[bytes, bytes] = NONCES) -> tuple[Sealer, Sealer]:
    """(the client's, the hub's)."""
    return Sealer(Side.CLIENT, key, *nonces), Sealer(Side.HUB, key, *nonces)


def test_both_directions_in_order() -> None:
    client, hub = sealers()
    for number in range(3):
        assert hub.open(client.seal(number, REQUEST)) == (number, REQUEST)
        assert client.open(hub.seal(number, BLOCK)) == (number, BLOCK)


def test_a_sealed_frame_shows_no_pad_and_uses_no_position() -> None:
    _, hub = sealers()
    frame = hub.seal(7, BLOCK)
    assert BLOCK.data not in frame
    assert (
        frame[:HEADER_BYTES] == encode_untagged(Header(9, 7, 0, 0, 0), bytes(len(frame) - 57))[:HEADER_BYTES]
    )
    assert frame[-16:] == bytes(16)


def test_every_flipped_bit_is_refused() -> None:
    client, _ = sealers()
    for frame in flips(client.seal(1, REQUEST)):
        _, hub = sealers()
        with pytest.raises(PeerError):
            hub.open(frame)


@pytest.mark.parametrize("length", [0, 4, HEADER_BYTES, HEADER_BYTES + 18])
def test_a_frame_too_short_to_be_sealed_is_refused(length: int) -> None:
    _, hub = sealers()
    body = bytes(max(length - HEADER_BYTES - 18, 0))
    short = encode_untagged(Header(8, 1, 0, 0, 0), body) + bytes(16)
    with pytest.raises((FrameError, TagError)):
        hub.open(short[:length] if length < HEADER_BYTES else short)


def test_replayed_reordered_reflected_and_foreign_frames_are_refused() -> None:
    client, hub = sealers()
    first, second = client.seal(1, REQUEST), client.seal(2, REQUEST)
    with pytest.raises(TagError):
        sealers()[1].open(second)  # before the first
    hub.open(first)
    with pytest.raises(TagError):
        hub.open(first)
    with pytest.raises(TagError):
        sealers()[0].open(first)  # back to its sender
    for key, nonces in (
        (b"?" * 32, NONCES),
        (GATE, (b"?" * 16, NONCES[1])),
        (GATE, (NONCES[0], b"?" * 16)),
        (GATE, NONCES[::-1]),
    ):
        with pytest.raises(TagError):
            sealers(key, nonces)[1].open(first)


@pytest.mark.parametrize("header", [Header(8, 1, 1, 0, 0), Header(8, 1, 0, 1, 0), Header(8, 1, 0, 0, 1)])
def test_position_pads_and_ack_are_zero(header: Header) -> None:
    frame = sealers()[0].seal(1, REQUEST)
    with pytest.raises(FrameError):
        sealers()[1].open(encode_untagged(header, frame[HEADER_BYTES:-18]) + bytes(16))
    with pytest.raises(FrameError):
        sealers()[1].open(frame[:-1] + b"\1")


def test_keys_of_the_seal_are_not_pickled_or_copied() -> None:
    sealer = Sealer(Side.HUB, bytes(32), bytes(16), bytes(16))
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(sealer._out)
    with pytest.raises(TypeError):
        pickle.dumps(sealer)
