"""Fixed randomness, and values of msgpack as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec


def fixed(label: str, length: int) -> bytes:
    """`length` bytes that depend on the label only."""
    return hashlib.shake_256(f"DSKE 1 vectors: {label}".encode()).digest(length)


def source(label: str) -> Callable[[int], bytes]:
    """A source of fixed randomness: the n-th call draws from the n-th label."""
    numbers = iter(range(1 << 20))
    return lambda length: fixed(f"{label} {next(numbers)}", length)


def plain(value: Any) -> Any:
    """A value of msgpack as JSON: bytes as {"hex": ...}, a map as {"map": [[key, value], ...]}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[plain(key), plain(item)] for key, item in value.items()]}
    return value


def unpacked(body: bytes) -> Any:
    """The fields of msgpack bytes, as JSON."""
    return plain(msgspec.msgpack.decode(body))
