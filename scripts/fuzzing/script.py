"""Inputs that are lists of steps: a byte that tells the kind, two of the length, the content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_HEAD_BYTES = 3


class Step(NamedTuple):
    """One step of what happens to a target."""

    kind: int
    content: bytes


def encode(steps: Iterable[tuple[int, bytes]]) -> bytes:
    """Steps as an input; contents have 65,535 bytes at most."""
    return b"".join(bytes([kind % 256]) + len(part).to_bytes(2, "big") + part for kind, part in steps)


def decode(data: bytes, most: int = 12) -> list[Step]:
    """The steps of any input, `most` at most; the last content may be cut off."""
    steps: list[Step] = []
    at = 0
    while at + _HEAD_BYTES <= len(data) and len(steps) < most:
        start = at + _HEAD_BYTES
        end = start + int.from_bytes(data[at + 1 : start], "big")
        steps.append(Step(data[at], data[start:end]))
        at = end
    return steps
