"""Key requests over the control sockets, and the comparison of what both ends got."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from itertools import chain
from typing import Any, cast

import msgpack

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_request

from .nodes import Node

KEYS_PER_REQUEST = 32
KEY_BITS = 256
REQUEST_LIMIT_S = 5.0
#: Requests under way for each initiator: one may wait for a node that is down.
WORKERS = 3
#: Of a worker, between two requests: about WIN bytes of each pool a second go to keys.
PAUSE_S = 0.1


class Link(asyncio.Protocol):
    """A connection to one life of a node; requests fail with ConnectionError when that has ended."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()
        self._waiting: dict[int, asyncio.Future[tuple[int, Any]]] = {}
        self._next = 0
        self.closed = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            request_id, code, result = msgpack.unpackb(frame)
            future = self._waiting.pop(request_id, None)
            if future is not None and not future.done():
                future.set_result((code, result))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the node has ended"))
        self._waiting.clear()

    async def ask(self, op: Op, args: list[Any]) -> tuple[int, Any]:
        """Code and result, or message, of one request. Raises OSError."""
        if self.closed or self._transport is None:
            raise ConnectionError("the node has ended")
        self._next += 1
        future: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._next] = future
        self._transport.write(encode_request(op, self._next, args))
        async with asyncio.timeout(REQUEST_LIMIT_S):
            return await future

    def close(self) -> None:
        """Be done with it."""
        if self._transport is not None:
            self._transport.abort()


class Caller:
    """What asks one node, through all its lives."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._link: Link | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, op: Op, args: list[Any]) -> tuple[int, Any]:
        """Code and result of a request to the present process. Raises OSError where there is none."""
        async with self._connecting:
            link = await self._open_link()
        return await link.ask(op, args)

    async def _open_link(self) -> Link:
        if self._link is None or self._link.closed:
            path = self.node.socket
            if path is None:
                raise ConnectionError(f"{self.node.name} has no control socket")
            _, self._link = await asyncio.get_running_loop().create_unix_connection(Link, str(path))
        return self._link

    def close(self) -> None:
        """Be done with it."""
        if self._link is not None:
            self._link.close()


class Load:
    """Key pairs of encryptors of two nodes, a few requests at a time, until told to stop.

    `pairs`: key pairs that both ends hold alike, by initiator. `mismatches`: what must never happen.
    """

    def __init__(self) -> None:
        self.pairs: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.mismatches: list[str] = []
        self._workers: dict[str, list[asyncio.Task[None]]] = {}
        self._callers: list[Caller] = []

    def start(self, label: str, initiator: tuple[Node, str], responder: tuple[Node, str]) -> None:
        """Begin to ask one node, in the name of an encryptor, for keys with the other's encryptor."""
        callers = Caller(initiator[0]), Caller(responder[0])
        self._callers += callers
        self._workers[label] = [
            asyncio.create_task(self._work(label, callers, initiator[1], responder[1]))
            for _ in range(WORKERS)
        ]

    async def stop(self, *labels: str) -> None:
        """Stop these, or all. Raises what a worker has raised."""
        for label in labels or tuple(self._workers):
            for task in self._workers.pop(label):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if not self._workers:
            for caller in self._callers:
                caller.close()

    def check(self) -> None:
        """Raise what a worker has raised."""
        for task in chain.from_iterable(self._workers.values()):
            if task.done():
                task.result()

    async def _work(self, label: str, callers: tuple[Caller, Caller], master: str, slave: str) -> None:
        while True:
            try:
                reason = await self._pair(label, callers, master, slave)
            except OSError as error:  # killed meanwhile, or it hangs: TimeoutError is one
                reason = type(error).__name__
            if reason:
                self.refused[reason] += 1
            await asyncio.sleep(PAUSE_S)

    async def _pair(self, label: str, callers: tuple[Caller, Caller], master: str, slave: str) -> str:
        """Keys at both ends; why not, where that failed."""
        near, far = callers
        code, mine = await near.ask(Op.GET_KEYS, [[slave], KEYS_PER_REQUEST, KEY_BITS, master])
        if code:
            return f"get keys: {code}"
        ids = [key_id for key_id, _ in mine]
        code, theirs = await far.ask(Op.GET_KEYS_BY_ID, [master, ids, slave])
        if code:
            return f"get keys by ID: {code}"
        if mine != theirs:
            self.mismatches.append(f"{label}: the two ends hold different values of keys {_hex(ids)}")
        self.pairs[label] += len(ids)
        return ""


def _hex(ids: list[bytes]) -> str:
    return ", ".join(key_id.hex() for key_id in ids)
