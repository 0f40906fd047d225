"""Requests to a client's ETSI GS QKD 014 interface, one connection each."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode

from dsked.cli.errors import NodeNotRunningError
from dsked.config.topology import Client
from dsked.errors import RequestError, ServiceError

_TIMEOUT_S = 10.0
_MAX_REPLY_BYTES = 16 * 1024 * 1024  # the keys of the largest request have 2.7 MiB in base64


def get(client: Client, caller: str, peer: str, resource: str, **parameters: object) -> dict[str, Any]:
    """GET /api/v1/keys/{peer}/{resource} in the name of the encryptor `caller`.

    Parameters that are None are left out. Raises RequestError for a refusal (400, 401),
    ServiceError for any other failure, NodeNotRunningError where nobody listens.
    """
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    path = f"/api/v1/keys/{quote(peer, safe='')}/{resource}" + (f"?{query}" if query else "")
    status, body = _exchange(client, path, caller)
    reply = _json_object(body)
    if status == 200 and reply is not None:
        return reply
    message = reply.get("message") if reply else None
    if not isinstance(message, str):
        message = f"an answer with HTTP status {status} that is not understood"
    message = ": ".join(dict.fromkeys([message, *_reasons(reply)]))  # a reason may be the message again
    error = RequestError if 400 <= status < 500 else ServiceError
    raise error(f"client {client.name} port {client.port}: {message}")


def _exchange(client: Client, path: str, caller: str) -> tuple[int, bytes]:
    where = f"client {client.name} on {client.host} port {client.port}"
    connection = http.client.HTTPConnection(client.host, client.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Authorization": caller.encode(), "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(_MAX_REPLY_BYTES)
    except ConnectionRefusedError:
        raise NodeNotRunningError(f"{where} is not running") from None
    except TimeoutError:
        raise ServiceError(f"{where} did not answer within {_TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk of size -1
        raise ServiceError(f"{where}: {error or type(error).__name__}") from None
    finally:
        connection.close()


def _reasons(reply: dict[str, Any] | None) -> list[str]:
    """What the details of an error say (clause 6.5): objects of one text each."""
    details = reply.get("details") if reply else None
    entries = [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    return [text for entry in entries for text in entry.values() if isinstance(text, str)]


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None
