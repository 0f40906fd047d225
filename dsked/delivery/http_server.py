"""An HTTP server for one application, with limits on connections and on how long they may say nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import ConfigurationError
from dsked.limits import (
    HTTP_KEEPALIVE_S,
    HTTP_LINGER_S,
    HTTP_PATIENCE_S,
    HTTP_REQUEST_TIMEOUT_S,
    SHUTDOWN_GRACE_S,
)
from dsked.sockets import Acceptor, listen

_log = logging.getLogger(__name__)

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
    """Serves `app` over plain HTTP, on a loopback address only."""

    def __init__(self, app: web.Application, limits: Limits = DEFAULT_LIMITS) -> None:
        app.middlewares.insert(0, self._spoke)
        self._max_connections = limits.max_http_connections
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_ClientFaults(_log),
            handle_signals=False,
            keepalive_timeout=HTTP_KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_GRACE_S,
            lingering_time=HTTP_LINGER_S,
        )
        self._acceptor: Acceptor | None = None
        #: Connections that have not sent a whole request head yet, and when they are cut off.
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._waiting: dict[asyncio.BaseProtocol, None] = {}  # no request is under way; oldest first
        self._busy: dict[asyncio.BaseProtocol, float] = {}  # since when a request is
        self._leaving: set[asyncio.BaseProtocol] = set()  # closed to make room, and not gone yet

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
        self._acceptor = Acceptor(sockets, self._connection, self._make_room)

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

    def _connection(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None:
            return _Busy()
        self._forget_lost(set(server.connections))
        if len(server.connections) - len(self._leaving) >= self._max_connections and not self._make_room():
            return _Busy()
        handler = server()
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(HTTP_REQUEST_TIMEOUT_S, self._cut_off, handler)
        self._waiting[handler] = None
        return handler

    def _forget_lost(self, present: set[web.RequestHandler]) -> None:
        """aiohttp does not tell that a connection is gone. What has not spoken may not even be made yet."""
        self._leaving &= present
        for handler in [one for one in self._waiting if one not in present and one not in self._silent]:
            del self._waiting[handler]

    def _make_room(self) -> bool:
        """The connection that has been without a request for longest goes; or one that takes far too long."""
        since = asyncio.get_running_loop().time() - HTTP_PATIENCE_S
        slow = (handler for handler, begun in self._busy.items() if begun <= since)
        handler = next(iter(self._waiting), None) or next(slow, None)
        if handler is None:
            return False
        self._waiting.pop(handler, None)
        self._busy.pop(handler, None)
        self._leaving.add(handler)
        _abort(handler)
        return True

    def _cut_off(self, handler: asyncio.BaseProtocol) -> None:
        del self._silent[handler]
        _abort(handler)

    @web.middleware
    async def _spoke(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        connection = request.protocol
        timer = self._silent.pop(connection, None)
        if timer is not None:
            timer.cancel()
        self._waiting.pop(connection, None)
        self._busy[connection] = asyncio.get_running_loop().time()
        try:
            return await handler(request)
        finally:
            if self._busy.pop(connection, None) is not None:
                self._waiting[connection] = None


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


class _Busy(asyncio.Protocol):
    """Answers a connection too many, and closes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        transport.write(_BUSY)
        transport.close()


def _demand_loopback(host: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ConfigurationError(
            f"plain HTTP is for loopback only, and {host} is not: expected 127.0.0.1, ::1 or localhost"
        )
