"""One connection to the control socket: requests are decoded, checked against the rules, and answered.

No task and no future per request: the key service calls back when a request is done, and all replies of one
loop turn leave in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

from dsked.delivery.access import AccessRules, LocalUser
from dsked.delivery.control_protocol import FrameBuffer
from dsked.delivery.control_requests import (
    DECODE_ERRORS,
    Adopt,
    Drain,
    GetKeys,
    GetKeysById,
    Locate,
    Request,
    Status,
    Stop,
    decode_request,
    encode_reply,
    fault,
)
from dsked.delivery.service import DeliveryService, KeyService, Node, only_encryptor
from dsked.errors import (
    DskedError,
    ErrorCode,
    FrameError,
    LimitError,
    NotAllowedError,
    ShuttingDownError,
)
from dsked.limits import (
    CONTROL_REQUEST_TIMEOUT_S,
    MAX_CONTROL_REQUEST_BYTES,
    MAX_CONTROL_REQUESTS_IN_FLIGHT,
    MAX_CONTROL_UNREAD_BYTES,
)
from dsked.sockets import TurnReader

_log = logging.getLogger(__name__)
#: Replies of one turn that are collected for one write. Nobody is asked about other connections' for less.
_SMALL_BYTES = 64 * 1024
_OK = int(ErrorCode.OK)


class ControlOwner(Protocol):
    """The server that a connection belongs to."""

    node: Node
    rules: AccessRules
    failures: Counter[ErrorCode]

    def admit(self, connection: ControlConnection) -> None:
        """Count a new connection. Raises DskedError where there are too many."""

    def lost(self, connection: ControlConnection) -> None:
        """The connection is gone."""

    def unread_bytes(self, connection: ControlConnection) -> int:
        """Bytes of replies that the connection's user has not taken, over all connections."""

    def service(self) -> KeyService:
        """Raises RequestError where the node gives no keys."""

    def deliveries(self) -> DeliveryService:
        """Raises RequestError where the node takes no PSRD."""

    def status(self, first: int, done: Callable[[str | DskedError], None]) -> None:
        """`done` gets the JSON text of the STATUS reply that begins with this peer, at once or later."""


class ControlConnection(asyncio.Protocol):
    """One local process that is connected."""

    def __init__(self, server: ControlOwner) -> None:
        self._server = server
        self._slow: asyncio.TimerHandle | None = None  # while a request has come in part
        self._frames = FrameBuffer(MAX_CONTROL_REQUEST_BYTES)
        self._open_requests: set[int] = set()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._paused = False  # replies wait for being read: requests wait as well
        self._closing = False

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._loop = asyncio.get_running_loop()
        self._reader = TurnReader(self._transport, self._feed)
        self.user = LocalUser.of_peer(transport.get_extra_info("socket"))
        try:
            self._server.admit(self)
        except DskedError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._open_requests.clear()
        self._output, self._output_bytes = [], 0
        self._watch(begun=False)
        self._server.lost(self)

    def data_received(self, data: bytes) -> None:
        self._reader.received(data)

    def _feed(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            for frame in self._frames.feed(data):
                if self._slow is not None:
                    self._watch(begun=False)
                self._take(frame)
                if self._closing or self._paused:
                    return
        except FrameError as error:
            self._refuse(error)
            return
        self._watch(begun=self._frames.nr_pending > 0)

    def _watch(self, *, begun: bool) -> None:
        """A request that has `begun` to come must be there in time: one that never ends is cut off."""
        if begun and self._slow is None and not self._closing:
            self._slow = self._loop.call_later(CONTROL_REQUEST_TIMEOUT_S, self._too_slow)
        elif not begun and self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _too_slow(self) -> None:
        self._slow = None
        self._refuse(LimitError(f"a request did not arrive within {CONTROL_REQUEST_TIMEOUT_S:g} s"))

    def pause_writing(self) -> None:
        """Who does not read replies may not ask on: not even what has come already is served."""
        self._paused = True
        self._reader.pause()

    def resume_writing(self) -> None:
        self._paused = False
        self._feed(b"")
        if not self._paused:
            self._reader.resume()

    # --- requests ---

    def _take(self, frame: bytes) -> None:
        """Serve one request. Raises FrameError where not even its outline is understood."""
        try:
            request = decode_request(frame)
        except DECODE_ERRORS as error:
            request_id, wrong = fault(frame, error)
            self._open(request_id)
            self._fail(request_id, wrong)
            return
        request_id = request.request_id
        self._open(request_id)
        try:
            if len(self._open_requests) > MAX_CONTROL_REQUESTS_IN_FLIGHT:
                raise LimitError(f"{MAX_CONTROL_REQUESTS_IN_FLIGHT} requests are open: the limit")
            _SERVE[type(request)](self, request)
        except DskedError as error:
            self._fail(request_id, error)
        except Exception:
            _log.exception("a control request failed")
            self._fail(request_id, DskedError("internal error: see the node's log"))

    def _open(self, request_id: int) -> None:
        if request_id in self._open_requests:
            raise FrameError(f"request ID {request_id} is in use")
        self._open_requests.add(request_id)

    def _get_keys(self, request: GetKeys) -> None:
        args = request.args
        caller = self._caller(args.as_encryptor)
        done = partial(self._done, request.request_id)
        self._server.service().get_keys(caller, args.responders, args.number, args.size_bits, done)

    def _get_keys_by_id(self, request: GetKeysById) -> None:
        args = request.args
        caller = self._caller(args.as_encryptor)
        done = partial(self._done, request.request_id)
        self._server.service().get_keys_by_id(caller, args.initiator, args.key_ids, done)

    def _locate(self, request: Locate) -> None:
        done = partial(self._done, request.request_id)
        self._server.service().locate(f"user {self.user.uid}", request.args.encryptor, done)

    def _status(self, request: Status) -> None:
        self._server.status(request.args.first, partial(self._done, request.request_id))

    def _stop(self, request: Stop) -> None:
        self._check_may_control("stop it")
        self._reply(request.request_id, _OK, None)
        self._flush()  # the reply leaves before the node begins to close connections
        self._server.node.stop()

    def _adopt(self, request: Adopt) -> None:
        self._check_may_control("bring PSRD to it")
        self._server.deliveries().adopt(request.args.bundle, partial(self._done, request.request_id))

    def _drain(self, request: Drain) -> None:
        self._check_may_control("drain it")
        self._reply(request.request_id, _OK, self._server.node.drain())

    def _check_may_control(self, what: str) -> None:
        if not self._server.rules.may_control(self.user):
            raise NotAllowedError(f"only root and the node's own user may {what}")

    def _caller(self, named: str | None) -> str:
        """The encryptor for which the request acts, after the rules allowed it."""
        encryptor = named if named is not None else only_encryptor(self._server.service())
        if not self._server.rules.may_act_for(self.user, encryptor):
            raise NotAllowedError(f"the local user {self.user.uid} may not act for encryptor {encryptor}")
        return encryptor

    # --- replies ---

    def _done(self, request_id: int, outcome: object) -> None:
        if isinstance(outcome, DskedError):
            self._fail(request_id, outcome)
        else:
            self._reply(request_id, _OK, outcome)

    def _fail(self, request_id: int, error: DskedError) -> None:
        self._server.failures[error.code] += 1
        self._reply(request_id, int(error.code), str(error))

    def _reply(self, request_id: int, code: int, result: object) -> None:
        """Send the reply to an open request, with all others of this loop turn."""
        if request_id not in self._open_requests:
            return  # the connection was lost or shut down meanwhile
        self._open_requests.remove(request_id)
        try:
            frame = encode_reply(request_id, code, result)
        except FrameError as error:
            frame = encode_reply(request_id, int(ErrorCode.LIMIT), f"the reply is too large: {error}")
        self._send(frame)

    def _send(self, frame: bytes) -> None:
        if not self._output:
            self._loop.call_soon(self._flush)
        self._output.append(frame)
        self._output_bytes += len(frame)
        if self._output_bytes > _SMALL_BYTES:  # thousands of requests fit in a turn
            self._flush()

    def _flush(self) -> None:
        if not self._output:
            return
        output, self._output, self._output_bytes = self._output, [], 0
        self._transport.write(b"".join(output))
        if self.unread_bytes > _SMALL_BYTES and self._server.unread_bytes(self) > MAX_CONTROL_UNREAD_BYTES:
            self.abort()

    @property
    def unread_bytes(self) -> int:
        """Bytes of replies that the other end has not taken."""
        return self._transport.get_write_buffer_size()

    # --- the end ---

    def shut_down(self) -> None:
        """Answer every open request with SHUTTING_DOWN, then close."""
        for request_id in tuple(self._open_requests):
            self._fail(request_id, ShuttingDownError(f"{self._server.node.name} is stopping"))
        self._close()

    def abort(self) -> None:
        """Close at once, whatever has not been sent."""
        self._closing = True
        self._transport.abort()

    def _refuse(self, error: DskedError) -> None:
        """Say what is wrong with the connection itself, and close it."""
        self._output.append(encode_reply(0, int(error.code), str(error)))
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._flush()
        self._transport.close()


_SERVE: dict[type[Request], Callable[[ControlConnection, Any], None]] = {
    GetKeys: ControlConnection._get_keys,
    GetKeysById: ControlConnection._get_keys_by_id,
    Status: ControlConnection._status,
    Stop: ControlConnection._stop,
    Locate: ControlConnection._locate,
    Adopt: ControlConnection._adopt,
    Drain: ControlConnection._drain,
}
