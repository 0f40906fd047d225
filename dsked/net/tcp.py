"""The asyncio.Protocol of a DSKE connection, the same at both ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Generic, Protocol, TypeVar

from dsked.errors import DskedError
from dsked.limits import MAX_TURN_BYTES, SHUTDOWN_GRACE_S
from dsked.sockets import TurnReader
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


class DskeProtocol(asyncio.Protocol, Generic[ConnectionT]):
    """Moves bytes between a transport and a Connection; all output of a turn in one write."""

    __slots__ = ("_reader", "connection", "owner", "peer", "transport")

    def __init__(self, owner: Owner[ConnectionT], connection: ConnectionT, transport: asyncio.Transport):
        self.owner = owner
        self.connection = connection
        self.transport = transport
        self.peer = peer_address(transport)
        self._reader: TurnReader | None = None  # only once more than a turn's bytes have come at once

    def data_received(self, data: bytes) -> None:
        if self._reader is not None:
            self._reader.received(data)
        elif len(data) <= MAX_TURN_BYTES:
            self._take(data)
        else:
            self._reader = TurnReader(self.transport, self._take)
            self._reader.received(data)

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
        """Write what can leave now; close if nothing more will be said, or a pool has failed."""
        if self.transport.is_closing():
            return
        try:
            data = self.connection.data_to_send()
        except DskedError as error:
            self._fail(error)
            return
        if data:
            self.transport.write(data)
        if self.connection.stage is Stage.CLOSING:
            self.transport.close()

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

    async def close(self) -> None:
        """Say what is left to say and close all; those that linger are aborted after a grace."""
        for protocol in tuple(self.values()):
            protocol.flush()
            protocol.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_GRACE_S):
                while self:
                    self._all_lost.clear()
                    await self._all_lost.wait()
        for protocol in tuple(self.values()):
            protocol.transport.abort()
