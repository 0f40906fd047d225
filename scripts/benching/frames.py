"""The messages of one turn between the clients and one hub, as this version of the protocol encodes them.

All that the floor knows of the messages stands here: their bytes, and how many of those are secret.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benching.shape import Shape
from dsked.limits import KEY_ID_BYTES, MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME
from dsked.sharing.shares import code_bytes
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import (
    Confirmed,
    GetGroup,
    GetShares,
    Message,
    PartyBody,
    PutGroup,
    PutShares,
    PutSharesAck,
    ShareGroup,
    Shares,
    encode_body,
)

_KEY_ID = bytes(range(KEY_ID_BYTES))
#: Frames name clients by the identifiers that the hub has given them.
_CAROL: Any = 0
_CURTIS: Any = 1
_INITIATOR, _RESPONDER = PartyBody(_CAROL, "sam"), PartyBody(_CURTIS, "sunny")
_SHARE_TIMEOUT_MS = 60_000
_WAIT_MS = 1000


class Frames(NamedTuple):
    """`number` frames of each of the four kinds, alike: what the keys of one turn make with one hub.

    The others are bytes of one frame; `secret`: those of PUT_SHARES, and again of SHARES, that are padded.
    """

    number: int
    put: int
    put_ack: int
    get: int
    shares: int
    secret: int


def of_turn(shape: Shape) -> Frames:
    """The frames of all requests that are under way at once, coalesced as far as a frame takes them."""
    pad_bytes = shape.key_bytes + code_bytes(shape.terms)
    per_frame = max(min(MAX_KEYS_PER_FRAME, MAX_FRAME_PAD_BYTES // pad_bytes, shape.keys), 1)
    pieces = -(-pad_bytes // MAX_FRAME_PAD_BYTES)  # of a share that is too large for one frame
    messages = _messages(shape, per_frame, -(-shape.key_bytes // pieces))
    secret = sum(map(len, messages[0].secrets()))
    put, put_ack, get, shares = (OVERHEAD_BYTES + len(encode_body(message)) for message in messages)
    return Frames(-(-shape.keys // per_frame) * pieces, put, put_ack, get, shares, secret)


def _messages(shape: Shape, keys: int, share_bytes: int) -> tuple[Message, Message, Message, Message]:
    """The four messages for so many keys, or pieces of `share_bytes` of them. A GET confirms as many."""
    ids, shares, codes = _KEY_ID * keys, bytes(keys * share_bytes), bytes(keys * code_bytes(shape.terms))
    columns = ids, 0, shares, codes
    responders, n, k, key_bytes = [_RESPONDER], shape.hubs, shape.k, shape.key_bytes
    return (
        PutShares([PutGroup(_INITIATOR.encryptor, responders, n, k, _SHARE_TIMEOUT_MS, key_bytes, *columns)]),
        PutSharesAck(bytes(keys)),
        GetShares([GetGroup(_INITIATOR.client, ids, 0)], _WAIT_MS, [Confirmed(_INITIATOR.client, ids)]),
        Shares([ShareGroup(_INITIATOR, responders, n, k, key_bytes, *columns)], []),
    )
