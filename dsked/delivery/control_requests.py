"""The requests of the control socket, as msgpack has them: an array [op, request ID, arguments]."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dsked.limits import UUID_BYTES


class Request(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    op: int
    request_id: int
    args: msgspec.Raw


class GetKeys(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    responders: list[str]
    number: int
    size_bits: int | None
    as_encryptor: str | None


class GetKeysById(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    initiator: str
    key_ids: list[bytes]
    as_encryptor: str | None


class Locate(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    encryptor: str


class Adopt(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    bundle: Annotated[bytes, msgspec.Meta(min_length=UUID_BYTES, max_length=UUID_BYTES)]


class NoArgs(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    pass


decode_request = msgspec.msgpack.Decoder(Request).decode
decode_get_keys = msgspec.msgpack.Decoder(GetKeys).decode
decode_get_keys_by_id = msgspec.msgpack.Decoder(GetKeysById).decode
decode_locate = msgspec.msgpack.Decoder(Locate).decode
decode_adopt = msgspec.msgpack.Decoder(Adopt).decode
decode_no_args = msgspec.msgpack.Decoder(NoArgs).decode

#: What msgspec raises for bytes that are not what was declared.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
