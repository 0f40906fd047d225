"""An HTTP server for one handler, with limits on connections and on how long they may say nothing.

aiohttp's server without its application, router and middlewares: those cost as much as all the rest.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from aiohttp import HttpVersion11, web

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import ConfigurationError
from dsked.limits import (
    HTTP_KEEPALIVE_S,
    HTTP_LINGER_S,
    HTTP_PATIENCE_S,
    HTTP_REQUEST_TIMEOUT_S,
    MAX_HTTP_BODY_BYTES,
    SHUTDOWN_GRACE_S,
)
from dsked.sockets import Acceptor, listen

_log = logging.getLogger(__name__)

#: Answers a request, and never raises.
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BUSY_BODY = b'{"message":"too many connections"}'
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Retry-After: 1\r\n"
    b"Connection: close\r\n"
    b"\r\n%s"
) % (len(_BUSY_BODY), _BUSY_BODY)


class HttpServer:
    """Serves `handler` over plain HTTP, on a loopback address only. Made in a running event loop."""

    def __init__(self, handler: Handler, limits: Limits = DEFAULT_LIMITS) -> None:
        self._handler = handler
        self._max_connections = limits.max_http_connections
        self._loop = asyncio.get_running_loop()
        server = web.Server(
            self._serve,
            request_factory=partial(web.BaseRequest, loop=self._loop, client_max_size=MAX_HTTP_BODY_BYTES),
            access_log=None,
            logger=_ClientFaults(_log),
            keepalive_timeout=HTTP_KEEPALIVE_S,
            lingering_time=HTTP_LINGER_S,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_GRACE_S)
        self._acceptor: Acceptor | None = None
        #: Connections that have not sent a whole request head yet, and when they are cut off.
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        # Every connection stands in one of these two; what was closed to make room, in neither.
        self._waiting: dict[asyncio.BaseProtocol, None] = {}  # no request is under way; oldest first
        self._busy: dict[asyncio.BaseProtocol, float] = {}  # since when a request is; oldest first

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ConfigurationError where the address is not loopback or cannot be had."""
        _demand_loopback(host)
        await self._runner.setup()
        try:
            sockets = await listen(host, port)
        except OSError as error:
            await self._runner.cleanup()
            reason = os.strerror(error.errno) if error.errno else error.strerror
            raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}") from None
        self._acceptor = Acceptor(sockets, lambda: _Connection(self), self._make_room)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._acceptor is not None
        return self._acceptor.port

    async def close(self) -> None:
        """Stop listening, let requests finish for SHUTDOWN_GRACE_S, and close every connection."""
        if self._acceptor is not None:
            await self._acceptor.close()
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def admit(self) -> web.RequestHandler | None:
        """What handles a connection that is there; None where it is one too many."""
        server = self._runner.server
        nr_connections = len(self._waiting) + len(self._busy)
        if server is None or (nr_connections >= self._max_connections and not self._make_room()):
            return None
        handler = server()
        self._silent[handler] = self._loop.call_later(HTTP_REQUEST_TIMEOUT_S, self._cut_off, handler)
        self._waiting[handler] = None
        return handler

    def lost(self, handler: web.RequestHandler) -> None:
        """The connection is gone. A request that is under way counts until it is done."""
        self._speaks(handler)
        self._waiting.pop(handler, None)

    def _speaks(self, handler: asyncio.BaseProtocol) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _make_room(self) -> bool:
        """The connection that has been without a request for longest goes; or one that takes far too long."""
        handler = next(iter(self._waiting), None) or self._slowest()
        if handler is None:
            return False
        self._waiting.pop(handler, None)
        self._busy.pop(handler, None)
        _abort(handler)
        return True

    def _slowest(self) -> asyncio.BaseProtocol | None:
        handler, begun = next(iter(self._busy.items()), (None, 0.0))
        return handler if begun <= self._loop.time() - HTTP_PATIENCE_S else None

    def _cut_off(self, handler: asyncio.BaseProtocol) -> None:
        del self._silent[handler]
        _abort(handler)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if self._silent:
            self._speaks(connection)
        self._waiting.pop(connection, None)
        self._busy[connection] = self._loop.time()
        try:
            if "Expect" in request.headers:
                await _say_continue(request)
            return await self._handler(request)
        finally:
            if self._busy.pop(connection, None) is not None and connection.transport is not None:
                self._waiting[connection] = None


async def _say_continue(request: web.BaseRequest) -> None:
    """The one expectation that there is (RFC 9110, 10.1.1): the body comes when it is asked for."""
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the reply has not begun


def _abort(handler: asyncio.BaseProtocol) -> None:
    transport = cast(web.RequestHandler, handler).transport
    if transport is not None:
        transport.abort()


class _ClientFaults(logging.LoggerAdapter[logging.Logger]):
    """Notes in one line at level debug what aiohttp would log with a traceback.

    Applications answer their own faults, so that what reaches aiohttp's log is what clients sent.
    """

    def exception(self, msg: object, *args: object, exc_info: object = None, **options: object) -> None:
        self.debug(f"{msg}: %s", *args, type(exc_info).__name__)


class _Connection(asyncio.Protocol):
    """aiohttp's handler of a connection, whose end the server is told of; one too many is answered here."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._handler: web.RequestHandler | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._handler = self._server.admit()
        if self._handler is not None:
            self._handler.connection_made(transport)
            return
        transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        transport.write(_BUSY)
        transport.close()

    def data_received(self, data: bytes) -> None:
        if self._handler is not None:
            self._handler.data_received(data)

    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._handler is not None:
            self._handler.connection_lost(exc)
            self._server.lost(self._handler)


def _demand_loopback(host: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ConfigurationError(
            f"plain HTTP is for loopback only, and {host} is not: expected 127.0.0.1, ::1 or localhost"
        )
