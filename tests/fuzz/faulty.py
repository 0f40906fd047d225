"""Decoders with planted faults, which fuzzing must find from a valid example."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from fuzzing.target import Given, Target

from dsked.errors import FrameError

_EXAMPLE = msgspec.msgpack.encode([1, "sam", b"key"])


def _parse(data: bytes) -> object:
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise FrameError("malformed") from None


def _undeclared(data: bytes) -> object:
    """Takes for granted that it is an array of three."""
    found = _parse(data)
    return found[2] if isinstance(found, list) else None


def _multi_line(data: bytes) -> object:
    found = _parse(data)
    if isinstance(found, list) and found[:1] != [1]:
        raise FrameError(f"unknown:\n{found}")
    return found


def _logs(data: bytes) -> object:
    try:
        return _undeclared(data)
    except LookupError:
        logging.getLogger("dsked.planted").exception("caught")
        return None


def _slow(data: bytes) -> object:
    if not isinstance(_parse(data), list):
        end = time.process_time() + 0.6
        while time.process_time() < end:
            pass
    return None


def _hungry(data: bytes) -> object:
    return None if isinstance(_parse(data), list) else bytes(bytearray(b"x") * (320 << 20))[0]


def _forgets(pieces: Sequence[bytes], given: Given) -> None:
    """Its buffer keeps no more than the last piece."""
    for piece in pieces:
        if len(piece) > 1 and len(piece) > piece[0]:
            given.append(piece[1 : 1 + piece[0]])


def _loses_the_first(pieces: Sequence[bytes], given: Given) -> None:
    """Before a line that is too long it forgets the lines that came in the same piece."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if any(len(line) > 8 for line in lines):
            raise FrameError("a line too long")
        given.extend(lines)


def _target(name: str, *, example: bytes = _EXAMPLE, **more: Any) -> Target:
    return Target(
        name=name, what="planted", declared=(FrameError,), seeds=lambda: [example], msgpack_at=0, **more
    )


TARGETS = {
    target.name: target
    for target in (
        _target("undeclared", decode=_undeclared),
        _target("multi-line", decode=_multi_line),
        _target("logs", decode=_logs),
        _target("slow", decode=_slow),
        _target("hungry", decode=_hungry),
        _target("not-canonical", decode=_parse, encode=msgspec.msgpack.encode),
        _target(
            "not-stable", decode=lambda data: (_parse(data), len(data)), encode=lambda _: b"\xc0", exact=False
        ),
        _target("forgets", stream=_forgets),
        _target(
            "loses-the-first", example=b"a line\n", stream=_loses_the_first, words=(b"far too long a line\n",)
        ),
    )
}
