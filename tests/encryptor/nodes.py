"""A node on a real control socket that answers as the test says: late, wrongly, in pieces, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from dsked.delivery.control_protocol import encode_frame
from dsked.errors import ErrorCode
from dsked.keys import Key

LIMIT_S = 30.0
SECRET = bytes(range(160, 192))


def key(nth: int, secret: bytes = SECRET) -> Key:
    """The nth key; all have the same secret bytes, which no text may tell."""
    return Key(nth.to_bytes(16, "big"), secret)


class Request(NamedTuple):
    """A request that the node has read, to be answered or not."""

    connection: asyncio.StreamWriter
    op: int
    request_id: int
    args: list[Any]

    def reply(self, result: object, code: int = 0, request_id: int | None = None) -> bytes:
        """A reply as a frame, to this request unless another ID is given."""
        return encode_frame([self.request_id if request_id is None else request_id, code, result])

    def answer(self, result: object, code: int = 0) -> None:
        """Send the reply."""
        self.connection.write(self.reply(result, code))

    def send(self, data: bytes) -> None:
        """Send anything."""
        self.connection.write(data)

    def give(self, *keys: Key) -> None:
        """Answer with these keys."""
        self.answer([list(one) for one in keys])

    def refuse(self, code: ErrorCode, message: str) -> None:
        """Answer with an error."""
        self.answer(message, code)

    def hang_up(self) -> None:
        """Close the connection, after what was sent."""
        self.connection.close()


class Node:
    """Reads requests for the test to take; counts connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nr_connections = 0
        self.nr_ended = 0
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self._news = asyncio.Event()
        self._connections: list[asyncio.StreamWriter] = []
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listen."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path, backlog=100)

    async def close(self) -> None:
        """Stop listening, and hang up."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.close()
            with contextlib.suppress(ConnectionError):
                await connection.wait_closed()
        self.path.unlink(missing_ok=True)

    async def accepted(self, number: int) -> None:
        """Wait until so many connections in all have been accepted."""
        await self._until(lambda: self.nr_connections >= number)

    async def ended(self, number: int) -> None:
        """Wait until the other side has closed so many connections in all."""
        await self._until(lambda: self.nr_ended >= number)

    async def next(self) -> Request:
        """The next request of any connection."""
        async with asyncio.timeout(LIMIT_S):
            return await self.requests.get()

    async def _until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not so():
                self._news.clear()
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.nr_connections += 1
        self._connections.append(writer)
        self._news.set()
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                op, request_id, args = msgpack.unpackb(await reader.readexactly(length))
                self.requests.put_nowait(Request(writer, op, request_id, args))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.nr_ended += 1
            self._news.set()
            writer.close()
