"""A connection to a control socket on which requests of many tasks are in flight, in an event loop."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, NamedTuple, cast

from dsked.delivery.control_asks import Ask, Result, read_reply, refusal
from dsked.delivery.control_client import NoAnswerError, connecting_failed, unix_socket
from dsked.delivery.control_protocol import MAX_REQUEST_ID, FrameBuffer
from dsked.errors import DskedError, FrameError
from dsked.limits import CONTROL_BACKLOG_RETRY_S, MAX_CONTROL_REQUESTS_IN_FLIGHT


async def connect(path: Path) -> Link:
    """A connection to the socket at `path`; waits as long as nobody accepts it.

    Raises NotRunningError when nobody listens there, NotAllowedError when this user may not connect.
    """
    connected = await _connected(str(path))
    try:
        _, link = await asyncio.get_running_loop().create_unix_connection(
            lambda: Link(str(path)), sock=connected
        )
    except BaseException:
        connected.close()
        raise
    return link


async def _connected(path: str) -> socket.socket:
    """A connected socket. A Unix socket connects at once, or not at all: the loop need not watch it."""
    while True:
        connection = unix_socket(path)
        try:
            connection.setblocking(False)
            connection.connect(path)
            return connection
        except BlockingIOError:  # the queue of those who wait to be accepted is full
            connection.close()
        except OSError as error:
            connection.close()
            raise connecting_failed(path, error) from None
        await asyncio.sleep(CONTROL_BACKLOG_RETRY_S)


class _Waiting(NamedTuple):
    """A request in flight, and who waits for its outcome."""

    ask: Ask[Any]
    future: asyncio.Future[Any]

    def settle(self, code: int, result: object) -> None:
        """Give the outcome: never the bare reply, which a repr of the future would show."""
        if self.future.done():
            return  # whoever waited has given up: what came is dropped
        try:
            self.future.set_result(self.ask.outcome(code, result))
        except DskedError as error:
            self.future.set_exception(error)


class Link(asyncio.Protocol):
    """One connection. Requests of those who gave up stay in flight until they are answered."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._frames = FrameBuffer()
        self._request_id = 0
        self._waiting: dict[int, _Waiting] = {}
        self._room = asyncio.Semaphore(MAX_CONTROL_REQUESTS_IN_FLIGHT)
        self._failure: DskedError | None = None
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()

    @property
    def usable(self) -> bool:
        """Whether requests may be sent. Raises RuntimeError in another event loop than the connection's."""
        self._check_loop()
        return self._failure is None

    async def ask(self, ask: Ask[Result]) -> Result:
        """Send a request and wait for its result."""
        await self._room.acquire()
        try:
            future = self._send(ask)
        except BaseException:
            self._room.release()
            raise
        return cast(Result, await future)

    async def close(self) -> None:
        """Close the connection, and fail what is in flight. Closing twice does nothing."""
        self._check_loop()
        self._fail(NoAnswerError(f"the connection to {self._path} was closed by this program"))
        await self._gone.wait()

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("an AsyncKeyClient belongs to one event loop; make another one for this loop")

    def _send(self, ask: Ask[Any]) -> asyncio.Future[Any]:
        if self._failure is not None:  # while this request waited for room
            raise _again(self._failure)
        self._request_id = self._next_id()
        self._transport.write(ask.frame(self._request_id))
        future = self._loop.create_future()
        self._waiting[self._request_id] = _Waiting(ask, future)
        return future

    def _next_id(self) -> int:
        """One that is not in use: requests that are never answered keep theirs while 2**32 others pass."""
        found = self._request_id % MAX_REQUEST_ID + 1
        while found in self._waiting:
            found = found % MAX_REQUEST_ID + 1
        return found

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
                if self._failure is not None:
                    return
        except FrameError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(NoAnswerError(f"the node on {self._path} closed the connection without an answer"))
        self._gone.set()

    def _take(self, frame: bytes) -> None:
        """One reply. Raises FrameError where it is that to no request."""
        request_id, code, result = read_reply(frame)
        if request_id == 0:
            self._fail(refusal(code, result))
            return
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            raise FrameError("the node answered another request than those it was sent")
        self._room.release()
        waiting.settle(code, result)

    def _fail(self, error: DskedError) -> None:
        """End all that is in flight, and the connection; the first failure is the one that counts."""
        if self._failure is not None:
            return
        self._failure = error
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            self._room.release()
            if not one.future.done():
                one.future.set_exception(_again(error))
        self._transport.abort()


def _again(error: DskedError) -> DskedError:
    """The same error for another task: each has a traceback of its own."""
    return type(error)(str(error))
