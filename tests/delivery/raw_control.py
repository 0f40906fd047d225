"""A control connection that sends what it is told, and those that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import msgpack
import pytest

from dsked.delivery.access import LocalUser
from dsked.delivery.control_protocol import Op, encode_request
from dsked.errors import ErrorCode

STRANGER = LocalUser(12345, 12345)


class Raw:
    """A connection that sends what it is told, and gives the replies as they come."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, op, request_id, *args):
        self.writer.write(encode_request(op, request_id, list(args)))

    async def reply(self):
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        return msgpack.unpackb(await self.reader.readexactly(length))

    async def ask(self, op, *args, request_id=1):
        self.send(op, request_id, *args)
        answered, code, result = await self.reply()
        assert answered == request_id
        return code, result

    async def at_end(self):
        """Whether the server closed the connection; waits for it."""
        return await self.reader.read() == b""


@contextlib.asynccontextmanager
async def serving(server, path):
    """A connection to a server of its own; all is closed in the end, or a failing test would hang."""
    await server.start(path)
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        await server.close()


async def until(bystander, condition):
    """Let the server have turns, and see that it answers others, until `condition` holds."""
    for _ in range(10_000):
        if condition():
            return
        assert (await bystander.ask(Op.LOCATE, "sunny"))[0] == ErrorCode.OK
    pytest.fail("not within 10,000 turns")


@contextlib.asynccontextmanager
async def deaf_client(path, server, bystander, requests, nr_others=1):
    """A connection that asks so much and does not read, and has been accepted beside so many others."""
    await until(bystander, lambda: len(server._connections) == nr_others)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, str(path))
        await until(bystander, lambda: len(server._connections) == nr_others + 1)
        asking = b"".join(encode_request(Op.STATUS, number, []) for number in range(1, requests + 1))
        await loop.sock_sendall(deaf, asking)
        yield deaf
