"""Wrapped pieces, byte by byte: what a session wraps and opens is what the vectors say."""

from __future__ import annotations

from typing import Any

import pytest

from dsked.errors import FrameError, TagError
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.wire.additions import Additions, Cipher
from dsked.wire.handshake import SessionKeys
from dsked.wire.session import Session
from dsked.wire.wrapping import Wrapper
from tests.proto.files import GivenStream, cases, load

ERRORS = {"FRAME": FrameError, "TAG": TagError}
END = 1 << 40


def wrapper(side: Side) -> Wrapper:
    """Of the side that sends or receives what `side` says, with the keys of frames.json's session."""
    one = next(frame for frame in load("frames")["frames"] if frame["direction"] == side.value.decode())
    [wrap] = of(side, "wraps")
    nonce, hash_key = bytes.fromhex(one["receiver_nonce"]), bytes.fromhex(one["hash_key"])
    store = GivenStream(wrap["position"], bytes.fromhex(wrap["pool_bytes"]), END)
    local = OwnerPool(bytes(16), store, None, start=wrap["position"])
    peer = ReceiverPool(bytes(16), store, None, start=wrap["position"])
    peer.durable = peer.told = 65_536  # what the vectors' frames tell
    keys = SessionKeys(nonce, hash_key, nonce, hash_key)
    session = Session(side, Streams(local, peer), keys, 4096, additions=Additions(Cipher.CHACHA20_POLY1305))
    session._receive_prefix = session._send_prefix
    return Wrapper(session)


def of(side: Side, what: str) -> list[dict[str, Any]]:
    return [case for case in load("wrapped")[what] if case["direction"] == side.value.decode()]


@pytest.mark.parametrize("side", list(Side))
def test_wrap_and_what_follows_it(side: Side) -> None:
    sender, receiver = wrapper(side), wrapper(side)
    [told], said = of(side, "wraps"), of(side, "pieces")
    frames = [bytes.fromhex(case["frame"]) for case in said]
    wrap, *pieces = sender.seal_all(iter(frames))
    assert wrap.hex() == told["frame"]
    assert [piece.hex() for piece in pieces] == [case["piece"] for case in said]
    receiver.begin(bytes.fromhex(told["frame"]))
    assert [receiver.open(piece) for piece in pieces] == frames


@pytest.mark.parametrize("case", **cases("wrapped", "refused"))
def test_refused(case: dict[str, Any]) -> None:
    receiver = wrapper(Side.CLIENT)
    receiver.begin(bytes.fromhex(of(Side.CLIENT, "wraps")[0]["frame"]))
    first, second, *_ = of(Side.CLIENT, "pieces")
    receiver.open(bytes.fromhex(first["piece"]))
    with pytest.raises(ERRORS[case["result"]]):
        receiver.open(bytes.fromhex(case["piece"]))
    assert receiver.open(bytes.fromhex(second["piece"])) == bytes.fromhex(second["frame"])
