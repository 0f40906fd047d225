"""A proxy on the path between a client and a hub: it records what passes, and can change it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from enum import Enum

from dsked.errors import FrameError
from dsked.limits import MAX_FRAME_BYTES
from dsked.wire.frame import FrameBuffer
from scripts.laboratory import LIMIT_S

_RECEIVE_BYTES = 65_536


class To(Enum):
    """A direction."""

    HUB = "hub"
    CLIENT = "client"


#: What becomes of a piece (a frame or a handshake message with its length prefix): None lets it pass
#: and waits for the next one, anything else is sent in its place, and the proxy is honest again.
Change = Callable[[bytes], bytes | None]


class Proxy:
    """Listens on a port of its own and passes every connection on to the hub at `port`."""

    def __init__(self, port: int) -> None:
        self._hub_port = port
        self._lock = threading.Lock()
        self._changes: dict[To, Change] = {}
        self._changed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.nr_connections = 0  # so far
        self.passed: dict[To, list[bytes]] = {}  # the pieces of the newest connection, as they were sent
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        """Drop everything, and wait until all threads have ended."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(LIMIT_S)
        self.drop()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def drop(self) -> None:
        """Cut all connections that pass through here."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def change_next(self, direction: To, change: Change) -> threading.Event:
        """Change one piece; the event is set once that has happened."""
        with self._lock:
            self._changed = threading.Event()
            self._changes[direction] = change
            return self._changed

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                hub = socket.create_connection(("127.0.0.1", self._hub_port), LIMIT_S)
            except OSError:
                client.close()
                continue
            hub.settimeout(None)
            passed: dict[To, list[bytes]] = {To.HUB: [], To.CLIENT: []}
            with self._lock:
                self._open += [client, hub]
                self.passed = passed
                self.nr_connections += 1
            self._start(self._pump, client, hub, To.HUB, passed[To.HUB])
            self._start(self._pump, hub, client, To.CLIENT, passed[To.CLIENT])

    def _pump(self, source: socket.socket, sink: socket.socket, direction: To, passed: list[bytes]) -> None:
        frames = FrameBuffer(MAX_FRAME_BYTES)
        with contextlib.suppress(OSError, FrameError):
            while data := source.recv(_RECEIVE_BYTES):
                for piece in frames.feed(data):
                    passed.append(piece)
                    sink.sendall(self._changed_piece(direction, piece))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.remove(source)
        source.close()

    def _changed_piece(self, direction: To, piece: bytes) -> bytes:
        with self._lock:
            change = self._changes.get(direction)
            instead = change(piece) if change is not None else None
            if instead is None:
                return piece
            del self._changes[direction]
            self._changed.set()
            return instead
