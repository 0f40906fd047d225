"""ETSI GS QKD 014 V1.1.1: key delivery to encryptors over HTTP, on the client's port.

Over plain HTTP the caller names itself, and whoever reaches the port may act for any encryptor of the
client: that is for laboratories, on loopback (http_server.py refuses other addresses).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from dsked.delivery import etsi_messages as messages
from dsked.delivery.browsers import demand_own_site
from dsked.delivery.docs_page import DocsPage
from dsked.delivery.http_reply import Reply, ReplyHead
from dsked.delivery.http_server import Handler
from dsked.delivery.service import KeyService
from dsked.errors import DskedError, NotAllowedError, NotOwnerError, RequestError
from dsked.limits import HTTP_REQUEST_TIMEOUT_S, MAX_HTTP_BODY_BYTES

_log = logging.getLogger(__name__)

#: Finds out which SAE is calling. Raises NotAllowedError where that cannot be told.
Identify = Callable[[web.BaseRequest], str]

_Done = Callable[[Any], None]
_Render = Callable[[Any], bytes]  # the reply's body, out of what the service gave

_API = "/api/v1/keys/"
_HEADERS = CIMultiDict({"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "dsked"})
_HEAD = ReplyHead(_HEADERS)
#: Headers that a status calls for: a challenge (RFC 9110, 15.5.2), and when to try again.
_STATUS_HEADERS = {401: {"WWW-Authenticate": "SAE-ID"}, 503: {"Retry-After": "1"}}


def caller_of_authorization(service: KeyService) -> Identify:
    """Identity over plain HTTP: the whole value of `Authorization`, else the client's only encryptor."""

    def identify(request: web.BaseRequest) -> str:
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


def create_app(service: KeyService, identify: Identify) -> Handler:
    """The handler of all requests; the same paths are served under /client/NAME/etsi."""
    return _Api(service, identify).handle


class _Api:
    """The three methods of the standard's clause 5.

    Each asks the key service, which calls `done`, and returns how the reply's body is made of what it gives.
    """

    def __init__(self, service: KeyService, identify: Identify) -> None:
        self._service = service
        self._identify = identify
        self._prefixes = (_API, f"/client/{service.name}/etsi{_API}")
        self._docs = DocsPage(service, identify)

    @cached_property
    def _max_additional(self) -> int:
        return self._service.limits().max_additional_responders

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever becomes of it."""
        try:
            return await self._answer(request)
        except DskedError as error:
            status, body = messages.error_reply(error)
            return _json(body, status)
        except web.HTTPException as error:  # no such path or method, or a page of another site
            headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            return _json(messages.error_document(error.reason), error.status, headers)
        except Exception:
            _log.exception("an HTTP request failed")
            return _json(messages.error_document("internal error: see the KME's log"), 500)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.rel_url.raw_path.startswith(self._prefixes):
            return self._docs.reply(request)
        ask, sae = self._route(request)
        demand_own_site(request)
        caller = self._identify(request)
        body = None
        if request.method == "POST":
            waited = not request.content.is_eof()
            body = await _body(request)
            if waited:  # what says who is calling may have been revoked meanwhile, or have expired
                caller = self._identify(request)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        render = ask(self, request, body, caller, sae, partial(_settle, reply))
        outcome = await reply
        if isinstance(outcome, DskedError):
            raise outcome
        return Reply(_HEAD, render(outcome))

    def _route(self, request: web.BaseRequest) -> tuple[_Ask, str]:
        """The method that a path names, and the SAE ID in it. Raises HTTPNotFound, HTTPMethodNotAllowed."""
        path = request.rel_url.raw_path
        prefix = next((prefix for prefix in self._prefixes if path.startswith(prefix)), None)
        sae, _, name = path[len(prefix or "") :].partition("/")
        asks = _METHODS.get(name)
        if prefix is None or not sae or asks is None:
            raise web.HTTPNotFound
        ask = asks.get(request.method)
        if ask is None:
            raise web.HTTPMethodNotAllowed(request.method, asks)
        return ask, unquote(sae, errors="surrogateescape") if "%" in sae else sae

    def _status(
        self, request: web.BaseRequest, body: bytes | None, master: str, sae: str, done: _Done
    ) -> _Render:
        service, slave = self._service, messages.sae_id(sae, "slave_SAE_ID")
        if master not in service.encryptors:
            raise NotOwnerError(f"SAE {master} is not served by KME {service.name}")
        service.locate(master, slave, done)
        return lambda target: messages.status_document(
            service.name, target, master, slave, service.limits(master, slave)
        )

    def _get_keys(
        self, request: web.BaseRequest, body: bytes | None, caller: str, sae: str, done: _Done
    ) -> _Render:
        slave = messages.sae_id(sae, "slave_SAE_ID")
        if body is None:
            asked = messages.key_request_of_query(_query(request))
        else:
            asked = messages.key_request_of_body(body, self._max_additional)
        self._service.get_keys(caller, [slave, *asked.additional], asked.number, asked.size_bits, done)
        return messages.key_container

    def _get_keys_by_id(
        self, request: web.BaseRequest, body: bytes | None, caller: str, sae: str, done: _Done
    ) -> _Render:
        master = messages.sae_id(sae, "master_SAE_ID")
        if body is None:
            key_ids = messages.key_ids_of_query(_query(request))
        else:
            key_ids = messages.key_ids_of_body(body)
        self._service.get_keys_by_id(caller, master, key_ids, done)
        return messages.key_container


_Ask = Callable[[_Api, web.BaseRequest, bytes | None, str, str, _Done], _Render]
#: By the last part of the path, then by the HTTP method. A HEAD request would make keys and throw them away.
_METHODS: Mapping[str, Mapping[str, _Ask]] = {
    "status": {"GET": _Api._status},
    "enc_keys": {"GET": _Api._get_keys, "POST": _Api._get_keys},
    "dec_keys": {"GET": _Api._get_keys_by_id, "POST": _Api._get_keys_by_id},
}


def _settle(reply: asyncio.Future[Any], outcome: object) -> None:
    if not reply.done():  # cancelled: the server is closing
        reply.set_result(outcome)


def _query(request: web.BaseRequest) -> Mapping[str, list[str]]:
    query = request.rel_url.query
    return {name: query.getall(name) for name in query}


async def _body(request: web.BaseRequest) -> bytes:
    try:
        if request.content.is_eof():  # it has come with the head: nothing is waited for
            return await request.read()
        async with asyncio.timeout(HTTP_REQUEST_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise RequestError(f"the body is not whole after {HTTP_REQUEST_TIMEOUT_S:g} s") from None
    except web.HTTPRequestEntityTooLarge:  # the standard has no 413
        raise RequestError(f"the body has more than {MAX_HTTP_BODY_BYTES} bytes") from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError):
        raise RequestError("the body is not well-formed HTTP, or broke off") from None


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    if status == 200:
        return web.Response(body=body, headers=_HEADERS)
    all_headers = {**_HEADERS, **_STATUS_HEADERS.get(status, {}), **(headers or {})}
    return web.Response(body=body, status=status, headers=all_headers)
