"""The OpenAPI 3.1 description of a client's ETSI GS QKD 014 interface, made out of the limits that hold.

It states what this KME takes, which is more than the standard has: null where a field may be left out, and
one object of extensions in place of a list. Sizes in bits.
"""

from __future__ import annotations

from urllib.parse import quote

from dsked import __version__
from dsked.delivery import openapi_schemas as schemas
from dsked.delivery.openapi_schemas import Json
from dsked.delivery.service import KeyService
from dsked.keys import KeyLimits
from dsked.limits import MAX_ENCRYPTOR_NAME_BYTES, MAX_HTTP_BODY_BYTES

_SECURITY_TLS, _SECURITY_PLAIN = "certificate", "SAE-ID"
_TAG = "Keys"
_STANDARD = "https://www.etsi.org/deliver/etsi_gs/QKD/001_099/014/01.01.01_60/gs_qkd014v010101p.pdf"


def document(service: KeyService, limits: KeyLimits, tls: bool) -> Json:
    """The whole description, as JSON has it. `tls`: callers show certificates."""
    return {
        "openapi": "3.1.0",
        "info": _info(service, tls),
        "externalDocs": {"description": "ETSI GS QKD 014 V1.1.1", "url": _STANDARD},
        "servers": [
            {"url": "/"},
            {"url": f"/client/{quote(service.name)}/etsi", "description": "the same at a longer path"},
        ],
        "security": _security(service, tls),
        "paths": _paths(limits),
        "components": {
            "securitySchemes": _security_schemes(tls),
            "schemas": schemas.all_schemas(limits),
            "responses": schemas.refusals(),
        },
    }


def _info(service: KeyService, tls: bool) -> Json:
    who = (
        "The caller is the SAE that its certificate names."
        if tls
        else "Without TLS the caller names itself: for a laboratory."
    )
    served = ", ".join(service.encryptors) or "none"
    return {
        "title": f"Keys of KME {service.name}",
        "version": __version__,
        "description": (
            f"ETSI GS QKD 014 V1.1.1: key delivery to encryptors (SAEs). {who} SAEs here: {served}. "
            "An SAE asks for new keys under the slave's name (Get key), tells the slave their IDs, and the "
            "slave fetches the same keys under the master's name (Get key with key IDs), each once. "
            "Members and query parameters that are not known are ignored."
        ),
        "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    }


# --- who is calling ---


def _security(service: KeyService, tls: bool) -> list[dict[str, list[str]]]:
    if tls:
        return [{_SECURITY_TLS: []}]
    alone: list[dict[str, list[str]]] = [{}] if len(service.encryptors) == 1 else []
    return [*alone, {_SECURITY_PLAIN: []}]


def _security_schemes(tls: bool) -> Json:
    if tls:
        text = "The client certificate, which gives the calling SAE's ID as the operator has chosen."
        return {_SECURITY_TLS: {"type": "mutualTLS", "description": text}}
    text = "The calling SAE's ID, as the whole value. A KME of one SAE does not need it."
    return {_SECURITY_PLAIN: {"type": "apiKey", "in": "header", "name": "Authorization", "description": text}}


# --- paths ---


def _paths(limits: KeyLimits) -> Json:
    slave = _sae_parameter("slave_SAE_ID", "The SAE that keys are shared with.")
    master = _sae_parameter("master_SAE_ID", "The SAE that asked for the keys.")
    api = "/api/v1/keys/"
    return {
        api + "{slave_SAE_ID}/status": {"parameters": [slave], "get": _get_status()},
        api + "{slave_SAE_ID}/enc_keys": {
            "parameters": [slave],
            "get": _get_key("getKey") | {"parameters": _number_and_size(limits)},
            "post": _get_key("postForKey") | {"requestBody": _key_request_body(limits)},
        },
        api + "{master_SAE_ID}/dec_keys": {
            "parameters": [master],
            "get": _get_key_with_key_ids("getKeyWithKeyID") | {"parameters": [_key_id_parameter()]},
            "post": _get_key_with_key_ids("postForKeyWithKeyIDs") | {"requestBody": _body("KeyIDs")},
        },
    }


def _get_status() -> Json:
    text = "What the KME offers for keys with one slave SAE (clause 5.2)."
    return _operation("getStatus", "Get status", text, "Status")


def _get_key(name: str) -> Json:
    text = "New keys, for the caller and its slaves (clause 5.3)."
    return _operation(name, "Get key", text, "KeyContainer")


def _get_key_with_key_ids(name: str) -> Json:
    text = "Keys that a master SAE asked for and named the caller for, each once (clause 5.4)."
    return _operation(name, "Get key with key IDs", text, "KeyContainer")


def _operation(name: str, summary: str, text: str, reply: str) -> Json:
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in schemas.REFUSALS}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{reply}"}}}
    return {
        "operationId": name,
        "tags": [_TAG],
        "summary": summary,
        "description": text,
        "responses": {"200": {"description": "Done.", "content": content}} | refusals,
    }


def _sae_parameter(name: str, text: str) -> Json:
    text = f"{text} Percent-encoded in the path; at most {MAX_ENCRYPTOR_NAME_BYTES} bytes of UTF-8."
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schemas.sae_id()}


def _number_and_size(limits: KeyLimits) -> list[Json]:
    return [
        {
            "name": "number",
            "in": "query",
            "description": "How many keys.",
            "schema": {"type": "integer"} | schemas.number(limits),
        },
        {
            "name": "size",
            "in": "query",
            "description": f"Bits of each key. {schemas.together()}",
            "schema": {"type": "integer"} | schemas.size(limits),
        },
    ]


def _key_id_parameter() -> Json:
    return {
        "name": "key_ID",
        "in": "query",
        "required": True,
        "description": "The ID of one key; POST takes several.",
        "schema": schemas.key_id(),
    }


def _body(schema: str) -> Json:
    text = f"JSON of at most {MAX_HTTP_BODY_BYTES // 1024} KiB, whatever its Content-Type says."
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"required": True, "description": text, "content": {"application/json": content}}


def _key_request_body(limits: KeyLimits) -> Json:
    body = _body("KeyRequest") | {"required": False}
    body["content"]["application/json"]["example"] = {"number": 1, "size": limits.key_size_bits}
    return body
