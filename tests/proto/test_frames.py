"""dsked seals, opens and refuses frames as the vectors say."""

from __future__ import annotations

from typing import Any

import pytest

from dsked.errors import FrameError, PeerError, ReplayError, TagError, WindowError
from dsked.limits import MASK_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.wire import messages
from dsked.wire.additions import Additions
from dsked.wire.gate import Sealer
from dsked.wire.handshake import SessionKeys
from dsked.wire.local_identifiers import LocalIdentifiers
from dsked.wire.messages import SEALED_TYPES, MessageType, Names, Unknown, decode_body, encode_body
from dsked.wire.session import Session
from tests.proto.files import GivenStream, cases, load

STREAM = bytes(16)
ERRORS: dict[str, type[PeerError]] = {
    "FRAME": FrameError,
    "TAG": TagError,
    "REPLAY": ReplayError,
    "WINDOW": WindowError,
}


def session(side: Side, case: dict[str, Any], streams: Streams) -> Session:
    nonce, hash_key = bytes.fromhex(case["receiver_nonce"]), bytes.fromhex(case["hash_key"])
    keys = SessionKeys(nonce, hash_key, nonce, hash_key)
    return Session(side, streams, keys, max_pads=256 * 1024, additions=Additions(local_identifiers=True))


def message_of(case: dict[str, Any]) -> messages.Message:
    return decode_body(case["type"], bytes.fromhex(case["plain_body"]))


def names_before(case: dict[str, Any]) -> list[Names]:
    """What the hub has said of identifiers before this frame."""
    earlier = load("frames")["frames"]
    said = [message_of(one) for one in earlier[: earlier.index(case)] if one["type"] == MessageType.NAMES]
    return [names for names in said if isinstance(names, Names)]


def identifiers(case: dict[str, Any]) -> LocalIdentifiers:
    table = LocalIdentifiers()
    for names in names_before(case):
        table.define(names)
    return table


def test_there_are_vectors_with_identifiers() -> None:
    changed = {case["type"] for case in load("frames")["frames"] if names_before(case)}
    assert changed >= {
        MessageType.PING, MessageType.PUT_SHARES, MessageType.GET_SHARES, MessageType.SHARES,
        MessageType.LOCATED,
    }  # fmt: skip


def test_every_message_has_vectors() -> None:
    tagged = {case["type"] for case in load("frames")["frames"]}
    sealed = {case["type"] for case in load("sealed")["frames"]}
    wrap = {MessageType.WRAP}  # stands in sessions.json: its pads belong to no bin of the body
    assert set(MessageType) - SEALED_TYPES - wrap <= tagged
    assert sealed == SEALED_TYPES


@pytest.mark.parametrize("case", **cases("frames", "frames"))
def test_sealing(case: dict[str, Any]) -> None:
    if case["type"] not in set(MessageType):
        return
    side, start, pool = Side(case["direction"].encode()), case["position"], bytes.fromhex(case["pool_bytes"])
    store = GivenStream(start, pool, start + len(pool))
    owner = OwnerPool(STREAM, store, window=None, start=start)
    owner.held_end = store.end
    receiver = ReceiverPool(STREAM, GivenStream(0, b"", 0), window=None)
    receiver.durable = case["ack"]
    sender = session(side, case, Streams(owner, receiver))
    for names in names_before(case):
        sender.define(names)
    message = message_of(case)
    identifiers(case).resolve(message)
    sender.send(case["request_id"], message)
    assert [frame.hex() for frame in sender.seal_ready()] == [case["frame"]]
    assert store.wiped_to == owner.next == store.end


@pytest.mark.parametrize("case", **cases("frames", "frames"))
def test_opening(case: dict[str, Any]) -> None:
    side, start, pool = Side(case["direction"].encode()), case["position"], bytes.fromhex(case["pool_bytes"])
    store = GivenStream(start, pool, start + len(pool))
    streams = Streams(
        OwnerPool(STREAM, GivenStream(0, b"", 0), window=16384),
        ReceiverPool(STREAM, store, window=None, start=start),
    )
    receiver = session(side.other, case, streams)
    for names in names_before(case):
        receiver.define(names)
    request_id, message = receiver.open(bytes.fromhex(case["frame"]))
    assert request_id == case["request_id"]
    assert streams.local.acked == case["ack"]
    assert streams.peer.mark == store.wiped_to == store.end
    if isinstance(message, Unknown):
        assert message.kind == case["type"]
    else:
        assert encode_body(identifiers(case).shorten(message)).hex() == case["plain_body"]


@pytest.mark.parametrize("case", **cases("refused_frames", "frames"))
def test_refusing(case: dict[str, Any]) -> None:
    store = GivenStream(case["pool_position"], bytes.fromhex(case["pool_bytes"]), case["end"])
    window = case["window_bytes"]
    receiver = ReceiverPool(STREAM, store, window, start=case["mark"])
    receiver.told = case["window_end"] - window
    owner = OwnerPool(STREAM, GivenStream(0, b"", 0), window)
    hub = session(Side.HUB, case, Streams(owner, receiver))
    frame = bytes.fromhex(case["frame"])
    if case["result"] == "OK":
        hub.open(frame)
    else:
        with pytest.raises(ERRORS[case["result"]]):
            hub.open(frame)
    assert receiver.mark == case["mark_after"]


def test_sealed_frames() -> None:
    document = load("sealed")
    gate_key, hub_nonce, client_nonce = (
        bytes.fromhex(document[name]) for name in ("gate_key", "hub_nonce", "client_nonce")
    )
    ends = {side: Sealer(side, gate_key, hub_nonce, client_nonce) for side in Side}
    for case in document["frames"]:
        sender = Side(case["direction"].encode())
        assert ends[sender].seal(case["request_id"], message_of(case)).hex() == case["frame"]
        request_id, message = ends[sender.other].open(bytes.fromhex(case["frame"]))
        assert request_id == case["request_id"]
        assert encode_body(message).hex() == case["plain_body"]


def test_a_sealed_frame_out_of_order_is_refused() -> None:
    document = load("sealed")
    hub = Sealer(
        Side.HUB, *(bytes.fromhex(document[name]) for name in ("gate_key", "hub_nonce", "client_nonce"))
    )
    second = [case for case in document["frames"] if case["direction"] == "C"][1]
    with pytest.raises(TagError):
        hub.open(bytes.fromhex(second["frame"]))


def test_pads_are_counted() -> None:
    for case in load("frames")["frames"]:
        assert len(case["pool_bytes"]) // 2 == MASK_BYTES + case["pads"]
