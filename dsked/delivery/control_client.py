"""The requesting side of the control socket: one blocking request after the other.

dskectl loads this for a single request, so that it imports little: no event loop, no validation library.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from dsked.delivery import control_asks
from dsked.delivery.control_asks import Ask, Result, read_reply, refusal
from dsked.delivery.control_protocol import MAX_REQUEST_ID, FrameBuffer
from dsked.errors import DskedError, FrameError, NotAllowedError, RequestError, ServiceError
from dsked.keys import Key
from dsked.limits import (
    CONTROL_ANSWER_S,
    MAX_CONTROL_ANSWER_S,
    MAX_SOCKET_PATH_BYTES,
    MIN_CONTROL_ANSWER_S,
)

_PEER_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_RECEIVE_BYTES = 256 * 1024


class NotRunningError(ServiceError):
    """No node listens on the control socket."""


class NoAnswerError(ServiceError):
    """A node listens on the control socket, but did not answer in time or closed the connection."""


class ControlClient:
    """A connection to a node's control socket.

    Every request raises the error that the node declares, of the class that declares its code;
    NoAnswerError when no reply comes within `timeout_s`, after which the connection is of no more use.
    """

    def __init__(self, path: str | Path, timeout_s: float = CONTROL_ANSWER_S) -> None:
        """Connect to the socket at `path`.

        Raises NotRunningError when nobody listens there, NotAllowedError when this user may not connect.
        """
        self._path = str(path)
        self._timeout_s = checked_timeout_s(timeout_s)
        self._request_id = 0
        self._frames = FrameBuffer()
        self._in_step = True  # the next reply is that to the next request
        self._socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Closing twice does nothing."""
        self._socket.close()

    def interrupt(self) -> None:
        """End the request that another thread waits for; that thread closes the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def peer_pid(self) -> int:
        """Process ID of the daemon that listens, as the kernel noted it (SO_PEERCRED)."""
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        pid: int = _PEER_CREDENTIALS.unpack(credentials)[0]
        return pid

    @property
    def path(self) -> Path:
        """The control socket."""
        return Path(self._path)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent: all replies have come, and the node has not hung up."""
        if not self._in_step:
            return False
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the end, or what nobody asked for: why the node is about to hang up

    def get_keys(
        self,
        responders: Sequence[str],
        number: int = 1,
        size_bits: int | None = None,
        as_encryptor: str | None = None,
    ) -> list[Key]:
        """Establish `number` new keys with `responders`; `size_bits` None is the node's default size."""
        return self.ask(control_asks.get_keys(responders, number, size_bits, as_encryptor))

    def get_keys_by_id(
        self, initiator: str, key_ids: Sequence[bytes], as_encryptor: str | None = None
    ) -> list[Key]:
        """Fetch the keys of these IDs (16 bytes each) that `initiator` established."""
        return self.ask(control_asks.get_keys_by_id(initiator, key_ids, as_encryptor))

    def status(self, first: int = 0) -> dict[str, Any]:
        """The node's status: role, name, pid, version, ready, reason, status (control_protocol.py).

        Of a hub with many clients it is the page from number `first` on; `whole_status` gives all.
        """
        return self.ask(control_asks.status(first))

    def whole_status(self) -> dict[str, Any]:
        """The same with every client of a hub, page by page.

        Clients that come or go meanwhile may be missing; none is told of twice.
        """
        answer = self.status()
        pages = page = _page(answer)
        number = answer["status"].get("nr_peer_clients", 0)
        if not isinstance(number, int) or number > MAX_REQUEST_ID:
            raise FrameError("the node's status is not understood: is it of another version?")
        while page and len(pages) < number:
            page = _page(self.status(len(pages)))
            pages += page
        return answer

    def stop(self) -> None:
        """Tell the node to stop; returns when it has taken the order."""
        self.ask(control_asks.stop())

    def drain(self) -> tuple[int, float]:
        """Have a hub take no new shares: how many are left, and in how many seconds they have timed out."""
        return self.ask(control_asks.drain())

    def locate(self, encryptor: str) -> str:
        """Name of the client that serves `encryptor`."""
        return self.ask(control_asks.locate(encryptor))

    def adopt(self, bundle: bytes) -> str:
        """Let the node take over the delivery that is staged under a bundle's UUID; gives the peer's name."""
        return self.ask(control_asks.adopt(bundle))

    def ask(self, ask: Ask[Result], timeout_s: float | None = None, begun_s: float | None = None) -> Result:
        """Send a request and wait for its result, `timeout_s` at most where another time is wanted.

        It counts from `begun_s` (time.monotonic), where that was earlier.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        now_s = time.monotonic()
        deadline_s = max((now_s if begun_s is None else begun_s) + limit_s, now_s + MIN_CONTROL_ANSWER_S)
        self._request_id = self._request_id % MAX_REQUEST_ID + 1
        frame = ask.frame(self._request_id)
        self._in_step = False
        try:
            self._send(frame, deadline_s - now_s)
            code, result = self._reply(deadline_s)
        except TimeoutError:
            within = f"within {round(limit_s, 3):g} s"
            raise NoAnswerError(f"the node on {self._path} did not answer {within}") from None
        except OSError as error:
            raise NoAnswerError(f"the connection to {self._path} failed: {error.strerror}") from None
        return ask.outcome(code, result)

    def _connect(self) -> socket.socket:
        connection = unix_socket(self._path)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            raise connecting_failed(self._path, error) from None
        return connection

    def _send(self, frame: bytes, limit_s: float) -> None:
        self._socket.settimeout(limit_s)
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # what it said before is read as reply
            self._socket.sendall(frame, socket.MSG_NOSIGNAL)

    def _reply(self, deadline_s: float) -> tuple[int, object]:
        """Code and result of the reply. Raises what the node says of the connection itself."""
        request_id, code, result = read_reply(self._receive(deadline_s))
        if request_id == 0:
            raise refusal(code, result)
        if request_id != self._request_id:
            raise FrameError("the node answered another request than the one it was sent")
        self._in_step = self._frames.nr_pending == 0
        return code, result

    def _receive(self, deadline_s: float) -> bytes:
        while True:
            self._socket.settimeout(max(deadline_s - time.monotonic(), 0.001))
            data = self._socket.recv(_RECEIVE_BYTES)
            if not data:
                raise NoAnswerError(f"the node on {self._path} closed the connection without an answer")
            for frame in self._frames.feed(data):
                return frame


def checked_timeout_s(timeout_s: float) -> float:
    """The same. Raises RequestError where it is no time to wait."""
    if isinstance(timeout_s, int | float) and MIN_CONTROL_ANSWER_S <= timeout_s <= MAX_CONTROL_ANSWER_S:
        return timeout_s
    raise RequestError(
        f"timeout_s is {timeout_s!r}: {MIN_CONTROL_ANSWER_S:g} to {MAX_CONTROL_ANSWER_S:g} s is expected"
    )


def unix_socket(path: str) -> socket.socket:
    """A socket that is not connected yet. Raises NotRunningError where nobody can listen at `path`."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise NotRunningError(f"no node can listen on {path}: Unix allows {MAX_SOCKET_PATH_BYTES} bytes")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def connecting_failed(path: str, error: OSError) -> DskedError:
    """What it means that no connection to `path` came to be."""
    if isinstance(error, PermissionError):
        return NotAllowedError(f"you may not use {path}: its user, its group or root may")
    if isinstance(error, TimeoutError):
        return NoAnswerError(f"the node on {path} does not answer")
    return NotRunningError(f"no node is listening on {path}")


def _page(answer: dict[str, Any]) -> list[Any]:
    """The clients that a status tells of. Raises FrameError where that is no list."""
    page = answer["status"].get("peer_clients", [])
    if not isinstance(page, list):
        raise FrameError("the node's status is not understood: is it of another version?")
    return page
