"""Frames: a 4-byte big-endian length and one msgpack array of seven fields at fixed offsets.

    offset  0      4     5     6              11             20          25           34
            length 0x97  type  ce request id  cf position    ce pads     cf ack       c6 length body
                                                                          ... body, c4 10, tag (16)

Nothing is unpacked before the tag, the last 16 bytes, has verified. Length and header bytes are
checked first, and any msgpack tool can still read a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dsked.errors import FrameError
from dsked.limits import MAX_TURN_BYTES, TAG_BYTES

LENGTH_BYTES = 4
ARRAY_OF_7 = 0x97
_UINT32, _UINT64, _BIN32 = 0xCE, 0xCF, 0xC6
_TAG_HEAD = b"\xc4\x10"  # bin8 of 16 bytes
_HEADER = struct.Struct(">IBBBIBQBIBQBI")
HEADER_BYTES = _HEADER.size
TRAILER_BYTES = len(_TAG_HEAD) + TAG_BYTES
#: A frame's bytes beside its body.
OVERHEAD_BYTES = HEADER_BYTES + TRAILER_BYTES
MAX_TYPE = 0x7F


class Header(NamedTuple):
    """The fields of a frame that stand outside its body. Positions and pads are in bytes."""

    type: int
    request_id: int
    position: int
    pads: int
    ack: int


def encode_untagged(header: Header, body: bytes) -> bytes:
    """All bytes of a frame before its tag: what the tag covers."""
    return b"".join(untagged_parts(header, body))


def untagged_parts(header: Header, body: bytes) -> tuple[bytes, bytes, bytes]:
    """The same in parts, of which the second is `body` itself."""
    length = OVERHEAD_BYTES - LENGTH_BYTES + len(body)
    head = _HEADER.pack(
        length, ARRAY_OF_7, header.type, _UINT32, header.request_id, _UINT64, header.position,
        _UINT32, header.pads, _UINT64, header.ack, _BIN32, len(body),
    )  # fmt: skip
    return head, body, _TAG_HEAD


def decode_header(frame: bytes) -> Header:
    """The header of a whole frame (length prefix included). Raises FrameError on any odd byte."""
    if len(frame) < OVERHEAD_BYTES:
        raise FrameError(f"a frame has at least {OVERHEAD_BYTES} bytes, this one {len(frame)}")
    (length, array, kind, m_request, request_id, m_position, position,
     m_pads, pads, m_ack, ack, m_body, body_bytes) = _HEADER.unpack_from(frame)  # fmt: skip
    marks = (array, m_request, m_position, m_pads, m_ack, m_body)
    if marks != (ARRAY_OF_7, _UINT32, _UINT64, _UINT32, _UINT64, _BIN32) or kind > MAX_TYPE:
        raise FrameError("a frame's header bytes are wrong")
    if length + LENGTH_BYTES != len(frame) or body_bytes + OVERHEAD_BYTES != len(frame):
        raise FrameError("a frame's lengths disagree")
    if frame[-TRAILER_BYTES:-TAG_BYTES] != _TAG_HEAD:
        raise FrameError("a frame's tag field is wrong")
    return Header(kind, request_id, position, pads, ack)


def body_of(frame: bytes) -> bytes:
    """The body's bytes of a frame whose header has been decoded."""
    return frame[HEADER_BYTES:-TRAILER_BYTES]


class _LongPiece:
    """A piece that is longer than what is received at once: memory of its full length, `have` bytes of it."""

    __slots__ = ("have", "memory")

    def __init__(self, length: int) -> None:
        self.memory = bytearray(length)
        self.have = 0

    def take(self, data: memoryview) -> int:
        """Put in what of `data` belongs to the piece; how many bytes."""
        end = min(self.have + len(data), len(self.memory))
        taken = end - self.have
        self.memory[self.have : end] = data[:taken]
        self.have = end
        return taken

    @property
    def whole(self) -> bool:
        return self.have == len(self.memory)


class FrameBuffer:
    """Cuts a byte stream into length-prefixed pieces, whatever the boundaries it arrives in.

    O(1) per byte: whole pieces are sliced straight out of the data at hand, only a partial one is
    kept, in a buffer that is there no longer than the piece needs it. One that is longer than MAX_TURN_BYTES
    has memory of its full length at once, into which the rest may be received directly: see `rest`.
    `max_bytes` (the prefix not counted) may be raised while reading goes on.
    """

    __slots__ = ("_long", "_partial", "max_bytes", "nr_pieces")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nr_pieces = 0  # whole ones so far
        self._partial: bytearray | None = None
        self._long: _LongPiece | None = None  # in place of `_partial`

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The whole pieces, each with its length prefix. Raises FrameError on an oversized length."""
        if self._long is not None:
            data = data[self._long.take(memoryview(data)) :]
            if not self._long.whole:
                return
            yield self._take_long()
        elif self._partial is not None:
            if len(self._partial) + len(data) < self._wanted(self._partial):
                self._partial += data
                return
            data = b"".join((self._partial, data))
            self._partial = None
        start, available = 0, len(data)
        while available - start >= LENGTH_BYTES:
            end = start + LENGTH_BYTES + self._length(data, start)
            if end > available:
                break
            self.nr_pieces += 1
            yield data[start:end]
            start = end
        if start < available:
            self._keep(memoryview(data)[start:])

    def _take_long(self) -> bytes:
        assert self._long is not None
        piece, self._long = bytes(self._long.memory), None
        self.nr_pieces += 1
        return piece

    def _keep(self, beginning: memoryview) -> None:
        partial = bytearray(beginning[:LENGTH_BYTES])
        length = self._wanted(partial)
        if length > MAX_TURN_BYTES:
            self._long = _LongPiece(length)
            self._long.take(beginning)
        else:
            self._partial = bytearray(beginning)

    @property
    def rest(self) -> memoryview | None:
        """Where the rest of a long piece belongs; None where what comes is to be fed.

        Who puts bytes there tells `filled`.
        """
        return memoryview(self._long.memory)[self._long.have :] if self._long is not None else None

    def filled(self, nr_bytes: int) -> bool:
        """So many bytes stand in `rest`. True when the piece is whole: `feed` gives it first."""
        assert self._long is not None
        self._long.have += nr_bytes
        return self._long.whole

    def _wanted(self, partial: bytearray) -> int:
        if len(partial) < LENGTH_BYTES:
            return LENGTH_BYTES
        return LENGTH_BYTES + self._length(partial, 0)

    def _length(self, data: bytes | bytearray, start: int) -> int:
        length = int.from_bytes(data[start : start + LENGTH_BYTES], "big")
        if not 0 < length <= self.max_bytes:
            raise FrameError(f"a length of {length} bytes; 1 to {self.max_bytes} are allowed")
        return length

    @property
    def partial_bytes(self) -> int:
        """Bytes of the piece that has not arrived in full."""
        if self._long is not None:
            return self._long.have
        return 0 if self._partial is None else len(self._partial)
