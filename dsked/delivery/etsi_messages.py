"""ETSI GS QKD 014 V1.1.1: what its messages hold, apart from how they travel.

The standard's words here: KME is this client, SAE an encryptor, master the initiator, slave a responder.
Of what a client sends, fields and query parameters that are not known are ignored, since real clients
send their own, and null counts as absent. All JSON that goes out is compact: some clients search it as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from dsked.delivery.json_bodies import decoded, quoted, refuse_repetition
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
_UNKNOWN = "a key ID is wrong, or is that of a key which another master SAE made, or which has expired"
SIZE_NOT_BYTES = "size shall be a multiple of 8"
MANDATORY_UNSUPPORTED = "not all extension_mandatory parameters are supported"
#: The same for all keys that a caller may not have: a master's own, and those for which it was not named.
NOT_AUTHORISED = "the calling SAE is not authorised to have one or more of the keys"

_MAX_DIGITS = 18  # of an integer in a query; what is longer fits no size
_INTEGER = re.compile(rf"-?[0-9]{{1,{_MAX_DIGITS}}}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Extensions that an error names, of those that a client demands.
_MAX_NAMED_EXTENSIONS = 8
_BODY_ONLY = ("additional_slave_SAE_IDs", "extension_mandatory")


class KeyRequest(NamedTuple):
    """What Get key asks for. `size_bits` None: the default size. `additional`: slaves beside the first."""

    number: int
    size_bits: int | None
    additional: tuple[str, ...] = ()


class ExtensionsError(RequestError):
    """Extensions are demanded, and this KME has none."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(MANDATORY_UNSUPPORTED)
        self.names = names


_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # so that no message about it is long
_Extensions = (
    list[dict[str, Any]] | dict[str, Any]
)  # the standard has the first; some clients send the second


class _KeyRequestBody(msgspec.Struct):  # clause 6.2
    number: _Integer | None = None
    size: _Integer | None = None
    additional_slave_SAE_IDs: list[str] | None = None
    extension_mandatory: _Extensions | None = None
    extension_optional: _Extensions | None = None  # may be ignored, and is


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
    """Get key's parameters from a GET's query. Raises a RequestError.

    What asks for more than GET can do is no unknown parameter: ignored, it would be taken for granted.
    """
    for field in _BODY_ONLY:
        if any(query.get(field, ())):
            raise RequestError(f"{field}: expected in the body of a POST; a GET has number and size alone")
    number = _integer(query, "number", BadNumberError)
    return _key_request(number, _integer(query, "size", BadKeySizeError))


def key_request_of_body(body: bytes, max_additional: int) -> KeyRequest:
    """Get key's parameters from a POST's body, which may be empty. Raises a RequestError."""
    if not body:
        return _key_request(None, None)
    request = decoded(_key_request_body, body)
    fields = msgspec.structs.astuple(request)
    refuse_repetition(body, len(fields) - fields.count(None))
    demanded = _names(request.extension_mandatory)
    if demanded:
        raise ExtensionsError(demanded)
    additional = request.additional_slave_SAE_IDs or ()
    if len(additional) > max_additional:
        raise RequestError(
            f"additional_slave_SAE_IDs: expected at most {max_additional} (max_SAE_ID_count), "
            f"not {len(additional)}"
        )
    for name in additional:
        sae_id(name, "additional_slave_SAE_IDs")
    return _key_request(request.number, request.size, tuple(additional))


def _names(extensions: _Extensions | None) -> list[str]:
    """The names of extension parameters, in order."""
    if not extensions:
        return []
    objects = [extensions] if isinstance(extensions, dict) else extensions
    return [name for parameters in objects for name in parameters]


def key_ids_of_query(query: Mapping[str, Sequence[str]]) -> list[bytes]:
    """Get key with key IDs' one key ID from a GET's query. Raises BadKeyIdError."""
    values = query.get("key_ID", ())
    if len(values) != 1:
        raise BadKeyIdError(f"key_ID: expected exactly one, not {len(values)}; POST takes several")
    return [_key_id(values[0])]


def key_ids_of_body(body: bytes) -> list[bytes]:
    """Get key with key IDs' key IDs from a POST's body. Raises a RequestError."""
    if not body:
        raise RequestError("the body is empty: expected JSON with key_IDs")
    entries = decoded(_key_ids_body, body).key_IDs
    refuse_repetition(body, 1 + len(entries))
    return [_key_id(entry.key_ID) for entry in entries]


def _key_request(number: int | None, size_bits: int | None, additional: tuple[str, ...] = ()) -> KeyRequest:
    if size_bits is not None and size_bits % 8:
        raise BadKeySizeError(SIZE_NOT_BYTES)
    return KeyRequest(1 if number is None else number, size_bits, additional)


def _integer(
    query: Mapping[str, Sequence[str]], field: str, error: type[BadNumberError | BadKeySizeError]
) -> int | None:
    values = query.get(field, ())
    if not values:
        return None
    if len(values) > 1:
        raise error(f"{field}: expected once, not {len(values)} times")
    if not _INTEGER.fullmatch(values[0]):
        raise error(f"{field}: expected an integer of at most {_MAX_DIGITS} digits, not {quoted(values[0])}")
    return int(values[0])


def _key_id(text: str) -> bytes:
    if not _UUID.fullmatch(text):
        raise BadKeyIdError(f"key_ID: expected a UUID, not {quoted(text)}")
    return bytes.fromhex(text.replace("-", ""))


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
            "max_SAE_ID_count": limits.max_additional_responders,
        }
    )


def key_container(keys: Sequence[Key]) -> bytes:
    """The reply to Get key and Get key with key IDs (clause 6.3)."""
    return msgspec.json.encode({"keys": [_KeyEntry(_uuid_text(key_id), key) for key_id, key in keys]})


def _uuid_text(value: bytes) -> str:
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def error_document(message: str, details: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The reply to a failed request (clause 6.5)."""
    if details:
        return msgspec.json.encode({"message": message, "details": details})
    return msgspec.json.encode({"message": message})


def error_reply(error: DskedError) -> tuple[int, bytes]:
    """HTTP status and body for an error; the standard's message where it has one."""
    status = HTTP_STATUS.get(error.code, 503)
    if error.code in (ErrorCode.UNKNOWN_KEY, ErrorCode.DELIVERED):
        said = str(error)
        return status, error_document(
            KEYS_NOT_FOUND, [{"reason": _UNKNOWN if said == KEYS_NOT_FOUND else said}]
        )
    if error.code == ErrorCode.NOT_NAMED:
        return status, error_document(NOT_AUTHORISED)
    if isinstance(error, ExtensionsError):
        return status, error_document(
            str(error), [_unsupported(name) for name in error.names[:_MAX_NAMED_EXTENSIONS]]
        )
    return status, error_document(str(error))


def _unsupported(extension: str) -> dict[str, str]:
    return {"extension_mandatory_unsupported": f"{quoted(extension)} is not supported"}
