"""The control socket's messages as the server has them: requests decoded in one go, replies encoded.

A request is a msgpack array [op, request ID, arguments]; its class follows from the op.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from dsked.delivery.control_protocol import MAX_REQUEST_ID, Op, as_frame
from dsked.errors import FrameError, RequestError
from dsked.limits import UUID_BYTES

_OPERATIONS = frozenset(map(int, Op))
_RequestId = Annotated[int, msgspec.Meta(ge=0, le=MAX_REQUEST_ID)]


class _Array(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An array of exactly these fields."""


class KeysWanted(_Array):
    responders: list[str]
    number: int
    size_bits: int | None
    as_encryptor: str | None


class KeysById(_Array):
    initiator: str
    key_ids: list[bytes]
    as_encryptor: str | None


class Encryptor(_Array):
    encryptor: str


class Bundle(_Array):
    bundle: Annotated[bytes, msgspec.Meta(min_length=UUID_BYTES, max_length=UUID_BYTES)]


class Nothing(_Array):
    pass


class Page(_Array):
    first: Annotated[int, msgspec.Meta(ge=0, le=MAX_REQUEST_ID)] = 0


class GetKeys(_Array, tag=int(Op.GET_KEYS)):
    request_id: _RequestId
    args: KeysWanted


class GetKeysById(_Array, tag=int(Op.GET_KEYS_BY_ID)):
    request_id: _RequestId
    args: KeysById


class Status(_Array, tag=int(Op.STATUS)):
    request_id: _RequestId
    args: Page


class Stop(_Array, tag=int(Op.STOP)):
    request_id: _RequestId
    args: Nothing


class Locate(_Array, tag=int(Op.LOCATE)):
    request_id: _RequestId
    args: Encryptor


class Adopt(_Array, tag=int(Op.ADOPT)):
    request_id: _RequestId
    args: Bundle


class Drain(_Array, tag=int(Op.DRAIN)):
    request_id: _RequestId
    args: Nothing


class _Outline(_Array):
    """Any request, whatever its arguments: to answer one that is wrong."""

    op: int
    request_id: _RequestId
    args: msgspec.Raw


Request = GetKeys | GetKeysById | Status | Stop | Locate | Adopt | Drain
decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_outline = msgspec.msgpack.Decoder(_Outline).decode
_encode = msgspec.msgpack.Encoder().encode

#: What msgspec raises for bytes that are not what was declared.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def fault(frame: bytes, error: Exception) -> tuple[int, RequestError]:
    """Request ID of, and what is wrong with, a request whose decoding raised `error`.

    Raises FrameError where not even its outline is understood.
    """
    try:
        outline = _decode_outline(frame)
    except DECODE_ERRORS:
        raise FrameError("a request is not understood: are both of the same version?") from None
    if outline.op not in _OPERATIONS:
        return outline.request_id, RequestError(f"there is no operation {outline.op}")
    return outline.request_id, RequestError(f"the request's arguments are wrong: {error}")


def encode_reply(request_id: int, code: int, result: object) -> bytes:
    """A reply as a frame. Raises FrameError where it is over the limit."""
    return as_frame(_encode((request_id, code, result)))
