"""Key pairs on demand: many requests under way over the control sockets of two clients."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgpack

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_request


class ControlConnection(asyncio.Protocol):
    """A control socket with many requests under way; all output of a turn in one write."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self._output: list[bytes] = []

    @classmethod
    async def open(cls, path: Path) -> ControlConnection:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_unix_connection(cls, str(path))
        return protocol

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def request(self, op: Op, args: list[Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        self._next += 1
        future = self._waiting[self._next] = loop.create_future()
        if not self._output:
            loop.call_soon(self._flush)
        self._output.append(encode_request(op, self._next, args))
        return future

    def _flush(self) -> None:
        self.transport.write(b"".join(self._output))
        self._output.clear()

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            request_id, code, result = msgpack.unpackb(frame)
            future = self._waiting.pop(request_id)
            if code:
                future.set_exception(RuntimeError(f"{code}: {result}"))
            else:
                future.set_result(result)


class Load:
    """Key pairs between carol's sam and curtis's sunny, until the time is up."""

    def __init__(self, carol: ControlConnection, curtis: ControlConnection, number: int, bits: int) -> None:
        self._carol, self._curtis = carol, curtis
        self._number, self._bits = number, bits
        self.pairs = 0
        self.get_key_s: list[float] = []
        self.by_id_s: list[float] = []

    async def run(self, concurrency: int, seconds: float) -> float:
        """Run; gives the seconds that it took."""
        start = time.perf_counter()
        await asyncio.gather(*(self._worker(start + seconds) for _ in range(concurrency)))
        return time.perf_counter() - start

    async def _worker(self, until: float) -> None:
        while (begin := time.perf_counter()) < until:
            mine = await self._carol.request(Op.GET_KEYS, [["sunny"], self._number, self._bits, "sam"])
            middle = time.perf_counter()
            ids = [key_id for key_id, _ in mine]
            theirs = await self._curtis.request(Op.GET_KEYS_BY_ID, ["sam", ids, "sunny"])
            if mine != theirs:
                raise SystemExit("the two ends hold different values")
            self.pairs += len(mine)
            self.get_key_s.append(middle - begin)
            self.by_id_s.append(time.perf_counter() - middle)
