"""Vectors of frames that must be refused, with one fault each, and of some that must not."""

from __future__ import annotations

import struct
from typing import Any

from dsked.auth.tags import one_time_tag
from dsked.limits import MASK_BYTES
from dsked.psrd.pair import Side
from dsked.wire import messages as ms
from dsked.wire.frame import Header
from vectors.common import fixed
from vectors.frames import HASH_KEYS, NONCES, WINDOW_BYTES, make_frame

POSITION = 1000
MASK = fixed("refused", MASK_BYTES)
#: What the frame below ends at: where the mark stands once its tag has verified.
END = POSITION + MASK_BYTES
BODY = ms.encode_body(ms.Locate(["sofia"]))
GOOD = make_frame(Side.CLIENT, Header(0x18, 1, POSITION, 0, 0), BODY, MASK)
#: PING [false, 0, 0, [["carol", 15 bytes]]]
_PING_15 = b"\x94\xc2\x00\x00\x91\x92\xa5carol\xc4\x0f" + bytes(15)
#: name, result, frame, the receiver's state where it is not the usual one
_Case = tuple[str, str, bytes, dict[str, int]]


def refused_vectors() -> dict[str, Any]:
    """The file refused_frames.json: from client to hub, with the receiver's state before and after."""
    good: _Case = ("the frame itself, for comparison", "OK", GOOD, {"mark_after": END})
    cases = [good, *_of_layout(), *_of_tags(), *_of_positions(), *_of_bodies()]
    return {"frames": [_json(*case) for case in cases]}


def _json(name: str, result: str, frame: bytes, state: dict[str, int]) -> dict[str, Any]:
    before = {"mark": 900, "end": 2000, "window_end": 2000} | {
        key: value for key, value in state.items() if key != "mark_after"
    }
    return {
        "name": name, "direction": "C", "receiver_nonce": NONCES[Side.HUB].hex(),
        "hash_key": HASH_KEYS[Side.CLIENT].hex(), **before, "window_bytes": WINDOW_BYTES,
        "pool_position": POSITION, "pool_bytes": (MASK + bytes(4)).hex(), "frame": frame.hex(),
        "result": result, "mark_after": state.get("mark_after", before["mark"]),
    }  # fmt: skip


def _tagged(kind: int, body: bytes, pads: int = 0, position: int = POSITION) -> bytes:
    return make_frame(Side.CLIENT, Header(kind, 1, position, pads, 0), body, MASK)


def _flipped(offset: int, mask: int = 1) -> bytes:
    return bytes(b ^ mask if i == offset % len(GOOD) else b for i, b in enumerate(GOOD))


def _with_length(piece: bytes) -> bytes:
    return struct.pack(">I", len(piece) - 4) + piece[4:]


def _of_layout() -> list[_Case]:
    """Lengths and the bytes that never change: nothing of the pool is read."""
    frames = [
        ("no bytes behind the length", bytes(4)),
        ("shorter than any frame", _with_length(GOOD[:50])),
        ("truncated, with its length mended", _with_length(GOOD[:-1])),
        ("one byte more, with its length mended", _with_length(GOOD + b"\0")),
        ("the length prefix is one too large", _flipped(3)),
        ("the body's length is wrong", _flipped(38)),
        ("the array's head is wrong", _flipped(4)),
        ("the type is above 0x7f", _flipped(5, 0x80)),
        ("the request id is no uint32", _flipped(6)),
        ("the position is no uint64", _flipped(11)),
        ("the pads are no uint32", _flipped(20)),
        ("the ack is no uint64", _flipped(25)),
        ("the body is no bin32", _flipped(34)),
        ("the tag's head is wrong", _flipped(-17)),
        ("more pads than a quarter of the window", _tagged(0x18, BODY, WINDOW_BYTES // 4 + 1)),
    ]
    return [(name, "FRAME", frame, {}) for name, frame in frames]


def _of_tags() -> list[_Case]:
    """Tags that are wrong, or right for something else."""

    def of_other(
        *, nonce: bytes = NONCES[Side.HUB], direction: bytes = b"C", skip: int = 0,
        hash_key: bytes = HASH_KEYS[Side.CLIENT], mask: bytes = MASK,
    ) -> bytes:  # fmt: skip
        return GOOD[:-16] + one_time_tag(hash_key + mask, nonce + direction + GOOD[skip:-16])

    reflected = make_frame(Side.HUB, Header(0x18, 1, POSITION, 0, 0), BODY, MASK)
    frames = [
        ("the last bit of the tag", _flipped(-1)),
        ("the first bit of the tag", _flipped(-16, 0x80)),
        ("the body was changed", _flipped(41)),
        ("the type was changed", _flipped(5)),
        ("the request id was changed", _flipped(10)),
        ("the ack was changed", _flipped(28)),
        ("reflected: tagged by the receiver itself", reflected),
        ("a replay across sessions: under another session's nonce", of_other(nonce=fixed("another Nh", 16))),
        ("a replay across sessions: under another session's hash key",
         of_other(hash_key=fixed("another r", 16))),
        ("under the mask of another position", of_other(mask=fixed("another mask", 16))),
        ("the direction is not covered", of_other(direction=b"")),
        ("the length prefix is not covered", of_other(skip=4)),
    ]  # fmt: skip
    return [(name, "TAG", frame, {}) for name, frame in frames]


def _of_positions() -> list[_Case]:
    """Below the mark, and beyond what may be used; a gap is right, and burns what lies in it."""

    def moved(to: int) -> bytes:
        return _tagged(0x18, BODY, position=to)

    return [
        ("a replay: its position is below the mark", "REPLAY", GOOD, {"mark": END}),
        ("it reaches below the mark", "REPLAY", GOOD, {"mark": POSITION + 1}),
        ("bytes that were given long ago: position 0", "REPLAY", moved(0), {}),
        (
            "a gap below it, for comparison: those bytes are burned",
            "OK",
            GOOD,
            {"mark": 0, "mark_after": END},
        ),
        ("beyond the bytes held", "WINDOW", GOOD, {"end": END - 1}),
        ("beyond the window", "WINDOW", GOOD, {"window_end": END - 1}),
        ("far beyond the window", "WINDOW", moved(1 << 40), {}),
        ("the largest position: its end is no uint64", "WINDOW", moved((1 << 64) - 1), {}),
    ]


def _of_bodies() -> list[_Case]:
    """Bodies that are refused once the tag has verified: the mark has moved. More: refused_bodies.json."""
    frames = [
        ("not canonical: a str8 of 5 bytes", _tagged(0x18, b"\x91\x91\xd9\x05sofia")),
        ("not canonical: a bin16 of 1 byte", _tagged(0x11, b"\x91\xc5\x00\x01\x00")),
        ("a column of key IDs of 15 bytes", _tagged(0x04, _PING_15)),
        ("one field too many", _tagged(0x03, b"\x91\xc0")),
        ("bytes behind the body", _tagged(0x03, b"\x90\xc0")),
        ("a string where a list belongs", _tagged(0x18, b"\x91\xa5sofia")),
    ]
    padded = ("pads without secret bins", "FRAME", _tagged(0x18, BODY, 4), {"mark_after": END + 4})
    return [*((name, "FRAME", frame, {"mark_after": END}) for name, frame in frames), padded]
