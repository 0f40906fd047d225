"""ETSI GS QKD 014 V1.1.1: what its messages hold, apart from how they travel.

The standard's words here: KME is this client, SAE an encryptor, master the initiator, slave a responder.
Of what a client sends, fields and query parameters that are not known are ignored, since real clients
send their own, and null counts as absent. All JSON that goes out is compact: some clients search it as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from dsked.errors import (
    HTTP_STATUS,
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    DskedError,
    ErrorCode,
    RequestError,
)
from dsked.keys import Key, KeyLimits
from dsked.limits import MAX_ENCRYPTOR_NAME_BYTES

# Messages that the standard words itself.
KEYS_NOT_FOUND = "one or more keys specified are not found on KME"
SIZE_NOT_BYTES = "size shall be a multiple of 8"
MANDATORY_UNSUPPORTED = "not all extension_mandatory parameters are supported"

_MAX_DIGITS = 18  # of an integer in a query; what is longer fits no size
_INTEGER = re.compile(rf"-?[0-9]{{1,{_MAX_DIGITS}}}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_QUOTED_CHARACTERS = 64  # of what a client sent, in a message about it

_Body = TypeVar("_Body")


class KeyRequest(NamedTuple):
    """What Get key asks for. `size_bits` None: the default size."""

    number: int
    size_bits: int | None


class _KeyRequestBody(msgspec.Struct):  # clause 6.2
    number: int | None = None
    size: int | None = None
    additional_slave_SAE_IDs: list[str] | None = None
    extension_mandatory: list[Any] | dict[str, Any] | None = None


class _KeyId(msgspec.Struct):  # clause 6.4
    key_ID: str


class _KeyIdsBody(msgspec.Struct):
    key_IDs: list[_KeyId]


class _KeyEntry(msgspec.Struct):  # clause 6.3
    key_ID: str
    key: bytes  # base64 in JSON


_key_request_body = msgspec.json.Decoder(_KeyRequestBody)
_key_ids_body = msgspec.json.Decoder(_KeyIdsBody)


# --- in ---


def sae_id(text: str, field: str) -> str:
    """`text` as an SAE ID. Raises RequestError where no encryptor can have that name."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate: bytes that were no UTF-8
        length = 0
    if not 1 <= length <= MAX_ENCRYPTOR_NAME_BYTES or _CONTROL_CHARACTER.search(text):
        raise RequestError(
            f"{field}: expected 1 to {MAX_ENCRYPTOR_NAME_BYTES} bytes of UTF-8 without control characters"
        )
    return text


def key_request_of_query(query: Mapping[str, Sequence[str]]) -> KeyRequest:
    """Get key's parameters from a GET's query. Raises BadNumberError or BadKeySizeError."""
    number = _integer(query, "number", BadNumberError)
    return _key_request(number, _integer(query, "size", BadKeySizeError))


def key_request_of_body(body: bytes) -> KeyRequest:
    """Get key's parameters from a POST's body, which may be empty. Raises a RequestError."""
    request = _decoded(_key_request_body, body or b"{}")
    if request.extension_mandatory:
        raise RequestError(MANDATORY_UNSUPPORTED)
    if request.additional_slave_SAE_IDs:
        raise RequestError("additional_slave_SAE_IDs: not supported (max_SAE_ID_count is 0)")
    return _key_request(request.number, request.size)


def key_ids_of_query(query: Mapping[str, Sequence[str]]) -> list[bytes]:
    """Get key with key IDs' one key ID from a GET's query. Raises BadKeyIdError."""
    values = query.get("key_ID", ())
    if len(values) != 1:
        raise BadKeyIdError(f"key_ID: expected exactly one, not {len(values)}; POST takes several")
    return [_key_id(values[0])]


def key_ids_of_body(body: bytes) -> list[bytes]:
    """Get key with key IDs' key IDs from a POST's body. Raises a RequestError."""
    return [_key_id(entry.key_ID) for entry in _decoded(_key_ids_body, body).key_IDs]


def _key_request(number: int | None, size_bits: int | None) -> KeyRequest:
    if size_bits is not None and size_bits % 8:
        raise BadKeySizeError(SIZE_NOT_BYTES)
    return KeyRequest(1 if number is None else number, size_bits)


def _integer(
    query: Mapping[str, Sequence[str]], field: str, error: type[BadNumberError | BadKeySizeError]
) -> int | None:
    values = query.get(field, ())
    if not values:
        return None
    if len(values) > 1:
        raise error(f"{field}: expected once, not {len(values)} times")
    if not _INTEGER.fullmatch(values[0]):
        raise error(f"{field}: expected an integer of at most {_MAX_DIGITS} digits, not {_quoted(values[0])}")
    return int(values[0])


def _key_id(text: str) -> bytes:
    if not _UUID.fullmatch(text):
        raise BadKeyIdError(f"key_ID: expected a UUID, not {_quoted(text)}")
    return bytes.fromhex(text.replace("-", ""))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "...")


def _decoded(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:  # names the place, such as $.number, and never a value
        raise RequestError(f"the body is not as ETSI GS QKD 014 has it: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RequestError("the body is not JSON") from None


# --- out ---


def status_document(
    source_kme: str, target_kme: str, master_sae: str, slave_sae: str, limits: KeyLimits
) -> bytes:
    """The reply to Get status (clause 6.1). Sizes in bits."""
    return msgspec.json.encode(
        {
            "source_KME_ID": source_kme,
            "target_KME_ID": target_kme,
            "master_SAE_ID": master_sae,
            "slave_SAE_ID": slave_sae,
            "key_size": limits.key_size_bits,
            "stored_key_count": limits.stored_key_count,
            "max_key_count": limits.max_key_count,
            "max_key_per_request": limits.max_keys_per_request,
            "max_key_size": limits.max_key_size_bits,
            "min_key_size": limits.min_key_size_bits,
            "max_SAE_ID_count": 0,
        }
    )


def key_container(keys: Sequence[Key]) -> bytes:
    """The reply to Get key and Get key with key IDs (clause 6.3)."""
    return msgspec.json.encode({"keys": [_KeyEntry(_uuid_text(key_id), key) for key_id, key in keys]})


def _uuid_text(value: bytes) -> str:
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def error_document(message: str, reason: str | None = None) -> bytes:
    """The reply to a failed request (clause 6.5). `reason` goes into its details."""
    document: dict[str, Any] = {"message": message}
    if reason is not None:
        document["details"] = [{"reason": reason}]
    return msgspec.json.encode(document)


def error_reply(error: DskedError) -> tuple[int, bytes]:
    """HTTP status and body for an error; the standard's message where it has one."""
    status = HTTP_STATUS.get(error.code, 503)
    if error.code in (ErrorCode.UNKNOWN_KEY, ErrorCode.DELIVERED):
        return status, error_document(KEYS_NOT_FOUND, reason=str(error))
    return status, error_document(str(error))
