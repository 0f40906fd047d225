"""Vectors of message wrapping: frames of frames.json as wrapped pieces, and pieces that must be refused."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dsked.psrd.pair import Side
from dsked.wire import messages as ms
from dsked.wire.frame import Header
from vectors.common import fixed
from vectors.frames import make_frame

_POSITION = 5_000_000_000
_KEYS = {side: fixed(f"wrapping key {side.name}", 32) for side in Side}


def _head(wrapped: int) -> bytes:
    return struct.pack(">IBBI", 6 + wrapped, 0x91, 0xC6, wrapped)


def _piece(frame: bytes, key: bytes, counter: int, covered: bytes | None = None) -> bytes:
    """wrapping.md, section 3; `covered`: other associated data than the head."""
    inner = frame[4:]
    head = _head(len(inner) + 16)
    nonce = counter.to_bytes(12, "big")
    return head + ChaCha20Poly1305(key).encrypt(nonce, inner, head if covered is None else covered)


def _frame(side: Side, message: ms.Message, position: int, pads: int = 0) -> bytes:
    mask = fixed(f"wrapped, mask at {position}", 16)
    return make_frame(
        side, Header(int(message.type), 0, position, pads, 65_536), ms.encode_body(message), mask
    )


def wrapped_vectors() -> dict[str, Any]:
    """The file wrapped.json."""
    return {"wraps": list(_wraps()), "pieces": list(_pieces()), "refused": list(_refused())}


def _wraps() -> Iterator[dict[str, Any]]:
    for side in Side:
        mask = fixed(f"wrapped, mask at {_POSITION}", 16)
        frame = _frame(side, ms.Wrap(), _POSITION, pads=32)
        yield {
            "name": f"WRAP from {side.value.decode()}", "direction": side.value.decode(),
            "position": _POSITION, "pool_bytes": (mask + _KEYS[side]).hex(), "key": _KEYS[side].hex(),
            "frame": frame.hex(),
        }  # fmt: skip


def _pieces() -> Iterator[dict[str, Any]]:
    """In the order of each direction, the first ones behind its WRAP."""
    block = ms.PsrdBlock(1, fixed("hub stream", 16), 7, fixed("wrapped, uuid", 16), bytes(200))
    said: dict[Side, list[tuple[str, ms.Message]]] = {
        Side.CLIENT: [("REGISTER", ms.Register(["sam"])), ("PING", ms.Ping(False, 1 << 20, 1 << 40, []))],
        Side.HUB: [("REGISTERED", ms.Registered(0, [], 60_000)), ("a long body", block)],
    }
    for side, messages in said.items():
        for counter, (name, message) in enumerate([*messages, messages[0]]):
            frame = _frame(side, message, _POSITION + 48 + 16 * counter)
            yield {
                "name": f"{name}, number {counter}", "direction": side.value.decode(),
                "key": _KEYS[side].hex(), "counter": counter, "frame": frame.hex(),
                "piece": _piece(frame, _KEYS[side], counter).hex(),
            }  # fmt: skip


def _refused() -> Iterator[dict[str, Any]]:
    """Of the client, by a hub that awaits the piece number 1."""
    key, counter = _KEYS[Side.CLIENT], 1
    frame = _frame(Side.CLIENT, ms.Ping(False, 1 << 20, 1 << 40, []), _POSITION + 64)
    good = _piece(frame, key, counter)

    def flipped(at: int) -> bytes:
        return bytes(b ^ (i == at % len(good)) for i, b in enumerate(good))

    def with_length(piece: bytes) -> bytes:
        return struct.pack(">I", len(piece) - 4) + piece[4:]

    for name, result, piece in (
        ("a replay: the piece before, number 0", "TAG", _piece(frame, key, 0)),
        ("a gap: the piece after it, number 2", "TAG", _piece(frame, key, 2)),
        ("reflected: under the key of the other direction", "TAG", _piece(frame, _KEYS[Side.HUB], counter)),
        ("a bit of the tag", "TAG", flipped(-1)),
        ("a bit of the first byte of the ciphertext", "TAG", flipped(10)),
        ("a bit of the ciphertext's last byte", "TAG", flipped(-17)),
        ("the array's head is another", "FRAME", flipped(4)),
        ("the bin's head is another", "FRAME", flipped(5)),
        ("the bin's length is another", "FRAME", flipped(9)),
        ("a bin8", "FRAME", with_length(good[:5] + bytes([0xC4, len(good) - 10]) + good[10:])),
        ("one byte less, with both lengths mended", "TAG", _cut(good, 1)),
        ("no ciphertext: 15 bytes", "FRAME", _cut(good, len(good) - 25)),
        ("sealed with another length before it", "TAG", _piece(frame, key, counter, _head(len(frame) + 13))),
        ("sealed with nothing before it", "TAG", _piece(frame, key, counter, b"")),
        ("the frame in clear", "FRAME", frame),
    ):  # fmt: skip
        yield {
            "name": name, "direction": "C", "key": key.hex(), "counter": counter, "piece": piece.hex(),
            "result": result,
        }  # fmt: skip


def _cut(piece: bytes, number: int) -> bytes:
    wrapped = len(piece) - 10 - number
    return _head(wrapped) + piece[10 : 10 + wrapped]
