"""Pieces of a connection, frames, and what a receiver of a frame does (frames.md, wrapping.md)."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from decoding.ciphers import open_aead, poly1305, xor
from decoding.packed import MalformedError, unpacked
from decoding.shapes import MESSAGES, SECRET_TYPES

MAX_FRAME_BYTES, MAX_HANDSHAKE_BYTES, WRAPPING_BYTES = 393216, 512, 22
MASK_BYTES, TAG_BYTES, MAX_PADS = 16, 16, 262144
_HEADER = struct.Struct(">IBBBIBQBIBQBI")
_HEADS = bytes.fromhex("97cecfcecfc6")


class RefusedError(Exception):
    """`result`: FRAME, TAG, REPLAY or WINDOW. `verified`: the tag was right, and the mark has moved."""

    def __init__(self, result: str, why: str, *, verified: bool = False) -> None:
        super().__init__(why)
        self.result = result
        self.verified = verified


class Header(NamedTuple):
    """The fixed fields of a frame."""

    type: int
    request_id: int
    position: int
    pads: int
    ack: int


def pieces(
    stream: bytes | bytearray, most: int = MAX_FRAME_BYTES + WRAPPING_BYTES
) -> Iterator[tuple[int, bytes]]:
    """The whole pieces of a byte stream, each with its length and its offset. Raises MalformedError."""
    at = 0
    while len(stream) - at >= 4:
        length = int.from_bytes(stream[at : at + 4], "big")
        if not 1 <= length <= most:
            raise MalformedError(f"a length of {length} at byte {at}; 1 to {most} are allowed")
        if at + 4 + length > len(stream):
            return
        yield at, bytes(stream[at : at + 4 + length])
        at += 4 + length


def is_frame(piece: bytes) -> bool:
    """An array of 7; handshake messages are shorter or longer ones."""
    return len(piece) > 4 and piece[4] == 0x97


def header(frame: bytes) -> Header:
    """The header of a whole frame. Raises RefusedError."""
    if len(frame) < 57:
        raise RefusedError("FRAME", f"{len(frame)} bytes; a frame has at least 57")
    length, head, kind, m1, request_id, m2, position, m3, pads, m4, ack, m5, size = _HEADER.unpack_from(frame)
    if bytes((head, m1, m2, m3, m4, m5)) != _HEADS or kind > 0x7F or frame[-18:-16] != b"\xc4\x10":
        raise RefusedError("FRAME", "a fixed byte of the frame is another one")
    if length + 4 != len(frame) or size + 57 != len(frame):
        raise RefusedError("FRAME", "lengths disagree")
    return Header(kind, request_id, position, pads, ack)


def body_of(frame: bytes) -> bytes:
    """The body, as it was sent."""
    return frame[39:-18]


class Opened(NamedTuple):
    """A frame that was taken. `fields`: as they were before their pads were added."""

    header: Header
    end: int
    fields: Any
    pads: bytes


class Receiver(NamedTuple):
    """What a receiver knows of the other side's pool. `pool`: the bytes from `start` on."""

    hash_key: bytes
    nonce: bytes
    direction: str
    start: int
    pool: bytes
    mark: int
    end: int
    window_end: int
    most_pads: int = MAX_PADS


def open_frame(frame: bytes, state: Receiver, *, plain_type: bool = True) -> Opened:
    """What the receiver of a frame does, in that order. Raises RefusedError."""
    told = header(frame)
    end = told.position + MASK_BYTES + told.pads
    if told.pads > state.most_pads:
        raise RefusedError("FRAME", f"{told.pads} pads")
    if told.position < state.mark:
        raise RefusedError("REPLAY", f"position {told.position} is below the mark {state.mark}")
    if end > min(state.window_end, state.end):
        raise RefusedError("WINDOW", f"it ends at {end}, beyond {min(state.window_end, state.end)}")
    pool = state.pool[told.position - state.start :][: MASK_BYTES + told.pads]
    covered = state.nonce + state.direction.encode() + frame[:-TAG_BYTES]
    if not hmac.compare_digest(poly1305(state.hash_key + pool[:MASK_BYTES], covered), frame[-TAG_BYTES:]):
        raise RefusedError("TAG", "the tag does not verify")
    try:
        fields = plain_fields(told.type, body_of(frame), pool[MASK_BYTES:]) if plain_type else []
    except MalformedError as error:
        raise RefusedError("FRAME", str(error), verified=True) from None
    return Opened(told, end, fields, pool[MASK_BYTES:])


def plain_fields(kind: int, body: bytes, pads: bytes) -> Any:
    """The fields of a body without its pads; None of a type that is not known. Raises MalformedError."""
    if kind not in MESSAGES:
        return None
    if kind == 0x06:
        raise MalformedError("WRAP in a wrong place")
    fields = unpacked(body)
    MESSAGES[kind][2](fields)
    places = [(group, i) for group in fields[0] for i in (-2, -1)] if kind in SECRET_TYPES else []
    if sum(len(group[i]) for group, i in places) != len(pads):
        raise MalformedError(f"the secret bins do not sum to {len(pads)} pads")
    for group, i in places:
        group[i], pads = xor(group[i], pads[: len(group[i])]), pads[len(group[i]) :]
    return fields


def unwrapped(piece: bytes, key: bytes, counter: int) -> bytes:
    """The frame within a wrapped piece. Raises MalformedError, NotAuthenticError."""
    length = int.from_bytes(piece[6:10], "big")
    if piece[4:6] != b"\x91\xc6" or length + 10 != len(piece) or length <= TAG_BYTES:
        raise MalformedError("no wrapped piece")
    inner = open_aead(key, counter.to_bytes(12, "big"), piece[10:], piece[:10])
    return len(inner).to_bytes(4, "big") + inner


def open_sealed(frame: bytes, key: bytes, counter: int) -> tuple[Header, Any]:
    """A frame of simulated delivery: header and fields.

    Raises RefusedError, NotAuthenticError, MalformedError.
    """
    told = header(frame)
    if (told.position, told.pads, told.ack) != (0, 0, 0) or frame[-16:] != bytes(16):
        raise RefusedError("FRAME", "position, pads, ack and tag of a sealed frame are zero")
    body = open_aead(key, counter.to_bytes(12, "big"), body_of(frame), frame[:39])
    fields = unpacked(body)
    MESSAGES[told.type][2](fields)
    return told, fields
