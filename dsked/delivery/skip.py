"""SKIP (draft-cisco-skip-02): key delivery to encryptors over HTTP, on a port of its own.

Every encryptor has a system ID, under which the draft knows the key provider that stands beside it. Who is
calling is known from the connection: so the local system is chosen, and nobody speaks for another.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web
from multidict import CIMultiDict

from dsked.delivery import skip_messages as messages
from dsked.delivery.browsers import demand_own_site
from dsked.delivery.etsi import Identify
from dsked.delivery.http_reply import Reply, ReplyHead
from dsked.delivery.http_server import Handler
from dsked.delivery.service import KeyService
from dsked.errors import DskedError, EntropyError, RequestError
from dsked.keys import Done, Key, Outcome

_log = logging.getLogger(__name__)

_HEADERS = CIMultiDict({"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "dsked"})
_HEAD = ReplyHead(_HEADERS)
_CHALLENGE = {"WWW-Authenticate": "SKIP-system"}  # RFC 9110, 15.5.2


def create_app(
    service: KeyService,
    identify: Identify,
    system_ids: Mapping[str, str],
    random: Callable[[int], bytes] = os.urandom,
) -> Handler:
    """The handler of all requests. `identify` gives the calling encryptor; `system_ids` are those of all
    encryptors that keys may be shared with, and of this client's own: system ID -> encryptor.
    """
    return _Api(service, identify, system_ids, random).handle


class _Api:
    """The methods of the draft's Table 2."""

    def __init__(
        self,
        service: KeyService,
        identify: Identify,
        system_ids: Mapping[str, str],
        random: Callable[[int], bytes],
    ) -> None:
        self._service = service
        self._identify = identify
        self._encryptors = system_ids
        self._random = random

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever becomes of it."""
        try:
            return Reply(_HEAD, await self._answer(request))
        except DskedError as error:
            status, body = messages.error_reply(error)
            return _failure(status, body, _CHALLENGE if status == 401 else {})
        except web.HTTPException as error:
            headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            return _failure(error.status, messages.error_document(error.reason), headers)
        except Exception:
            _log.exception("a SKIP request failed")
            return _failure(500, messages.error_document("internal error: see the key provider's log"), {})

    async def _answer(self, request: web.BaseRequest) -> bytes:
        """The body of the reply. Raises DskedError, HTTPNotFound, HTTPMethodNotAllowed, HTTPForbidden."""
        path = request.rel_url.raw_path
        wanted = path.removeprefix("/key/") if path.startswith("/key/") else None
        method = _METHODS.get(path) if wanted is None else _Api._key_by_id
        if method is None or wanted == "" or (wanted and "/" in wanted):
            raise web.HTTPNotFound
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        demand_own_site(request)
        return await method(self, request, self._identify(request), wanted or "")

    async def _capabilities(self, _request: web.BaseRequest, caller: str, _wanted: str) -> bytes:
        local = next((system for system, name in self._encryptors.items() if name == caller), caller)
        remotes = [system for system, name in self._encryptors.items() if name != caller]
        return messages.capabilities(local, remotes)

    async def _new_key(self, request: web.BaseRequest, caller: str, _wanted: str) -> bytes:
        query = _query(request)
        responder = self._remote(query, caller)
        size_bits = messages.key_size_bits(query)
        return await _one_key(partial(self._service.get_keys, caller, [responder], 1, size_bits))

    async def _key_by_id(self, request: web.BaseRequest, caller: str, wanted: str) -> bytes:
        key_id = messages.key_id(wanted)
        initiator = self._remote(_query(request), caller)
        return await _one_key(partial(self._service.get_keys_by_id, caller, initiator, [key_id]))

    async def _entropy(self, request: web.BaseRequest, _caller: str, _wanted: str) -> bytes:
        bits = messages.entropy_bits(_query(request))
        try:
            return messages.entropy_document(self._random((bits + 7) // 8))
        except OSError as error:
            raise EntropyError(f"the system's generator failed: {error.strerror}") from None

    def _remote(self, query: Mapping[str, list[str]], caller: str) -> str:
        """The encryptor that the request's remoteSystemID stands for. Raises RequestError."""
        system = messages.remote_system(query)
        encryptor = self._encryptors.get(system)
        if encryptor is None or encryptor == caller:
            raise RequestError(
                f"remoteSystemID: {messages.quoted(system)} is no remote system: GET /capabilities lists them"
            )
        return encryptor


_METHODS: Mapping[str, Callable[[_Api, web.BaseRequest, str, str], Awaitable[bytes]]] = {
    "/capabilities": _Api._capabilities,
    "/key": _Api._new_key,
    "/entropy": _Api._entropy,
}


async def _one_key(ask: Callable[[Done], None]) -> bytes:
    """The reply with the one key that `ask` brings. Nothing of it is kept here. Raises DskedError."""
    reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    ask(partial(_settle, reply))
    outcome = await reply
    if isinstance(outcome, DskedError):
        raise outcome
    [key] = outcome
    return messages.key_document(key)


def _settle(reply: asyncio.Future[Outcome], outcome: list[Key] | DskedError) -> None:
    if not reply.done():  # cancelled: the server is closing
        reply.set_result(outcome)


def _query(request: web.BaseRequest) -> Mapping[str, list[str]]:
    query = request.rel_url.query
    return {name: query.getall(name) for name in query}


def _failure(status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
    return web.Response(body=body, status=status, headers={**_HEADERS, **headers})
