"""The control socket's messages: what the server and the client must agree on.

A connection to the Unix stream socket carries frames in both directions: a 4-byte big-endian length,
then one msgpack array of that many bytes.

    request   [op, request id, args]
    reply     [request id, code, result]        code is ErrorCode.OK
              [request id, code, message]       any other code: one line for people

    op                 args                                                    result
    1 GET_KEYS         [[responder, ...], number, size in bits or nil, as]     [[key ID, key], ...]
    2 GET_KEYS_BY_ID   [initiator, [key ID, ...], as]                          [[key ID, key], ...]
    3 STATUS           [] or [first peer]                                      JSON text, see below
    4 STOP             []                                                      nil, then the node stops
    5 LOCATE           [encryptor]                                             name of its client
    6 ADOPT            [bundle UUID]                                           name of the peer
    7 DRAIN            []                                                      [shares left, seconds]

ADOPT takes over the blocks that lie in the node's state directory under a bundle's UUID (a bin of 16
bytes); `dskectl psrd` has put them there. It is for root and the node's own user, like STOP and DRAIN.

DRAIN has a hub take no new shares until it is started again, and its clients told. The shares that are left
are fetched or time out within so many seconds (a float); asked again it tells how far that is.

`as` is the encryptor for which the caller acts; nil stands for the client's only one. Key IDs and keys
are msgpack bins, key IDs of 16 bytes. Request IDs are chosen by the requester, below 2**32; replies come
as they are done, in any order. Wrong arguments and unknown operations get an error reply. What is not
even a request (or has a request ID that is still in use) gets an error reply to request 0, and the
connection is closed; so does a connection too many.

STATUS gives the text of one JSON object: `role` ("hub" or "client"), `name`, `pid`, `version`, `ready`,
`reason` (null when ready), and `status`, the object with the node's own state. That of a hub tells of a page
of its clients (`peer_clients`): those from number `first peer` on, 0 without it. `first_peer_client` repeats
the number, and `nr_peer_clients` says how many there are; whoever wants them all asks again and again.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Any

import msgpack

from dsked.errors import DskedError, ErrorCode, FrameError
from dsked.limits import MAX_CONTROL_FRAME_BYTES

_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size
MAX_REQUEST_ID = 2**32 - 1


class Op(enum.IntEnum):
    """What a request asks for."""

    GET_KEYS = 1
    GET_KEYS_BY_ID = 2
    STATUS = 3
    STOP = 4
    LOCATE = 5
    ADOPT = 6
    DRAIN = 7


def as_frame(body: bytes) -> bytes:
    """An encoded message with its length in front. Raises FrameError where it is over the limit."""
    length = len(body)
    if length > MAX_CONTROL_FRAME_BYTES:
        raise FrameError(f"message of {length} bytes; the limit is {MAX_CONTROL_FRAME_BYTES}")
    return length.to_bytes(LENGTH_BYTES, "big") + body


def encode_frame(message: list[Any]) -> bytes:
    """One message as a frame. Raises FrameError where it is over the limit."""
    return as_frame(msgpack.packb(message))


def encode_request(op: Op, request_id: int, args: list[Any]) -> bytes:
    """A request as a frame."""
    return encode_frame([int(op), request_id, args])


class FrameBuffer:
    """Cuts a stream of bytes into frames.

    An incomplete frame is kept until the rest comes: never more than one frame of the largest size, and
    what one `feed` brought.
    """

    def __init__(self, max_frame_bytes: int = MAX_CONTROL_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._pending = bytearray()

    @property
    def nr_pending(self) -> int:
        """Bytes of a frame that has come in part."""
        return len(self._pending)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the bytes that came; gives the bodies of the frames that they complete.

        Whoever stops in between finds the rest in the next `feed`. Raises FrameError where a length is over
        the limit: the stream is of no use from there on.
        """
        if self._pending:
            self._pending += data
            if not self._frame_is_whole():
                return
            data = bytes(self._pending)
            self._pending.clear()
        start, available = 0, len(data)
        try:
            while available - start >= LENGTH_BYTES:
                end = start + LENGTH_BYTES + self._checked_length(data, start)
                if end > available:
                    break
                frame = data[start + LENGTH_BYTES : end]
                start = end
                yield frame
        finally:
            self._pending += data[start:]

    def _frame_is_whole(self) -> bool:
        """Bytes that trickle in are not looked at before there is something to give."""
        have = len(self._pending)
        return have >= LENGTH_BYTES and have >= LENGTH_BYTES + self._checked_length(self._pending, 0)

    def _checked_length(self, data: bytes | bytearray, start: int) -> int:
        length: int = _LENGTH.unpack_from(data, start)[0]
        if length > self._max_frame_bytes:
            raise FrameError(f"frame of {length} bytes; the limit is {self._max_frame_bytes}")
        return length


def _classes_by_code() -> dict[ErrorCode, type[DskedError]]:
    """The first class of the tree, from its root, that declares each code."""
    classes: dict[ErrorCode, type[DskedError]] = {}
    level: list[type[DskedError]] = [DskedError]
    while level:
        for error in level:
            if "code" in vars(error):
                classes.setdefault(error.code, error)
        level = [child for error in level for child in error.__subclasses__()]
    return classes


_CLASSES = _classes_by_code()


def error_from_reply(code: int, message: str) -> DskedError:
    """The error that a reply tells, of the class that declares its code; DskedError for an unknown one."""
    known = code in ErrorCode._value2member_map_
    return _CLASSES.get(ErrorCode(code), DskedError)(message) if known else DskedError(message)
