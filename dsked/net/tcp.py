"""The asyncio.Protocol of a DSKE connection, the same at both ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import Generic, Protocol, TypeVar

from dsked.errors import DskedError
from dsked.limits import MAX_TURN_BYTES, MAX_WRITE_BYTES
from dsked.wire.connection import Connection, Stage

ConnectionT = TypeVar("ConnectionT", bound=Connection)
ConnectionT_contra = TypeVar("ConnectionT_contra", bound=Connection, contravariant=True)


class Owner(Protocol[ConnectionT_contra]):
    """The shell that a connection's events go to."""

    def received(self, connection: ConnectionT_contra, data: bytes) -> None:
        """Bytes have come. Raises DskedError: the connection is closed."""

    def failed(self, connection: ConnectionT_contra, peer: str, error: DskedError) -> None:
        """The peer broke the protocol, or a pool has failed; the connection is being closed."""

    def lost(self, connection: ConnectionT_contra, error: Exception | None) -> None:
        """The connection is gone."""

    def touch(self) -> None:
        """End the turn soon."""


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The other end's address without its port; for limits and log lines."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if name else "unknown"


def reason(error: OSError) -> str:
    """Why the system refused, in its own words; event loops put different ones around them."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)


#: What has come is received here, whatever the connection, and taken before anything else is received.
_received = memoryview(bytearray(MAX_TURN_BYTES))


class DskeProtocol(asyncio.BufferedProtocol, Generic[ConnectionT]):
    """Moves bytes between a transport and a Connection; all output of a turn in one write.

    In a turn of the event loop a connection may bring MAX_TURN_BYTES, or the end of one long frame: the next
    is not read before the others had their turn. A long frame is received where it stays.
    """

    __slots__ = ("_rest", "connection", "owner", "peer", "transport")

    def __init__(self, owner: Owner[ConnectionT], connection: ConnectionT, transport: asyncio.Transport):
        self.owner = owner
        self.connection = connection
        self.transport = transport
        self.peer = peer_address(transport)
        self._rest: memoryview | None = None  # where the rest of a long frame belongs

    def get_buffer(self, sizehint: int) -> memoryview:
        return _received if self._rest is None else self._rest

    def buffer_updated(self, nbytes: int) -> None:
        if self._rest is None:
            self._take(bytes(_received[:nbytes]))
            self._rest = self.connection.rest
            if nbytes == MAX_TURN_BYTES and self._rest is None:
                self._wait_a_turn()
            return
        if self.connection.filled(nbytes):
            self._rest = None
            self._take(b"")
            self._wait_a_turn()
        else:
            self._rest = self._rest[nbytes:]

    def _wait_a_turn(self) -> None:
        """More may have come: not before the other connections'."""
        self.transport.pause_reading()
        asyncio.get_running_loop().call_soon(self.transport.resume_reading)

    def _take(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        try:
            self.owner.received(self.connection, data)
        except DskedError as error:
            self._fail(error)
        self.owner.touch()

    def _fail(self, error: DskedError) -> None:
        self.owner.failed(self.connection, self.peer, error)
        self.transport.abort()

    def flush(self) -> None:
        """Write what can leave now; close if nothing more will be said, or a pool has failed.

        Of much only the first MAX_WRITE_BYTES: while the peer works on them, the next are sealed.
        """
        if self.transport.is_closing():
            return
        data = self._write(MAX_WRITE_BYTES)
        if len(data) >= MAX_WRITE_BYTES:
            asyncio.get_running_loop().call_soon(self.flush)
        elif self.connection.stage is Stage.CLOSING:
            self.transport.close()

    def flush_all(self) -> None:
        """Write all that can leave now, however much; then close."""
        if not self.transport.is_closing():
            self._write(sys.maxsize)
            self.transport.close()

    def _write(self, enough: int) -> bytes:
        try:
            data = self.connection.data_to_send(enough)
        except DskedError as error:
            self._fail(error)
            return b""
        if data:
            self.transport.write(data)
        return data

    def pause_writing(self) -> None:
        self.connection.writable = False

    def resume_writing(self) -> None:
        self.connection.writable = True
        self.flush()
        self.owner.touch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.lost(self.connection, exc)
        self.owner.touch()


class OpenProtocols(dict[ConnectionT, DskeProtocol[ConnectionT]]):
    """The open connections of one node."""

    def __init__(self) -> None:
        super().__init__()
        self._all_lost = asyncio.Event()

    def lost(self, connection: ConnectionT) -> None:
        """A connection is gone."""
        del self[connection]
        if not self:
            self._all_lost.set()

    async def close(self, grace_s: float) -> None:
        """Say what is left to say and close all; those that linger are aborted after a grace."""
        for protocol in tuple(self.values()):
            protocol.flush_all()
        await self._until_all_are_lost(grace_s)
        for protocol in tuple(self.values()):
            protocol.transport.abort()
        await self._until_all_are_lost(grace_s)

    async def _until_all_are_lost(self, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self:
                    self._all_lost.clear()
                    await self._all_lost.wait()
