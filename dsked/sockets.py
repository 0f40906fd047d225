"""Sockets at their limits: connections are accepted, and peers that vanished noticed, in one place for all.

The event loops' own servers do not suffice at the limits: asyncio's logs a thousand times where no file
descriptor is left, uvloop's may stop listening for good, and both accept all that wait in one turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dsked.limits import (
    ACCEPT_PAUSE_S,
    ALL_ADDRESSES,
    KEEPALIVE_COUNT,
    KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S,
    LISTEN_BACKLOG,
    MAX_ACCEPTS_PER_TURN,
    MAX_TURN_BYTES,
    OUTSIDER_LOG_INTERVAL_S,
    UNACKNOWLEDGED_S,
)

_log = logging.getLogger(__name__)
#: Nothing can be accepted at present; anything else is the fault of the one connection (accept(2)).
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


#: Hands a connection to the protocol that a factory makes. Raises OSError where it has gone.
Connect = Callable[[Callable[[], asyncio.BaseProtocol], socket.socket], Awaitable[object]]


def _nothing() -> None:
    """There is nothing to give up."""


class TurnReader:
    """Hands on what comes over a connection, MAX_TURN_BYTES of it in a turn of the event loop.

    Nothing more is read before all of it is handed on, so that no connection holds up the others. Little is
    handed on as it comes: a connection owns bytes only where much has come at once.
    """

    __slots__ = ("_done", "_paused", "_scheduled", "_take", "_transport", "_unread")

    def __init__(self, transport: asyncio.Transport, take: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._take = take
        self._unread = b""
        self._done = 0  # bytes of it that were handed on
        self._paused = False
        self._scheduled = False

    def received(self, data: bytes) -> None:
        """To be called by data_received."""
        if self._unread:
            self._unread = self._unread[self._done :] + data
            self._done = 0
        elif len(data) <= MAX_TURN_BYTES:
            self._take(data)
        else:
            self._unread = data
            self._transport.pause_reading()
            self._go_on()

    def _go_on(self) -> None:
        self._scheduled = False
        if self._transport.is_closing():
            self._unread = b""
        if self._paused or not self._unread:
            return
        part = self._unread[self._done : self._done + MAX_TURN_BYTES]
        self._done += len(part)
        if self._done == len(self._unread):
            self._unread, self._done = b"", 0
        self._take(part)
        self._read_on()

    def pause(self) -> None:
        """Read nothing more, and hand on nothing more, until `resume`."""
        self._paused = True
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        self._read_on()

    def _read_on(self) -> None:
        """First what has come already."""
        if self._paused or self._transport.is_closing():
            return
        if not self._unread:
            self._transport.resume_reading()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)


def _room_at_once(pending: int) -> float:
    """There is room."""
    return 0.0


class Acceptor:
    """Accepts on sockets that listen, a few connections a turn; `factory` makes the protocol of each.

    Where the system has no descriptor left it pauses, and `exhausted` may close what is worth least.
    `no_room_for` gives for how long there will be no room for one more (seconds; 0: there is), beside so
    many that are on their way to their protocols: those who come wait in the backlog. `go_on` ends the pause.
    `connect` makes the connection of a socket (TLS does); without it, it is plain.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        factory: Callable[[], asyncio.BaseProtocol],
        exhausted: Callable[[], object] = _nothing,
        no_room_for: Callable[[int], float] = _room_at_once,
        connect: Connect | None = None,
    ) -> None:
        self._listening = listening
        self._factory = factory
        self._exhausted = exhausted
        self._no_room_for = no_room_for
        self._loop = asyncio.get_running_loop()
        self._connected = self._loop.connect_accepted_socket if connect is None else connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._listen()

    @property
    def port(self) -> int:
        """The TCP port."""
        port: int = self._listening[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening; what was accepted has its protocol then. Closing twice does nothing."""
        self._stop()
        for listening in self._listening:
            listening.close()
        self._listening = ()
        if self._pause is not None:
            self._pause.cancel()
        if self._tasks:  # cancelled, a loop would forget to tell the protocol of its connection's end
            await asyncio.wait(self._tasks)

    def go_on(self) -> None:
        """Accept again, if it waits."""
        if self._pause is not None:
            self._pause.cancel()
            self._listen()

    def _listen(self) -> None:
        self._pause = None
        for listening in self._listening:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)

    def _stop(self) -> None:
        for listening in self._listening:
            self._loop.remove_reader(listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MAX_ACCEPTS_PER_TURN):
            no_room_s = self._no_room_for(len(self._tasks))
            if no_room_s:
                self._wait(no_room_s)
                return
            try:
                accepted, _address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._say(error)
                    self._exhausted()
                    self._wait(ACCEPT_PAUSE_S)
                    return
                continue  # it has gone already
            with contextlib.suppress(OSError):  # it has gone already
                self._take(accepted)

    def _take(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            keep_alive(accepted)
        task = self._loop.create_task(self._connect(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._has_its_protocol)

    def _has_its_protocol(self, task: asyncio.Task[None]) -> None:
        """It is pending no more: there may be room after all."""
        self._tasks.discard(task)
        self.go_on()

    async def _connect(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone already
            await self._connected(self._factory, accepted)

    def _say(self, error: OSError) -> None:
        """The log tells it now and then."""
        now = self._loop.time()
        if now >= self._quiet_until:
            self._quiet_until = now + OUTSIDER_LOG_INTERVAL_S
            _log.warning("new connections wait: %s", error.strerror)

    def _wait(self, seconds: float) -> None:
        """Nothing more is accepted for a moment."""
        if self._pause is None:
            self._stop()
            self._pause = self._loop.call_later(seconds, self._listen)


def keep_alive(raw: socket.socket) -> None:
    """A TCP peer that has vanished, or reads nothing any more, is noticed without a word of the protocol.

    Probes find out about a silent one, the user timeout about one to which something was sent (tcp(7)).
    """
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNACKNOWLEDGED_S)


async def listen(host: str, port: int) -> list[socket.socket]:
    """TCP sockets that listen on all addresses of `host`; of this machine, if that is `*`. Raises OSError."""
    everywhere = host == ALL_ADDRESSES
    found = await asyncio.get_running_loop().getaddrinfo(
        None if everywhere else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    if everywhere and not socket.has_dualstack_ipv6():  # the C library names what the kernel has not
        found = [one for one in found if one[0] == socket.AF_INET]
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sockets.append(socket.socket(family, socket.SOCK_STREAM))
            _listen_on(sockets[-1], address)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listen_on(listening: socket.socket, address: Any) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind(address)
    listening.listen(LISTEN_BACKLOG)
