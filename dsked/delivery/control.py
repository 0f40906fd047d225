"""The control socket's server: key requests, status and stop for local users.

The messages stand in control_protocol.py. No task and no future per request: the key service calls back
when a request is done, and all replies of one loop turn leave in one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec

from dsked import __version__
from dsked.delivery.access import AccessRules, LocalUser
from dsked.delivery.control_protocol import MAX_REQUEST_ID, FrameBuffer, Op, encode_frame
from dsked.delivery.listener import Listener
from dsked.delivery.service import DeliveryService, KeyService, Node
from dsked.errors import (
    DskedError,
    ErrorCode,
    FrameError,
    LimitError,
    NotAllowedError,
    RequestError,
    ShuttingDownError,
)
from dsked.limits import (
    MAX_CONTROL_CLIENTS,
    MAX_CONTROL_REQUEST_BYTES,
    MAX_CONTROL_REQUESTS_IN_FLIGHT,
    MAX_CONTROL_UNREAD_BYTES,
    SHUTDOWN_GRACE_S,
    UUID_BYTES,
)

_log = logging.getLogger(__name__)


class _Request(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    op: int
    request_id: int
    args: msgspec.Raw


class _GetKeys(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    responders: list[str]
    number: int
    size_bits: int | None
    as_encryptor: str | None


class _GetKeysById(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    initiator: str
    key_ids: list[bytes]
    as_encryptor: str | None


class _Locate(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    encryptor: str


class _Adopt(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    bundle: Annotated[bytes, msgspec.Meta(min_length=UUID_BYTES, max_length=UUID_BYTES)]


class _NoArgs(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    pass


_decode_request = msgspec.msgpack.Decoder(_Request).decode
_decode_get_keys = msgspec.msgpack.Decoder(_GetKeys).decode
_decode_get_keys_by_id = msgspec.msgpack.Decoder(_GetKeysById).decode
_decode_locate = msgspec.msgpack.Decoder(_Locate).decode
_decode_adopt = msgspec.msgpack.Decoder(_Adopt).decode
_decode_no_args = msgspec.msgpack.Decoder(_NoArgs).decode

#: What msgspec raises for bytes that are not what was declared.
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class ControlServer:
    """Serves one node's control socket."""

    def __init__(
        self,
        node: Node,
        service: KeyService | None,
        rules: AccessRules,
        deliveries: DeliveryService | None = None,
    ) -> None:
        """`service` is None on a hub, which has no keys to give; `deliveries` where PSRD is simulated."""
        self.node = node
        self.rules = rules
        self._service = service
        self._deliveries = deliveries
        self._connections: set[_Connection] = set()
        self._listener: Listener | None = None
        self._server: asyncio.Server | None = None
        self._all_lost = asyncio.Event()

    async def start(self, path: Path, group: str | None = None) -> None:
        """Listen at `path`. Raises ConfigurationError where that cannot be (listener.py)."""
        self._listener = Listener(path, group)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=self._listener.socket)

    async def close(self) -> None:
        """Stop listening, answer what is still open with SHUTTING_DOWN, and close every connection.

        A peer that does not read is cut off after SHUTDOWN_GRACE_S. Closing twice does nothing.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in tuple(self._connections):
            connection.shut_down()
        await self._until_all_lost()
        for connection in tuple(self._connections):
            connection.abort()
        await self._until_all_lost()  # the loop tells of the loss in one of its next turns

    async def _until_all_lost(self) -> None:
        """Wait until no connection is left, SHUTDOWN_GRACE_S at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_GRACE_S):
                while self._connections:
                    self._all_lost.clear()
                    await self._all_lost.wait()

    def admit(self, connection: _Connection) -> None:
        """Count a new connection. Raises LimitError where its user has too many."""
        user = connection.user
        if sum(other.user.uid == user.uid for other in self._connections) >= MAX_CONTROL_CLIENTS:
            raise LimitError(f"your user has {MAX_CONTROL_CLIENTS} control connections open: the limit")
        if self._server is None:
            raise ShuttingDownError(f"{self.node.name} is stopping")
        self._connections.add(connection)

    def lost(self, connection: _Connection) -> None:
        """Forget a connection that is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_lost.set()

    def service(self) -> KeyService:
        """The key service; RequestError on a hub."""
        if self._service is None:
            raise RequestError(f"{self.node.role} {self.node.name} gives no keys: ask a client")
        return self._service

    def deliveries(self) -> DeliveryService:
        """Who takes PSRD; RequestError where it is simulated."""
        if self._deliveries is None:
            raise RequestError(f"PSRD of {self.node.role} {self.node.name} is simulated: nothing is imported")
        return self._deliveries

    def status(self) -> str:
        """The JSON text of the STATUS reply."""
        reason = self.node.readiness()
        return json.dumps(
            {
                "role": self.node.role,
                "name": self.node.name,
                "pid": os.getpid(),
                "version": __version__,
                "ready": reason is None,
                "reason": reason,
                "status": self.node.status(),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


class _Connection(asyncio.Protocol):
    """One local process that is connected."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._frames = FrameBuffer(MAX_CONTROL_REQUEST_BYTES)
        self._open_requests: set[int] = set()
        self._output: list[bytes] = []
        self._closing = False

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._loop = asyncio.get_running_loop()
        self.user = LocalUser.of_peer(transport.get_extra_info("socket"))
        try:
            self._server.admit(self)
        except DskedError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._open_requests.clear()
        self._output.clear()
        self._server.lost(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
        except FrameError as error:
            self._refuse(error)

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # who does not read replies may not ask on

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # --- requests ---

    def _take(self, frame: bytes) -> None:
        """Serve one request. Raises FrameError where not even its outer array is understood."""
        try:
            request = _decode_request(frame)
        except _DECODE_ERRORS:
            raise FrameError("a request is not understood: are both of the same version?") from None
        if not 0 <= request.request_id <= MAX_REQUEST_ID:
            raise FrameError(f"a request ID is not within 0 and {MAX_REQUEST_ID}")
        self._open(request.request_id)
        try:
            self._serve(request)
        except _DECODE_ERRORS as error:
            self._fail(request.request_id, RequestError(f"the request's arguments are wrong: {error}"))
        except DskedError as error:
            self._fail(request.request_id, error)
        except Exception:
            _log.exception("a control request failed")
            self._fail(request.request_id, DskedError("internal error: see the node's log"))

    def _open(self, request_id: int) -> None:
        if request_id in self._open_requests:
            raise FrameError(f"request ID {request_id} is in use")
        self._open_requests.add(request_id)

    def _serve(self, request: _Request) -> None:
        serve = _SERVE.get(request.op)
        if serve is None:
            raise RequestError(f"there is no operation {request.op}")
        if len(self._open_requests) > MAX_CONTROL_REQUESTS_IN_FLIGHT:
            raise LimitError(f"{MAX_CONTROL_REQUESTS_IN_FLIGHT} requests are open: the limit")
        serve(self, request.request_id, request.args)

    def _get_keys(self, request_id: int, raw: msgspec.Raw) -> None:
        args = _decode_get_keys(raw)
        caller = self._caller(args.as_encryptor)
        done = self._done(request_id)
        self._server.service().get_keys(caller, args.responders, args.number, args.size_bits, done)

    def _get_keys_by_id(self, request_id: int, raw: msgspec.Raw) -> None:
        args = _decode_get_keys_by_id(raw)
        caller = self._caller(args.as_encryptor)
        self._server.service().get_keys_by_id(caller, args.initiator, args.key_ids, self._done(request_id))

    def _locate(self, request_id: int, raw: msgspec.Raw) -> None:
        args = _decode_locate(raw)
        self._server.service().locate(args.encryptor, self._done(request_id))

    def _status(self, request_id: int, raw: msgspec.Raw) -> None:
        _decode_no_args(raw)
        self._reply(request_id, ErrorCode.OK, self._server.status())

    def _stop(self, request_id: int, raw: msgspec.Raw) -> None:
        _decode_no_args(raw)
        self._check_may_control("stop it")
        self._reply(request_id, ErrorCode.OK, None)
        self._flush()  # the reply leaves before the node begins to close connections
        self._server.node.stop()

    def _adopt(self, request_id: int, raw: msgspec.Raw) -> None:
        args = _decode_adopt(raw)
        self._check_may_control("bring PSRD to it")
        self._server.deliveries().adopt(args.bundle, self._done(request_id))

    def _check_may_control(self, what: str) -> None:
        if not self._server.rules.may_control(self.user):
            raise NotAllowedError(f"only root and the node's own user may {what}")

    def _caller(self, named: str | None) -> str:
        """The encryptor for which the request acts, after the rules allowed it."""
        encryptor = named if named is not None else self._only_encryptor()
        if not self._server.rules.may_act_for(self.user, encryptor):
            raise NotAllowedError(f"the local user {self.user.uid} may not act for encryptor {encryptor}")
        return encryptor

    def _only_encryptor(self) -> str:
        service = self._server.service()
        if len(service.encryptors) == 1:
            return service.encryptors[0]
        if not service.encryptors:
            raise RequestError(f"client {service.name} serves no encryptor")
        raise RequestError(f"say for which encryptor: one of {', '.join(service.encryptors)}")

    # --- replies ---

    def _done(self, request_id: int) -> Callable[[Any], None]:
        def done(outcome: object) -> None:
            if isinstance(outcome, DskedError):
                self._fail(request_id, outcome)
            else:
                self._reply(request_id, ErrorCode.OK, outcome)

        return done

    def _fail(self, request_id: int, error: DskedError) -> None:
        self._reply(request_id, error.code, str(error))

    def _reply(self, request_id: int, code: ErrorCode, result: object) -> None:
        """Send the reply to an open request, with all others of this loop turn."""
        if request_id not in self._open_requests:
            return  # the connection was lost or shut down meanwhile
        self._open_requests.remove(request_id)
        try:
            frame = encode_frame([request_id, int(code), result])
        except FrameError as error:
            frame = encode_frame([request_id, int(ErrorCode.LIMIT), f"the reply is too large: {error}"])
        self._send(frame)

    def _send(self, frame: bytes) -> None:
        if not self._output:
            self._loop.call_soon(self._flush)
        self._output.append(frame)

    def _flush(self) -> None:
        if not self._output:
            return
        self._transport.write(b"".join(self._output))
        self._output.clear()
        if self._transport.get_write_buffer_size() > MAX_CONTROL_UNREAD_BYTES:
            self.abort()

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
        self._output.append(encode_frame([0, int(error.code), str(error)]))
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._flush()
        self._transport.close()


_SERVE: dict[int, Callable[[_Connection, int, msgspec.Raw], None]] = {
    Op.GET_KEYS: _Connection._get_keys,
    Op.GET_KEYS_BY_ID: _Connection._get_keys_by_id,
    Op.STATUS: _Connection._status,
    Op.STOP: _Connection._stop,
    Op.LOCATE: _Connection._locate,
    Op.ADOPT: _Connection._adopt,
}
