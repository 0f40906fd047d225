"""Length-prefixed pieces as an onlooker sees them: where they end, and which positions they use."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgpack

LENGTH_BYTES = 4
FRAME = 0x97  # msgpack array of 7; the handshake's messages have other lengths
_M3, _M4_OR_M0 = 0x96, 0x93
_MAGIC = 0xA4  # the string that M0 begins with, where M4 has a number
WRAPPED = 0x91  # msgpack array of 1
SEALED = (0x08, 0x09)  # PSRD_REQUEST and PSRD_BLOCK use no positions
_MASK_BYTES = 16
_PROOF_BYTES = 48
#: The position stands at offset 12, the pads at 21 (proto/frames.md, section 1).
_HEADER = struct.Struct(">12xQxI")
_MAX_PIECE_BYTES = 1024 * 1024


class Use(NamedTuple):
    """Positions [start, end) of the sender's stream, and what used them."""

    start: int
    end: int
    kind: str


def split(data: bytes) -> Iterator[bytes]:
    """Whole pieces that were written together."""
    at = 0
    while at < len(data):
        end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        yield data[at:end]
        at = end


def is_frame(piece: bytes) -> bool:
    """True for a frame of a session, sealed ones not counted."""
    return piece[LENGTH_BYTES] == FRAME and piece[5] not in SEALED


def is_any_frame(piece: bytes) -> bool:
    """True for a frame of a session, and for a sealed one."""
    return piece[LENGTH_BYTES] == FRAME


def use_of(piece: bytes) -> Use | None:
    """The positions that a piece uses, if any."""
    kind = piece[LENGTH_BYTES]
    if kind == FRAME:
        if piece[5] in SEALED:
            return None
        position, pads = _HEADER.unpack_from(piece)
        return Use(position, position + _MASK_BYTES + pads, f"frame {piece[5]:#x}")
    if kind == _M3 or (kind == _M4_OR_M0 and piece[5] != _MAGIC):
        position = msgpack.unpackb(piece[LENGTH_BYTES:])[0]
        return Use(position, position + _PROOF_BYTES, "M3" if kind == _M3 else "M4")
    return None


class Cutter:
    """Cuts what arrives into pieces, whatever the boundaries."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self.lost = False  # a length that no piece can have: there is no next piece

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """The pieces that `data` completes, each with the offset in `data` behind its last byte."""
        before = len(self._partial)
        self._partial += data
        whole: list[tuple[bytes, int]] = []
        at = 0
        while len(self._partial) - at >= LENGTH_BYTES and not self.lost:
            length = int.from_bytes(self._partial[at : at + LENGTH_BYTES], "big")
            self.lost = not 0 < length <= _MAX_PIECE_BYTES
            end = at + LENGTH_BYTES + length
            if self.lost or end > len(self._partial):
                break
            whole.append((bytes(self._partial[at:end]), end - before))
            at = end
        del self._partial[:at]
        return whole
