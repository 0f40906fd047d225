"""Requests to a client's ETSI GS QKD 014 interface, one connection each."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import quote, urlencode

from dsked.cli.errors import NodeNotRunningError
from dsked.config import rules
from dsked.config.topology import Client
from dsked.errors import DskedError, RequestError, ServiceError

_TIMEOUT_S = 10.0
#: How a client's port for HTTPS answers plain HTTP (dsked.delivery.tls), and how others do.
_SPEAKS_HTTPS = "this port speaks HTTPS"
_TLS_ALERT = "\x15\x03"  # RFC 8446, section 5.1: type and version of a record
_HTTPS_INSTEAD = "speaks HTTPS, and the topology file says plain HTTP: was it started with another file?"
_MAX_REPLY_BYTES = 16 * 1024 * 1024  # the keys of the largest request have 2.7 MiB in base64


def get(client: Client, caller: str, peer: str, resource: str, **parameters: object) -> dict[str, Any]:
    """GET /api/v1/keys/{peer}/{resource} in the name of the encryptor `caller`.

    Parameters that are None are left out. Raises RequestError for a refusal (400, 401, or a certificate's),
    ServiceError for any other failure, NodeNotRunningError where nobody listens, ConfigurationError
    for the certificates of this encryptor.
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
    if message.startswith(_SPEAKS_HTTPS):
        raise ServiceError(f"{_where(client)} {_HTTPS_INSTEAD}")
    message = ": ".join([message, *_reasons(reply)])
    error = RequestError if 400 <= status < 500 else ServiceError
    raise error(f"client {client.name} port {client.port}: {message}")


def _where(client: Client) -> str:
    return f"client {client.name} on {client.host} port {client.port}"


def _exchange(client: Client, path: str, caller: str) -> tuple[int, bytes]:
    connection, headers = _connection(client, caller)
    try:
        connection.request("GET", path, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(_MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk of size -1
        raise _failure(_where(client), error) from None
    finally:
        connection.close()


def _failure(where: str, error: Exception) -> DskedError:
    """What it means that there was no answer."""
    if isinstance(error, ConnectionRefusedError):
        return NodeNotRunningError(f"{where} is not running")
    if isinstance(error, TimeoutError):
        return ServiceError(f"{where} did not answer within {_TIMEOUT_S:g} s")
    if isinstance(error, ssl.SSLError):
        from dsked.cli import etsi_tls

        return etsi_tls.failure(where, error)
    if isinstance(error, http.client.BadStatusLine) and str(error).startswith(_TLS_ALERT):
        return ServiceError(f"{where} {_HTTPS_INSTEAD}")
    return ServiceError(f"{where}: {error or type(error).__name__}")


def _connection(client: Client, caller: str) -> tuple[http.client.HTTPConnection, dict[str, bytes]]:
    """A connection, and headers that say who calls: over TLS the certificate does."""
    etsi = client.etsi
    if etsi is None or etsi.tls is None:
        plain = http.client.HTTPConnection(_host(client), client.port, timeout=_TIMEOUT_S)
        return plain, {"Authorization": caller.encode()}
    from dsked.cli import etsi_tls  # loads cryptography's X.509

    context = etsi_tls.context(etsi, etsi.tls, caller)
    return http.client.HTTPSConnection(_host(client), client.port, timeout=_TIMEOUT_S, context=context), {}


def _host(client: Client) -> str:
    """Where the client is reached: who listens on all addresses of this host does on loopback as well."""
    return "localhost" if rules.is_wildcard(client.host) else client.host


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
