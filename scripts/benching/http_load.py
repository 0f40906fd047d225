"""Requests over HTTP/1.1 keep-alive from a process of its own, one at a time on each connection.

It knows of HTTP what the replies need, a status and a Content-Length, and spends less on a request than any
library's client: else the load, not the server, would be measured.

Commands (benching/children.py): with a `port`, that of a bare handler, or with two `ports`, those of carol's
and of curtis's ETSI GS QKD 014. Both: `concurrency`, `seconds`, and `certificates`: empty, or for mutual TLS
with `ca` and `clients` (files in PEM; of each of the latter certificate and key).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from benching.children import answer_commands
from benching.quantiles import quantiles_ms

Answered = Callable[[bytes], None]
_LENGTH, _KEY_ID = b"\r\nContent-Length: ", b'"key_ID":"'
_UUID_CHARACTERS = 36
_OK = b"HTTP/1.1 200"

BARE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GET_KEY = (
    b"GET /api/v1/keys/sunny/enc_keys?number=1&size=256 HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\nAuthorization: sam\r\n\r\n"
)
BY_ID = b"GET /api/v1/keys/sam/dec_keys?key_ID=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: sunny\r\n\r\n"


class HttpConnection(asyncio.Protocol):
    """One connection. `refused` is called with what came in place of a reply of status 200."""

    def __init__(self, refused: Answered) -> None:
        self._refused = refused
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, answered: Answered) -> None:
        """Send a request; `answered` gets the body of the reply."""
        self._answered = answered
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data = data = self._data + data if self._data else data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        at = data.find(_LENGTH, 0, head) + len(_LENGTH)
        body = data[head + 4 :]
        if len(body) < int(data[at : data.find(b"\r\n", at)]):
            return
        self._data = b""
        if data.startswith(_OK):
            self._answered(body)
        else:
            self._refused(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refused(b"the server has closed the connection")


class _Run:
    """So many workers, until the time is up."""

    def __init__(self, seconds: float, workers: int) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._workers = workers
        self._until = time.perf_counter() + seconds
        self.first_s: list[float] = []
        self.second_s: list[float] = []

    def goes_on(self, now: float) -> bool:
        """Whether a worker begins once more; the last one that does not ends the run."""
        if now < self._until:
            return True
        self._workers -= 1
        if not self._workers and not self.over.done():
            self.over.set_result(None)
        return False

    def fail(self, reply: bytes) -> None:
        """End the run."""
        if not self.over.done():
            self.over.set_exception(RuntimeError(f"not served: {reply.decode(errors='replace')}"))


class _Asker:
    """The same request again and again."""

    def __init__(self, run: _Run, connection: HttpConnection) -> None:
        self._run, self._connection = run, connection

    def go_on(self) -> None:
        self._begin = time.perf_counter()
        if self._run.goes_on(self._begin):
            self._connection.ask(BARE, self._got)

    def _got(self, body: bytes) -> None:
        self._run.first_s.append(time.perf_counter() - self._begin)
        self.go_on()


class _Pairs:
    """A key at one end, the same key at the other, again and again."""

    def __init__(self, run: _Run, carol: HttpConnection, curtis: HttpConnection) -> None:
        self._run, self._carol, self._curtis = run, carol, curtis

    def go_on(self) -> None:
        self._begin = time.perf_counter()
        if self._run.goes_on(self._begin):
            self._carol.ask(GET_KEY, self._got)

    def _got(self, body: bytes) -> None:
        self._middle = time.perf_counter()
        self._body = body
        at = body.index(_KEY_ID) + len(_KEY_ID)
        self._curtis.ask(BY_ID % body[at : at + _UUID_CHARACTERS], self._got_by_id)

    def _got_by_id(self, body: bytes) -> None:
        end = time.perf_counter()
        if body != self._body:  # compact JSON of one key ID and its value
            self._run.fail(b"the two ends hold different values")
            return
        self._run.first_s.append(self._middle - self._begin)
        self._run.second_s.append(end - self._middle)
        self.go_on()


def _contexts(certificates: dict[str, Any]) -> Iterator[ssl.SSLContext]:
    for pair in certificates.get("clients", ()):
        context = ssl.create_default_context(cafile=certificates["ca"])
        context.load_cert_chain(*pair)
        yield context


async def _answer(command: dict[str, Any]) -> dict[str, Any]:
    run = _Run(command["seconds"], command["concurrency"])
    ports = command.get("ports") or [command["port"]]
    loop = asyncio.get_running_loop()
    contexts: list[ssl.SSLContext | None] = [*_contexts(command["certificates"])] or [None, None]
    ends = [
        [
            await loop.create_connection(lambda: HttpConnection(run.fail), "127.0.0.1", port, ssl=context)
            for port, context in zip(ports, contexts, strict=False)
        ]
        for _ in range(command["concurrency"])
    ]
    begin = time.perf_counter()
    for one in ends:
        connections = [connection for _, connection in one]
        (_Asker(run, *connections) if len(ports) == 1 else _Pairs(run, *connections)).go_on()
    await run.over
    took = time.perf_counter() - begin
    for transport, _ in (pair for one in ends for pair in one):
        transport.close()
    halves = [half for half in (run.first_s, run.second_s) if half]
    return {
        "rounds": len(run.first_s),
        "seconds": took,
        "ms": [quantiles_ms(half) for half in halves],
    }


if __name__ == "__main__":
    answer_commands(_answer)
