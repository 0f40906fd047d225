"""An HTTP server for one application, with limits on connections and on how long they may say nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from dsked.errors import ConfigurationError
from dsked.limits import (
    HTTP_KEEPALIVE_S,
    HTTP_LINGER_S,
    HTTP_REQUEST_TIMEOUT_S,
    MAX_HTTP_CONNECTIONS,
    SHUTDOWN_GRACE_S,
)

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

    def __init__(self, app: web.Application) -> None:
        app.middlewares.insert(0, self._spoke)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_ClientFaults(_log),
            handle_signals=False,
            keepalive_timeout=HTTP_KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_GRACE_S,
            lingering_time=HTTP_LINGER_S,
        )
        self._server: asyncio.Server | None = None
        #: Connections that have not sent a whole request head yet, and when they are cut off.
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ConfigurationError where the address is not loopback or cannot be had."""
        _demand_loopback(host)
        await self._runner.setup()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connection, host, port, reuse_address=True, backlog=MAX_HTTP_CONNECTIONS
            )
        except OSError as error:
            await self._runner.cleanup()
            reason = os.strerror(error.errno) if error.errno else error.strerror  # asyncio adds an address
            raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}") from None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening, let requests finish for SHUTDOWN_GRACE_S, and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def _connection(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or len(server.connections) >= MAX_HTTP_CONNECTIONS:
            return _Busy()
        handler = server()
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(HTTP_REQUEST_TIMEOUT_S, self._cut_off, handler)
        return handler

    def _cut_off(self, handler: web.RequestHandler) -> None:
        del self._silent[handler]
        if handler.transport is not None:
            handler.transport.abort()

    @web.middleware
    async def _spoke(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)


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
