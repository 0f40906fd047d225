"""ETSI GS QKD 014 V1.1.1: key delivery to encryptors over HTTP, on the client's port.

Over plain HTTP the caller names itself, and whoever reaches the port may act for any encryptor of the
client: that is for laboratories, on loopback (http_server.py refuses other addresses).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from dsked.delivery import etsi_messages as messages
from dsked.delivery.service import KeyService
from dsked.errors import DskedError, NotAllowedError, NotOwnerError, RequestError
from dsked.limits import HTTP_REQUEST_TIMEOUT_S, MAX_HTTP_BODY_BYTES

_log = logging.getLogger(__name__)

#: Finds out which SAE is calling. Raises NotAllowedError where that cannot be told.
Identify = Callable[[web.Request], str]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Result = TypeVar("_Result")

_COMMON_HEADERS = {"Cache-Control": "no-store", "Server": "dsked"}
#: Headers that a status calls for: a challenge (RFC 9110, 15.5.2), and when to try again.
_STATUS_HEADERS = {401: {"WWW-Authenticate": "SAE-ID"}, 503: {"Retry-After": "1"}}


def caller_of_authorization(service: KeyService) -> Identify:
    """Identity over plain HTTP: the whole value of `Authorization`, else the client's only encryptor."""

    def identify(request: web.Request) -> str:
        named = request.headers.get("Authorization")
        if named is not None:
            if not named.strip():
                raise NotAllowedError("the Authorization header is empty: expected the calling SAE's ID")
            return messages.sae_id(named, "Authorization")
        if len(service.encryptors) == 1:
            return service.encryptors[0]
        if not service.encryptors:
            raise NotAllowedError(f"KME {service.name} serves no SAE")
        raise NotAllowedError(
            f"which SAE is calling? KME {service.name} serves {len(service.encryptors)}: "
            "expected an Authorization header whose whole value is the calling SAE's ID"
        )

    return identify


def create_app(service: KeyService, identify: Identify) -> web.Application:
    """The HTTP application; the same routes answer under /client/NAME/etsi."""
    app = web.Application(middlewares=[_errors_as_json], client_max_size=MAX_HTTP_BODY_BYTES)
    api = _Api(service, identify)
    for prefix in ("", f"/client/{service.name}/etsi"):
        keys = prefix + "/api/v1/keys/{sae}"
        # A HEAD request would make keys and throw them away.
        app.router.add_get(f"{keys}/status", api.status, allow_head=False)
        app.router.add_get(f"{keys}/enc_keys", api.get_keys, allow_head=False)
        app.router.add_post(f"{keys}/enc_keys", api.get_keys)
        app.router.add_get(f"{keys}/dec_keys", api.get_keys_by_id, allow_head=False)
        app.router.add_post(f"{keys}/dec_keys", api.get_keys_by_id)
    return app


class _Api:
    """The three methods of the standard's clause 5."""

    def __init__(self, service: KeyService, identify: Identify) -> None:
        self._service = service
        self._identify = identify

    async def status(self, request: web.Request) -> web.Response:
        service = self._service
        master = self._identify(request)
        slave = messages.sae_id(request.match_info["sae"], "slave_SAE_ID")
        if master not in service.encryptors:
            raise NotOwnerError(f"SAE {master} is not served by KME {service.name}")
        target: str = await _outcome(partial(service.locate, master, slave))
        return _json(messages.status_document(service.name, target, master, slave, service.limits()))

    async def get_keys(self, request: web.Request) -> web.Response:
        caller = self._identify(request)
        slave = messages.sae_id(request.match_info["sae"], "slave_SAE_ID")
        if request.method == "GET":
            wanted = messages.key_request_of_query(_query(request))
        else:
            wanted = messages.key_request_of_body(await _body(request))
        ask = partial(self._service.get_keys, caller, [slave], wanted.number, wanted.size_bits)
        return _json(messages.key_container(await _outcome(ask)))

    async def get_keys_by_id(self, request: web.Request) -> web.Response:
        caller = self._identify(request)
        master = messages.sae_id(request.match_info["sae"], "master_SAE_ID")
        if request.method == "GET":
            key_ids = messages.key_ids_of_query(_query(request))
        else:
            key_ids = messages.key_ids_of_body(await _body(request))
        ask = partial(self._service.get_keys_by_id, caller, master, key_ids)
        return _json(messages.key_container(await _outcome(ask)))


async def _outcome(ask: Callable[[Callable[[_Result | DskedError], None]], None]) -> _Result:
    """Wait until the service calls back; raises the error that it tells."""
    future: asyncio.Future[_Result | DskedError] = asyncio.get_running_loop().create_future()

    def done(outcome: _Result | DskedError) -> None:
        if not future.done():  # cancelled: the server is closing
            future.set_result(outcome)

    ask(done)
    outcome = await future
    if isinstance(outcome, DskedError):
        raise outcome
    return outcome


def _query(request: web.Request) -> Mapping[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(HTTP_REQUEST_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason="the body did not arrive in time") from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError):
        raise RequestError("the body is not well-formed HTTP, or broke off") from None


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    all_headers = {**_COMMON_HEADERS, **_STATUS_HEADERS.get(status, {}), **(headers or {})}
    return web.Response(body=body, status=status, content_type="application/json", headers=all_headers)


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except DskedError as error:
        status, body = messages.error_reply(error)
        return _json(body, status)
    except web.HTTPException as error:  # aiohttp's own: no such path or method, body too large
        headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return _json(messages.error_document(error.reason), error.status, headers)
    except Exception:
        _log.exception("an HTTP request failed")
        return _json(messages.error_document("internal error: see the KME's log"), 500)
