"""Keys for a program that waits for them: one request after the other.

Light to import: `dskectl get-key` is a process per key.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock  # threading's Lock, without what else threading loads
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dsked.delivery import control_asks
from dsked.delivery.control_asks import Ask, Result
from dsked.delivery.control_client import ControlClient, NoAnswerError, checked_timeout_s
from dsked.encryptor import asking
from dsked.encryptor.asking import NodeStatus
from dsked.encryptor.finding import find_socket
from dsked.errors import RequestError
from dsked.keys import Key
from dsked.limits import CONTROL_ANSWER_S

if TYPE_CHECKING:
    from uuid import UUID


class KeyClient:
    """Keys from the DSKE client on this host, for one encryptor.

    Holds one connection to the client's control socket, and opens another one when that is lost: the client
    may be started anew. Threads may share it, each request waits for the one before; a child process gets a
    connection of its own.

    Every request raises the error that the client declares (dsked/errors.py): RequestError and what derives
    from it where asking again will not help, ServiceError and what derives from it where it may. Of these
    NotRunningError means that nothing was sent, NoAnswerError that nobody knows what became of the request.
    FrameError: the reply makes no sense.
    """

    def __init__(
        self,
        encryptor: str | None = None,
        *,
        node: str | None = None,
        socket: str | Path | None = None,
        config: str | Path | None = None,
        runtime_dir: str | Path | None = None,
        timeout_s: float = CONTROL_ANSWER_S,
    ) -> None:
        """Connect to the client that serves `encryptor`; None stands for the client's only one.

        The client is that at `socket`, or else found as find_socket does: by its name `node`, or as the only
        one here, or the one that serves the encryptor. `timeout_s`: how long a request may take, unless it
        says otherwise.

        Raises what find_socket raises; NotRunningError where nobody listens at `socket`, NotAllowedError
        where this user may not connect, NoAnswerError where nobody accepts in time.
        """
        self._encryptor = encryptor
        self._timeout_s = checked_timeout_s(timeout_s)
        self._path = (
            Path(socket)
            if socket is not None
            else find_socket(
                encryptor, node=node, config=config, runtime_dir=runtime_dir, timeout_s=timeout_s
            )
        )
        self._closed = False
        self._process = os.getpid()
        self._lock = allocate_lock()
        self._connection = ControlClient(self._path, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection for good; a request of another thread ends in NoAnswerError."""
        self._closed = True
        if self._process != os.getpid():
            self._connection.close()
        elif self._lock.acquire(blocking=False):
            self._connection.close()
            self._lock.release()
        else:
            self._connection.interrupt()  # whoever asks closes it

    @property
    def path(self) -> Path:
        """The control socket of the client."""
        return self._path

    def get_key(
        self, responders: str | Iterable[str], size_bits: int | None = None, *, timeout_s: float | None = None
    ) -> Key:
        """Establish a new key with one or more responders: encryptors, each of whom may fetch it once.

        `size_bits`: a multiple of 8; None is the client's default size.
        """
        return asking.only(self.get_keys(responders, 1, size_bits, timeout_s=timeout_s))

    def get_keys(
        self,
        responders: str | Iterable[str],
        number: int = 1,
        size_bits: int | None = None,
        *,
        timeout_s: float | None = None,
    ) -> list[Key]:
        """Establish `number` new keys at once, all with the same responders."""
        return self._ask(asking.get_keys(responders, number, size_bits, self._encryptor), timeout_s)

    def get_key_by_id(
        self, initiator: str, key_id: bytes | str | UUID, *, timeout_s: float | None = None
    ) -> Key:
        """Fetch the key of this ID that the encryptor `initiator` established. It is handed out once."""
        return asking.only(self.get_keys_by_id(initiator, [key_id], timeout_s=timeout_s))

    def get_keys_by_id(
        self, initiator: str, key_ids: Iterable[bytes | str | UUID], *, timeout_s: float | None = None
    ) -> list[Key]:
        """Fetch keys that `initiator` established, in the order of their IDs: all of them, or none."""
        return self._ask(asking.get_keys_by_id(initiator, key_ids, self._encryptor), timeout_s)

    def locate(self, encryptor: str, *, timeout_s: float | None = None) -> str:
        """Name of the DSKE client that serves `encryptor`, wherever that is, as k hubs say alike."""
        return self._ask(control_asks.locate(encryptor), timeout_s)

    def status(self, *, timeout_s: float | None = None) -> NodeStatus:
        """What the DSKE client tells of itself."""
        return asking.node_status(self._ask(control_asks.status(), timeout_s))

    def _ask(self, ask: Ask[Result], timeout_s: float | None) -> Result:
        limit_s = self._timeout_s if timeout_s is None else checked_timeout_s(timeout_s)
        begun_s = time.monotonic()
        if self._process != os.getpid():
            self._begin_anew()
        lock = self._lock
        if not lock.acquire(timeout=limit_s):
            raise NoAnswerError(f"requests of other threads took {limit_s:g} s: nothing was sent")
        try:
            self._connect(begun_s + limit_s)
            return self._connection.ask(ask, limit_s, begun_s)
        finally:
            if self._closed:
                self._connection.close()
            lock.release()

    def _begin_anew(self) -> None:
        """In a child process: on one connection parent and child would take each other's keys."""
        self._process = os.getpid()
        self._lock = allocate_lock()  # a thread of the parent's may have held the other one
        self._connection.close()

    def _connect(self, deadline_s: float) -> None:
        """A connection whose next reply is that to the next request."""
        if self._closed:
            raise RequestError("this KeyClient is closed")
        if not self._connection.usable:
            self._connection.close()
            self._connection = ControlClient(self._path, max(deadline_s - time.monotonic(), 0.001))
