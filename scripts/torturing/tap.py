"""What a connection between a client and a hub tells an onlooker: pieces, and the positions that they use.

The onlooker has no keys. The handshake tells it the streams, and every frame its position and pads in
clear, at fixed offsets (proto/frames.md, section 1). A use counts from the moment when its position can be
read, though the rest of the piece may never come: the sender was killed in the middle of a write, say.
Nothing here is taken from the daemon's own code.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from .ledger import HANDSHAKE_BYTES

LENGTH_BYTES = 4
FRAME = 0x97  # msgpack array of 7; the handshake's messages have other lengths
SEALED = {0x08, 0x09}  # PSRD_REQUEST and PSRD_BLOCK of simulated pools: they use no positions
MASK_BYTES = 16
NAMES = {
    0x01: "REGISTER", 0x02: "REGISTERED", 0x03: "UNREGISTER", 0x04: "PING", 0x05: "ERROR",
    0x08: "PSRD_REQUEST", 0x09: "PSRD_BLOCK", 0x10: "PUT_SHARES", 0x11: "PUT_SHARES_ACK",
    0x12: "GET_SHARES", 0x13: "SHARES", 0x18: "LOCATE", 0x19: "LOCATED",
}  # fmt: skip
#: The type at offset 5, the position at 12, the pads at 21; what follows tells no use.
_HEADER = struct.Struct(">5xB6xQxI")
REFUSED_REWIND = 19  # M2's code


class Way(enum.Enum):
    """A direction. The owner of the stream that it uses is its sender."""

    TO_HUB = "to the hub"
    TO_CLIENT = "to the client"


class Piece(NamedTuple):
    """A whole handshake message or frame. `number` counts those of its direction, from 0."""

    way: Way
    number: int
    name: str
    raw: bytes

    @property
    def is_handshake(self) -> bool:
        """M0 to M4."""
        return self.raw[LENGTH_BYTES] != FRAME


class Range(NamedTuple):
    """The positions that a piece uses, [start, end), of the stream that its sender owns."""

    way: Way
    number: int
    name: str
    start: int
    end: int


class Hello(NamedTuple):
    """What M1 or M2 says in clear. `client` stands in M1 only, `code` in M2 only."""

    boot_id: bytes
    client_stream: bytes
    hub_stream: bytes
    client: str
    code: int


@dataclass
class _Half:
    """One direction: what has come and is not cut into pieces yet."""

    way: Way
    pending: bytearray = field(default_factory=bytearray)
    nr_pieces: int = 0
    nr_handshake: int = 0
    noted: bool = False  # the use of the piece that is coming

    @property
    def in_handshake(self) -> bool:
        return self.pending[LENGTH_BYTES] != FRAME

    @property
    def name(self) -> str:
        """Of the piece that is coming: the hub sends M0, M2 and M4, the client M1 and M3."""
        if self.in_handshake:
            return f"M{2 * self.nr_handshake + (self.way is Way.TO_HUB)}"
        kind = self.pending[LENGTH_BYTES + 1]
        return NAMES.get(kind, f"frame of type {kind}")


class Tap:
    """One connection. `used` is called with every range as soon as it can be read.

    `hellos`: M1 (of the way to the hub) and M2, as soon as they are there.
    """

    def __init__(self, used: Callable[[Range], None]) -> None:
        self._used = used
        self._halves = {way: _Half(way) for way in Way}
        self.hellos: dict[Way, Hello] = {}

    def feed(self, way: Way, data: bytes) -> Iterator[Piece]:
        """Take bytes of one direction; the whole pieces among them, each after its use was told."""
        half = self._halves[way]
        half.pending += data
        while len(half.pending) > LENGTH_BYTES:
            if not half.noted:
                self._note(half)
            end = LENGTH_BYTES + int.from_bytes(half.pending[:LENGTH_BYTES], "big")
            if end > len(half.pending):
                return
            yield self._take(half, end)

    def rest(self, way: Way) -> bytes:
        """What came of a piece that is not whole."""
        return bytes(self._halves[way].pending)

    @property
    def proved(self) -> bool:
        """True once M3 has begun to come."""
        half = self._halves[Way.TO_HUB]
        return half.nr_handshake > 1 or bool(half.pending)

    def _take(self, half: _Half, end: int) -> Piece:
        piece = Piece(half.way, half.nr_pieces, half.name, bytes(half.pending[:end]))
        if piece.is_handshake:
            half.nr_handshake += 1
            self._learn(piece)
        del half.pending[:end]
        half.nr_pieces += 1
        half.noted = False
        return piece

    def _note(self, half: _Half) -> None:
        """Tell the use of the piece that is coming, once its position can be read."""
        if half.in_handshake:
            if half.name in ("M3", "M4") and (start := _first_field(half.pending)) is not None:
                self._tell(half, start, HANDSHAKE_BYTES)
        elif len(half.pending) >= _HEADER.size:
            kind, position, pads = _HEADER.unpack_from(half.pending)
            if kind not in SEALED:
                self._tell(half, position, MASK_BYTES + pads)

    def _tell(self, half: _Half, start: int, length: int) -> None:
        half.noted = True
        self._used(Range(half.way, half.nr_pieces, half.name, start, start + length))

    def _learn(self, piece: Piece) -> None:
        if piece.name not in ("M1", "M2"):
            return
        fields: list[Any] = msgpack.unpackb(piece.raw[LENGTH_BYTES:], strict_map_key=False)
        client, code = "", 0
        if piece.name == "M1":
            _, client, _, _, boot_id, _, _, holdings, *_ = fields
        else:
            _, code, _, boot_id, _, _, holdings, *_ = fields
        self.hellos[piece.way] = Hello(boot_id, holdings[0], holdings[1], client, code)


def _first_field(pending: bytearray) -> int | None:
    """The first field of a piece that may not be whole; M3 and M4 begin with their position."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(bytes(pending[LENGTH_BYTES:]))
    try:
        unpacker.read_array_header()
        position: int = unpacker.unpack()
    except msgpack.OutOfData:
        return None
    return position
