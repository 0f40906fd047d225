"""The control socket: what local processes send the daemon, and what a daemon may answer dskectl."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, cast

from dsked.delivery.access import AccessRules
from dsked.delivery.control_client import ControlClient
from dsked.delivery.control_connection import ControlConnection
from dsked.delivery.control_protocol import FrameBuffer, Op, encode_frame, encode_request
from dsked.delivery.service import KeyService
from dsked.errors import BadNumberError, DskedError, ErrorCode, FrameError, UnknownEncryptorError
from dsked.keys import Done, Key, KeyLimits
from dsked.limits import MAX_CONTROL_REQUEST_BYTES

from . import words
from .target import Given, Target
from .targets_config import shown

_KEY_ID = b"i" * 16
_MOST_KEYS = 4


def _cut_stream(pieces: Sequence[bytes], given: Given) -> None:
    buffer = FrameBuffer(512)
    for piece in pieces:
        given.extend(buffer.feed(piece))
        assert buffer.nr_pending <= 512 + 4
    given.append(buffer.nr_pending)


# --- the daemon ---


class _Keys:
    """A key service that gives fixed keys, and notes what it was asked."""

    name = "carol"
    encryptors = ("sam",)

    def __init__(self, asked: list[object]) -> None:
        self._asked = asked

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        self._asked.append((caller, list(responders), number, size_bits))
        if not 1 <= number <= _MOST_KEYS:
            done(BadNumberError(f"{number} keys"))
        else:
            done([Key(_KEY_ID, b"k" * 16)] * number)

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        self._asked.append((caller, initiator, list(key_ids)))
        done([Key(key_id, b"k") for key_id in key_ids])

    def locate(self, caller: str, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        self._asked.append((caller, encryptor))
        done("curtis" if encryptor == "sunny" else UnknownEncryptorError(f"no client serves {encryptor}"))

    def limits(self, initiator: str = "", responder: str = "") -> KeyLimits:
        raise AssertionError("the control socket tells no limits")


class _Node:
    """Whose control socket it is: server, node and deliveries in one."""

    role: Literal["hub", "client"] = "client"
    name = "carol"

    def __init__(self) -> None:
        self.node = self
        self.rules = AccessRules(os.getuid(), {}, {})
        self.asked: list[object] = []
        self.failures: Counter[ErrorCode] = Counter()

    def admit(self, connection: ControlConnection) -> None:
        """There is room."""

    def lost(self, connection: ControlConnection) -> None:
        """It is gone."""

    def unread_bytes(self, connection: ControlConnection) -> int:
        return 0

    def service(self) -> KeyService:
        return cast(KeyService, _Keys(self.asked))

    def deliveries(self) -> _Node:
        return self

    def adopt(self, bundle: bytes, done: Callable[[str | DskedError], None]) -> None:
        self.asked.append(bundle)
        done("hank")

    def status(self, first: int, done: Callable[[str | DskedError], None]) -> None:
        self.asked.append(first)
        done("{}")

    def drain(self) -> tuple[int, float]:
        self.asked.append("drain")
        return (7, 1.5)

    def stop(self) -> None:
        self.asked.append("stop")


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


@cache
def loop_and_end(process: int) -> tuple[asyncio.AbstractEventLoop, socket.socket]:
    """One for each process: a loop, and an end of a connection to ourselves."""
    loop, ends = asyncio.new_event_loop(), socket.socketpair()
    for one in (loop, *ends):
        atexit.register(one.close)
    return loop, ends[0]


def _serve(pieces: Sequence[bytes], given: Given) -> None:
    loop, end = loop_and_end(os.getpid())
    loop.run_until_complete(_connection(end, pieces, given))


async def _connection(end: socket.socket, pieces: Iterable[bytes], given: Given) -> None:
    node, transport = _Node(), Transport(end)
    connection = ControlConnection(cast(Any, node))
    connection.connection_made(transport)
    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
    await asyncio.sleep(0)  # replies leave when the turn ends
    given += [node.asked, node.failures, transport.written, transport.closed]
    connection.connection_lost(None)


def _requests() -> list[bytes]:
    made = [
        encode_request(Op.GET_KEYS, 1, [["sunny"], 2, 256, "sam"]),
        encode_request(Op.GET_KEYS, 2, [["sunny", "sofia"], 1, None, None]),
        encode_request(Op.GET_KEYS_BY_ID, 3, ["sam", [_KEY_ID], None]),
        encode_request(Op.STATUS, 4, []),
        encode_request(Op.STATUS, 8, [100]),
        encode_request(Op.LOCATE, 5, ["sunny"]),
        encode_request(Op.ADOPT, 6, [b"u" * 16]),
        encode_request(Op.STOP, 7, []),
        encode_request(Op.DRAIN, 9, []),
    ]
    return [*made, b"".join(made)]


# --- dskectl ---


class _Socket:
    """Gives a reply in pieces, then the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = filter(None, pieces)

    def settimeout(self, seconds: float) -> None:
        """It never waits."""

    def sendall(self, data: bytes, flags: int) -> None:
        """It knows what it will say."""

    def recv(self, length: int) -> bytes:
        return next(self._pieces, b"")

    def close(self) -> None:
        """It is no real one."""


class _Client(ControlClient):
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._given = _Socket(pieces)
        super().__init__("/run/dsked/client-carol.sock")

    def _connect(self) -> socket.socket:
        return cast(socket.socket, self._given)


_CALLS: tuple[Callable[[ControlClient], object], ...] = (
    lambda client: [(key.key_id.hex(), key.key.hex()) for key in client.get_keys(["sunny"])],
    lambda client: [(key.key_id.hex(), key.key.hex()) for key in client.get_keys_by_id("sam", [_KEY_ID])],
    lambda client: _shown_status(client.status()),
    lambda client: client.locate("sunny").encode(),
    lambda client: client.adopt(b"u" * 16).encode(),
    ControlClient.stop,
    ControlClient.drain,
)


def _shown_status(status: dict[str, Any]) -> object:
    assert all(status[name] is not ... for name in ("role", "name", "ready", "reason", "pid", "version"))
    return json.dumps({**status, **status["status"]})


def _call(pieces: Sequence[bytes], given: Given) -> None:
    """A reply to a request; the first byte tells to which."""
    first = next((piece[0] for piece in pieces if piece), 0)
    rest, skipped = [], False
    for piece in pieces:
        rest.append(piece if skipped else piece[1:])
        skipped = skipped or bool(piece)
    given.append(_CALLS[first % len(_CALLS)](_Client(rest)))


def _replies() -> list[bytes]:
    status = {
        "role": "client", "name": "carol", "pid": 1, "version": "1", "ready": True, "reason": None,
        "status": {},
    }  # fmt: skip
    results: list[Any] = [
        [[_KEY_ID, b"k" * 16]],
        [[_KEY_ID, b"k"]] * 2,
        json.dumps(status),
        "curtis",
        "hank",
        None,
        [7, 1.5],
    ]
    made = [bytes([number]) + encode_frame([1, 0, result]) for number, result in enumerate(results)]
    refused = [bytes([number]) + encode_frame([1, 36, "no key ID"]) for number in (0, 1)]
    return [*made, *refused, b"\x00" + encode_frame([0, 5, "too many connections"])]


TARGETS = (
    Target(
        name="control-buffer",
        what="requests cut out of the stream of a control socket",
        declared=(FrameError,),
        seeds=_requests,
        stream=_cut_stream,
    ),
    Target(
        name="control-daemon",
        what="what a local process sends the daemon: everything is answered, nothing comes out",
        declared=(),
        seeds=_requests,
        stream=_serve,
        msgpack_at=4,
        regressions=(_requests()[3] + (MAX_CONTROL_REQUEST_BYTES + 1).to_bytes(4, "big"),),
    ),
    Target(
        name="control-reply",
        what="what a daemon answers dskectl",
        declared=(DskedError,),
        shown=shown,
        seeds=_replies,
        stream=_call,
        msgpack_at=5,
        words=words.STATUS,
        max_bytes=8192,
        regressions=tuple(
            bytes([number]) + encode_frame([1, code, result])
            for number in range(len(_CALLS))
            for code, result in (
                (0, 7),
                (0, [7]),
                (0, ["ab"]),
                (0, "7"),
                (0, "{}"),
                ([], ""),
                (0, "[" * 5000),
            )
        ),
    ),
)
