"""Key pairs on demand: many requests under way over the control sockets of two clients.

Run as a process (`python -m load SOCKET SOCKET`) it makes load as it is told on standard input, a JSON
object a line (benching/children.py). It spends as little as it can: no task per request, one write per
connection and turn, and both values of a pair are compared as the bytes of the two replies.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from benching.children import answer_commands
from benching.quantiles import quantiles_ms

from dsked.delivery.control_protocol import LENGTH_BYTES, FrameBuffer, Op, encode_request

INITIATOR, RESPONDER = "sam", "sunny"  # carol's encryptor, curtis's


class Reply(msgspec.Struct, array_like=True):
    """A reply, its result as it stands in the frame."""

    request_id: int
    code: int
    result: msgspec.Raw


_decode_reply = msgspec.msgpack.Decoder(Reply).decode
_decode_any = msgspec.msgpack.Decoder().decode
#: [[key ID, key], ...] of which only the IDs are wanted.
_decode_ids = msgspec.msgpack.Decoder(list[tuple[bytes, msgspec.Raw]]).decode
_encode = msgspec.msgpack.Encoder().encode

_LOST = -1  # no code of the protocol: the connection is gone

Answered = Callable[[Reply], None]


class ControlConnection(asyncio.Protocol):
    """A control socket with many requests under way; all output of a turn in one write."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()
        self._waiting: dict[int, Answered] = {}
        self._next = 0
        self._output: list[bytes] = []

    @classmethod
    async def open(cls, path: Path) -> ControlConnection:
        """Connect to the socket at `path`."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_unix_connection(cls, str(path))
        return protocol

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._loop = asyncio.get_running_loop()

    def request(self, op: Op, args: list[Any]) -> asyncio.Future[Any]:
        """The result of one request, for those who ask seldom; RuntimeError where it is refused."""
        future = self._loop.create_future()
        self._next += 1
        self.send(self._next, encode_request(op, self._next, args), partial(_settle, future))
        return future

    def send(self, request_id: int, frame: bytes, answered: Answered) -> None:
        """Send a request that is encoded already; its ID must not be under way."""
        self._waiting[request_id] = answered
        if not self._output:
            self._loop.call_soon(self._flush)
        self._output.append(frame)

    def _flush(self) -> None:
        self.transport.write(b"".join(self._output))
        self._output.clear()

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            reply = _decode_reply(frame)
            self._waiting.pop(reply.request_id)(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes: whoever waits is told."""
        waiting, self._waiting = self._waiting, {}
        gone = msgspec.Raw(_encode("the node has closed the connection"))
        for request_id, answered in waiting.items():
            answered(Reply(request_id, _LOST, gone))


def _settle(future: asyncio.Future[Any], reply: Reply) -> None:
    result = _decode_any(reply.result)
    if reply.code:
        future.set_exception(RuntimeError(f"{reply.code}: {result}"))
    else:
        future.set_result(result)


class Load:
    """Key pairs between carol's sam and curtis's sunny: `number` keys of `bits` bits a request.

    `get_key_s`, `by_id_s`: latencies of the two halves. `pairs` counts those whose two values were compared,
    `refused` requests of either half, `refusal` is what the last of them said.
    """

    def __init__(self, carol: ControlConnection, curtis: ControlConnection, number: int, bits: int) -> None:
        self.carol, self.curtis = carol, curtis
        self.number, self._bits = number, bits
        self.pairs = self.refused = 0
        self.refusal = ""
        self.get_key_s: list[float] = []
        self.by_id_s: list[float] = []

    async def run(self, concurrency: int, seconds: float, requests: float = float("inf")) -> float:
        """Run for so long, or until so many requests are done; gives the seconds that it took.

        Raises RuntimeError where the two ends hold different values, or a connection is lost.
        """
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = requests
        self._workers = concurrency
        start = time.perf_counter()
        self._until = float("inf")  # every worker begins one request, however slow the machine
        for place in range(concurrency):
            _Worker(self, place, self._get_keys_frame(place)).go_on()
        self._until = start + seconds
        await self._over
        return time.perf_counter() - start

    def stop(self) -> None:
        """End the run once the requests under way are answered."""
        self._left = 0

    def _get_keys_frame(self, place: int) -> bytes:
        return encode_request(Op.GET_KEYS, place, [[RESPONDER], self.number, self._bits, INITIATOR])

    def may_go_on(self, now: float) -> bool:
        """Whether a worker begins another request; the last one that does not ends the run."""
        if now < self._until and self._left > 0:
            self._left -= 1
            return True
        self._workers -= 1
        if not self._workers and not self._over.done():
            self._over.set_result(None)
        return False

    def refuse(self, reply: Reply) -> None:
        """Count a refusal; the run ends where there is nobody left to ask."""
        self.refused += 1
        self.refusal = str(_decode_any(reply.result))
        if reply.code == _LOST:
            self.fail(self.refusal)

    def fail(self, reason: str) -> None:
        """End the run."""
        if not self._over.done():
            self._over.set_exception(RuntimeError(reason))


class _Worker:
    """One request after the other; `place` is its request ID at both ends."""

    def __init__(self, load: Load, place: int, get_keys: bytes) -> None:
        self._load = load
        self._place = place
        self._get_keys = get_keys
        self._begin = self._middle = 0.0
        self._mine = msgspec.Raw()

    def go_on(self) -> None:
        self._begin = time.perf_counter()
        if self._load.may_go_on(self._begin):
            self._load.carol.send(self._place, self._get_keys, self._got)

    def _got(self, reply: Reply) -> None:
        self._middle = time.perf_counter()
        if reply.code:
            self._refused(reply)
            return
        self._mine = reply.result
        ids = [key_id for key_id, _ in _decode_ids(reply.result)]
        if len(ids) != self._load.number:
            self._load.fail(f"{len(ids)} keys came, {self._load.number} were asked for")
            return
        body = _encode([int(Op.GET_KEYS_BY_ID), self._place, [INITIATOR, ids, RESPONDER]])
        frame = len(body).to_bytes(LENGTH_BYTES, "big") + body
        self._load.curtis.send(self._place, frame, self._got_by_id)

    def _got_by_id(self, reply: Reply) -> None:
        load, end = self._load, time.perf_counter()
        if reply.code:
            self._refused(reply)
            return
        # The same bytes hold the same IDs and values; other bytes may still do so.
        if reply.result != self._mine and _decode_any(reply.result) != _decode_any(self._mine):
            load.fail("the two ends hold different values")
            return
        load.pairs += load.number
        load.get_key_s.append(self._middle - self._begin)
        load.by_id_s.append(end - self._middle)
        self.go_on()

    def _refused(self, reply: Reply) -> None:
        self._load.refuse(reply)
        self.go_on()


def main() -> None:
    """Make load as told: `concurrency`, `number`, `bits`, `seconds`; `requests` where that is the limit."""
    ends: list[ControlConnection] = []

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        if not ends:
            ends.extend([await ControlConnection.open(Path(path)) for path in sys.argv[1:]])
        load = Load(ends[0], ends[1], command["number"], command["bits"])
        requests = command.get("requests", float("inf"))
        took = await load.run(command["concurrency"], command["seconds"], requests)
        return {
            "pairs": load.pairs,
            "refused": load.refused,
            "refusal": load.refusal,
            "seconds": took,
            "get_key_ms": quantiles_ms(load.get_key_s),
            "by_id_ms": quantiles_ms(load.by_id_s),
        }

    answer_commands(answer)


if __name__ == "__main__":
    main()
