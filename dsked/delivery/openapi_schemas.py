"""The schemas of the OpenAPI description: what requests and replies of the ETSI interface hold."""

from __future__ import annotations

from typing import Any

from dsked.delivery import etsi_messages as messages
from dsked.keys import KeyLimits
from dsked.limits import MAX_ENCRYPTOR_NAME_BYTES, MAX_REQUEST_KEY_BYTES

Json = dict[str, Any]

#: Either case is taken, and what is answered has small letters.
_UUID = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

#: JSON Schema has no words for it.
_WHOLE = "Written without a fraction: 8.0 is refused."


def sae_id() -> Json:
    """An SAE ID."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_ENCRYPTOR_NAME_BYTES,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
    }


def number(limits: KeyLimits) -> Json:
    """What `number` may be, apart from its type."""
    return {"minimum": 1, "maximum": limits.max_keys_per_request, "default": 1}


def size(limits: KeyLimits) -> Json:
    """What `size` may be, in bits, apart from its type."""
    return {
        "minimum": limits.min_key_size_bits,
        "maximum": limits.max_key_size_bits,
        "multipleOf": 8,
        "default": limits.key_size_bits,
    }


def together() -> str:
    """The limit that no schema tells: of number times size."""
    return f"The keys of one request have at most {8 * MAX_REQUEST_KEY_BYTES:,} bits together."


def key_id() -> Json:
    """A key's ID."""
    return {"type": "string", "format": "uuid", "pattern": _UUID}


def all_schemas(limits: KeyLimits) -> Json:
    """The schemas that have names."""
    return {
        "Status": _status(),
        "KeyRequest": _key_request(limits),
        "KeyIDs": _key_ids(limits),
        "KeyContainer": _key_container(),
        "Error": _error(),
    }


def _status() -> Json:
    names = ("source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID")
    numbers = {
        "key_size": "Bits of a key where the request does not say.",
        "stored_key_count": "Keys that wait ready for this pair of SAEs.",
        "max_key_count": "As many keys may wait.",
        "max_key_per_request": "The largest number of one request.",
        "max_key_size": "Bits.",
        "min_key_size": "Bits.",
        "max_SAE_ID_count": "Slaves that a request may name beside the one in the path.",
    }
    properties: Json = {name: {"type": "string"} for name in names}
    for name, text in numbers.items():
        properties[name] = {"type": "integer", "minimum": 0, "description": text}
    return _object(properties, "What the KME offers (clause 6.1).", required=properties)


def _key_request(limits: KeyLimits) -> Json:
    objects = {"type": "array", "items": {"type": "object"}}
    properties: Json = {
        "number": {"type": ["integer", "null"], "description": f"How many keys. {_WHOLE}"} | number(limits),
        "size": {"type": ["integer", "null"], "description": f"Bits of each key. {together()} {_WHOLE}"}
        | size(limits),
        "additional_slave_SAE_IDs": {
            "type": ["array", "null"],
            "items": sae_id(),
            "maxItems": limits.max_additional_responders,
            "description": "Slaves beside the one in the path: each gets the same keys.",
        },
        "extension_mandatory": {
            "description": "Parameters that must not be ignored. This KME knows none: only empty ones pass.",
            "anyOf": [
                {"type": "array", "items": {"type": "object", "maxProperties": 0}},
                {"type": "object", "maxProperties": 0},
                {"type": "null"},
            ],
        },
        "extension_optional": {
            "description": "Parameters that may be ignored, and are.",
            "anyOf": [objects, {"type": "object"}, {"type": "null"}],
        },
    }
    return _object(properties, "What Get key asks for (clause 6.2).")


def _key_ids(limits: KeyLimits) -> Json:
    entry = _object({"key_ID": key_id()}, required=["key_ID"])
    ids = {
        "type": "array",
        "items": entry,
        "minItems": 1,
        "maxItems": limits.max_keys_per_request,
        "uniqueItems": True,
    }
    return _object({"key_IDs": ids}, "IDs of keys (clause 6.4).", required=["key_IDs"])


def _key_container() -> Json:
    key = {"type": "string", "contentEncoding": "base64", "description": "The key."}
    entry = _object({"key_ID": key_id(), "key": key}, required=["key_ID", "key"])
    keys = {"type": "array", "items": entry, "minItems": 1}
    return _object({"keys": keys}, "Keys (clause 6.3).", required=["keys"])


def _error() -> Json:
    properties: Json = {
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}, "description": "More about it."},
    }
    return _object(properties, "What was wrong, and what is expected (clause 6.5).", required=["message"])


def _object(properties: Json, description: str = "", required: Any = ()) -> Json:
    schema: Json = {"type": "object", "properties": properties}
    if description:
        schema["description"] = description
    if required:
        schema["required"] = list(required)
    return schema


#: What every method may answer besides 200.
REFUSALS = {
    400: (
        "The request is not as it should be, or a key is not there: the message says which. "
        f"The standard's own: '{messages.KEYS_NOT_FOUND}', '{messages.SIZE_NOT_BYTES}', "
        f"'{messages.MANDATORY_UNSUPPORTED}'."
    ),
    401: "It is not known who calls, or the caller may not have this.",
    403: "A browser asks on behalf of another site's page.",
    503: "Too few hubs answer, random data has run out, or the KME is at a limit: try again later.",
}


def refusals() -> Json:
    """The replies that have names: by status."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses: Json = {
        str(status): {"description": text, "content": content} for status, text in REFUSALS.items()
    }
    responses["401"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    responses["503"]["headers"] = {
        "Retry-After": {"schema": {"type": "string"}, "required": True, "description": "Seconds."}
    }
    return responses
