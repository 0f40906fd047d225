"""An HTTP server for one handler, with limits on connections and on how long they may say nothing.

aiohttp's server without its application, router and middlewares: those cost as much as all the rest.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from aiohttp import HttpVersion11, web

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.delivery import bad_http
from dsked.delivery.connections import Connections
from dsked.delivery.handshakes import Handshakes
from dsked.errors import ConfigurationError, NotAllowedError
from dsked.limits import (
    HTTP_KEEPALIVE_S,
    HTTP_LINGER_S,
    HTTP_PATIENCE_S,
    HTTP_REQUEST_TIMEOUT_S,
    MAX_HTTP_BODY_BYTES,
    TLS_STRANGERS_FRACTION,
)
from dsked.sockets import Acceptor, listen

if TYPE_CHECKING:  # loads cryptography's X.509
    from dsked.delivery.tls import Tls, TlsConnection

_log = logging.getLogger(__name__)

#: Answers a request, and never raises.
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: aiohttp waits for ever where it is to wait for 0 s.
_AT_ONCE_S = 0.001

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


def _anybody(_sae_id: str) -> bool:
    """No certificate that verifies is a stranger's."""
    return True


class HttpServer:
    """Serves `handler` over mutual TLS, or over plain HTTP. Made in a running event loop.

    Over TLS a part of the connections is for strangers: handshakes, and who has shown no certificate of a
    caller whom `serves` knows. They push each other out, and nobody else.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits = DEFAULT_LIMITS,
        tls: Tls | None = None,
        insecure: bool = False,
        serves: Callable[[str], bool] = _anybody,
    ) -> None:
        """Without `tls` it listens on loopback only, unless `insecure`."""
        self._handler = handler
        self._anywhere = tls is not None or insecure
        self._serves = serves
        self._tls = tls
        self.replies: Counter[int] = Counter()  # by HTTP status
        self._loop = asyncio.get_running_loop()
        server = bad_http.Server(
            self._serve,
            request_factory=partial(
                web.BaseRequest if tls is None else _TlsRequest,
                loop=self._loop,
                client_max_size=MAX_HTTP_BODY_BYTES,
            ),
            access_log=None,
            logger=_ClientFaults(_log),
            keepalive_timeout=HTTP_KEEPALIVE_S,
            lingering_time=HTTP_LINGER_S,
        )
        self._runner = web.ServerRunner(server)
        self._grace_s = limits.shutdown_grace_s
        self._acceptor: Acceptor | None = None
        self._handshakes: Handshakes | None = None
        if tls is not None:
            self._handshakes = Handshakes(tls.context, self._make_room_for_stranger, tls.too_slow)
        #: Connections that have not sent a whole request head yet, and when they are cut off.
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        # Every connection stands in one of these two; what was closed to make room, in neither.
        known, strangers = self._most(limits)
        self._known = Connections(known, HTTP_PATIENCE_S)
        self._strangers = Connections(strangers, patience_s=0.0)  # all that they get is a 401

    def _most(self, limits: Limits) -> tuple[int, int]:
        """Connections of those whom we know, and of strangers, that there may be."""
        most, strangers = limits.max_http_connections, 0
        if self._handshakes is not None:
            strangers = max(1, most // TLS_STRANGERS_FRACTION)
        return max(1, most - strangers), strangers

    def use_limits(self, limits: Limits) -> None:
        """What is open stays."""
        self._grace_s = limits.shutdown_grace_s
        self._known.most, self._strangers.most = self._most(limits)

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ConfigurationError for an address that must be loopback, or cannot be had."""
        if not self._anywhere:
            _demand_loopback(host)
        await self._runner.setup()
        try:
            sockets = await listen(host, port)
        except OSError as error:
            await self._runner.cleanup()
            reason = os.strerror(error.errno) if error.errno else error.strerror
            raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}") from None
        connect = None if self._handshakes is None else self._handshakes.connect
        self._acceptor = Acceptor(sockets, lambda: _Connection(self), self._give_up_one, connect=connect)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._acceptor is not None
        return self._acceptor.port

    @property
    def nr_connections(self) -> int:
        """Connections that are served; those that still shake hands are not counted."""
        return len(self._known) + len(self._strangers)

    @property
    def nr_failed_handshakes(self) -> int:
        """TLS handshakes that failed; 0 without TLS."""
        return self._tls.nr_failed_handshakes if self._tls is not None else 0

    async def close(self) -> None:
        """Stop listening, let requests finish for shutdown_grace_s, and close every connection."""
        if self._handshakes is not None:
            self._handshakes.close()
        if self._acceptor is not None:
            await self._acceptor.close()
        server = self._runner.server
        if server is not None:
            await asyncio.sleep(0)  # requests that have come are begun
            server.pre_shutdown()
            await server.shutdown(max(self._grace_s, _AT_ONCE_S))
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def admit(self, transport: asyncio.BaseTransport) -> web.RequestHandler | None:
        """What handles a connection that is there; None where it is one too many."""
        server = self._runner.server
        if server is None:
            return None
        known = self._handshakes is None or self._knows(transport)
        if not (self._make_room() if known else self._make_room_for_stranger(0)):
            return None
        handler = server()
        self._silent[handler] = self._loop.call_later(HTTP_REQUEST_TIMEOUT_S, self._cut_off, handler)
        (self._known if known else self._strangers).add(handler)
        return handler

    def _knows(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the certificate is one of a caller who is served."""
        try:
            return self._serves(cast("TlsConnection", transport.get_extra_info("ssl_object")).caller())
        except NotAllowedError:
            return False

    def lost(self, handler: web.RequestHandler) -> None:
        """The connection is gone. A request that is under way counts until it is done."""
        self._speaks(handler)
        self._known.lost(handler)
        self._strangers.lost(handler)

    def _speaks(self, handler: asyncio.BaseProtocol) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _make_room(self) -> bool:
        """Whether there is room for one more who is known; an idle one may have to go for it."""
        return len(self._known) < self._known.most or self._give_up(self._known)

    def _make_room_for_stranger(self, nr_handshakes: int) -> bool:
        """Whether there is room for one more beside so many handshakes; another stranger may have to go."""
        strangers = self._strangers
        return len(strangers) + nr_handshakes < strangers.most or self._give_up(strangers)

    def _give_up_one(self) -> None:
        """No descriptor is left. Strangers alone can bring that about over TLS, and they alone go."""
        if self._handshakes is None:
            self._give_up(self._known)
        elif not self._give_up(self._strangers):
            self._handshakes.cut_oldest()

    def _give_up(self, connections: Connections) -> bool:
        handler = connections.least(self._loop.time())
        if handler is not None:
            _abort(handler)
        return handler is not None

    def _cut_off(self, handler: asyncio.BaseProtocol) -> None:
        del self._silent[handler]
        _abort(handler)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if self._silent:
            self._speaks(connection)
        connections = self._strangers if connection in self._strangers else self._known
        connections.begin(connection, self._loop.time())
        try:
            if "Expect" in request.headers:
                await _say_continue(request)
            reply = await self._handler(request)
            self.replies[reply.status] += 1
            return reply
        finally:
            connections.end(connection, connection.transport is not None)


class _TlsRequest(web.BaseRequest):
    """The last request over a connection whose certificate is to be verified anew says so in its reply."""

    _stays: bool | None = None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays; what the reply's head has said holds."""
        if self._stays is None:
            connection = cast("TlsConnection", self.get_extra_info("ssl_object"))
            self._stays = connection is not None and connection.may_stay and super().keep_alive
        return self._stays


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
        self._handler = self._server.admit(transport)
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
