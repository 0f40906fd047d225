"""As much of HTTP as it takes to be scraped: GET without a body, one reply for each connection.

A hub has no other use for HTTP, and aiohttp would cost it 0.35 s of its start and 14 MiB.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from dsked.limits import MAX_METRICS_CONNECTIONS, MAX_METRICS_REQUEST_BYTES, METRICS_TIMEOUT_S

_log = logging.getLogger(__name__)
_END_OF_HEAD = b"\r\n\r\n"
_WORDS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
PLAIN_TEXT = "text/plain; charset=utf-8"


class Reply(NamedTuple):
    """What is answered."""

    status: int
    body: bytes
    content_type: str = PLAIN_TEXT


#: Answers a GET of a path.
Answer = Callable[[str], Awaitable[Reply]]


class Scrapers:
    """The connections. `may_be_called`: whether a Host header is one of this listener's own."""

    def __init__(self, answer: Answer, may_be_called: Callable[[str], bool]) -> None:
        self._answer = answer
        self._may_be_called = may_be_called
        self._open: dict[ScrapeConnection, None] = {}  # the oldest first
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self) -> ScrapeConnection:
        """A new connection's protocol."""
        return ScrapeConnection(self)

    def __len__(self) -> int:
        return len(self._open)

    def come(self, connection: ScrapeConnection) -> None:
        """One more; the oldest makes room for it where there are too many."""
        if len(self._open) >= MAX_METRICS_CONNECTIONS:
            next(iter(self._open)).abort()
        self._open[connection] = None

    def gone(self, connection: ScrapeConnection) -> None:
        """It is over. Twice does nothing."""
        self._open.pop(connection, None)

    def serve(self, connection: ScrapeConnection, head: bytes) -> None:
        """A request's head is there."""
        task = asyncio.get_running_loop().create_task(self._serve(connection, head))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: ScrapeConnection, head: bytes) -> None:
        method, reply = "GET", Reply(400, b"this is not understood: GET /metrics is expected\n")
        try:
            method, path, host = _parse(head)
            if method not in ("GET", "HEAD"):
                reply = Reply(405, b"GET or HEAD is expected\n")
            elif not self._may_be_called(host):
                reply = Reply(403, b"the Host header names another host than this one\n")
            else:
                reply = await self._answer(path)
        except ValueError:
            pass  # as not understood
        except Exception:
            _log.exception("a request for metrics failed")
            reply = Reply(500, b"internal error: see the node's log\n")
        connection.reply(_bytes(reply, with_body=method != "HEAD"))

    def close(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        for connection in tuple(self._open):
            connection.abort()


class ScrapeConnection(asyncio.Protocol):
    """One connection: a request, a reply, the end; all of it within METRICS_TIMEOUT_S."""

    def __init__(self, scrapers: Scrapers) -> None:
        self._scrapers = scrapers
        self._head = b""
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._timeout = asyncio.get_running_loop().call_later(METRICS_TIMEOUT_S, self.abort)
        self._scrapers.come(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timeout.cancel()
        self._scrapers.gone(self)

    def data_received(self, data: bytes) -> None:
        if self._asked:
            return  # one request a connection: the reply says so
        self._head += data
        if len(self._head) > MAX_METRICS_REQUEST_BYTES:
            self._asked = True
            self.reply(_bytes(Reply(431, b"the request is too long\n")))
        elif _END_OF_HEAD in self._head:
            self._asked = True
            self._scrapers.serve(self, self._head)

    def reply(self, data: bytes) -> None:
        """Write the reply and close; what is not read in time is cut off."""
        if not self._transport.is_closing():
            self._transport.write(data)
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._scrapers.gone(self)
        self._transport.abort()


def _parse(head: bytes) -> tuple[str, str, str]:
    """(method, path without its query, Host). Raises ValueError."""
    request, *fields = head.split(_END_OF_HEAD)[0].decode("latin-1").split("\r\n")
    method, target, version = request.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP/1")
    named = [field.partition(":") for field in fields]
    hosts = [value.strip() for name, _, value in named if name.lower() == "host"]
    if len(hosts) > 1:
        raise ValueError("two Host fields")
    return method, target.partition("?")[0], hosts[0] if hosts else ""


def _bytes(reply: Reply, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {reply.status} {_WORDS[reply.status]}\r\n"
        f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    return head + reply.body if with_body else head


def is_own_host(host: str, listened: str) -> bool:
    """Whether a Host header is an address, localhost, or what the listener was told to listen on.

    A web page whose name was made to point here (DNS rebinding) has the browser send that name.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    name = name.removeprefix("[").removesuffix("]").lower().rstrip(".")
    if name in ("", "localhost", listened.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
