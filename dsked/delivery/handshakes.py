"""TLS handshakes that are under way: how many there may be, how long each may take, and with whom."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar

from dsked.limits import TLS_CLOSE_TIMEOUT_S, TLS_HANDSHAKE_TIMEOUT_S


class Accepted:
    """A connection that was accepted, whoever owns its socket by now; under way until it is `done`."""

    __slots__ = ("_socket", "_under_way", "address")

    def __init__(self, accepted: socket.socket, under_way: dict[Accepted, None]) -> None:
        self._socket = accepted
        self._under_way = under_way
        self._under_way[self] = None
        self.address = _address(accepted)  # for people

    def done(self) -> None:
        """The handshake is no more under way. To be called before a protocol has the connection."""
        self._under_way.pop(self, None)

    def cut(self) -> None:
        """End it: its event loop reads an end of file, and closes it."""
        with contextlib.suppress(OSError):  # it has gone already
            self._socket.shutdown(socket.SHUT_RDWR)


def _address(accepted: socket.socket) -> str:
    try:
        host, port = accepted.getpeername()[:2]
    except OSError:
        return "a peer that has gone"
    return f"{host} port {port}"


#: What the running code shakes hands with: event loops do not tell it to SSL objects.
current: ContextVar[Accepted] = ContextVar("current")


class Handshakes:
    """Makes TLS connections of accepted sockets. Made in a running event loop.

    `make_room_beside` gets how many there are, and closes what the server can spare where they are too many;
    False: it can spare nothing, and the oldest goes for a new one. `too_slow` gets the address of who took
    too long.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        make_room_beside: Callable[[int], bool],
        too_slow: Callable[[str], None],
    ) -> None:
        self._context = context
        self._make_room_beside = make_room_beside
        self._too_slow = too_slow
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[Accepted, None] = {}  # oldest first
        self._closed = False

    async def connect(self, factory: Callable[[], asyncio.BaseProtocol], accepted: socket.socket) -> None:
        """Shake hands; then the protocol is told of its connection. Raises OSError where it fails."""
        if self._closed:
            accepted.close()
            return
        if not self._make_room_beside(len(self._under_way)):
            self.cut_oldest()
        one = Accepted(accepted, self._under_way)
        current.set(one)  # each connection has a task, and so a context, of its own
        try:
            await self._loop.connect_accepted_socket(
                factory,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=TLS_CLOSE_TIMEOUT_S,
            )
        except ConnectionAbortedError:  # both loops' error for a handshake that takes too long
            self._too_slow(one.address)
        finally:
            one.done()

    def cut_oldest(self) -> bool:
        """End the oldest handshake; False: there is none."""
        one = next(iter(self._under_way), None)
        if one is None:
            return False
        one.done()
        one.cut()
        return True

    def close(self) -> None:
        """End all of them, and begin none any more."""
        self._closed = True
        while self.cut_oldest():
            pass
