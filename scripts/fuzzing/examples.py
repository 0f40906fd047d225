"""Valid examples out of proto/vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_DIRECTORY = Path(__file__).resolve().parents[2] / "proto" / "vectors"


@cache
def document(name: str) -> dict[str, Any]:
    """One file of vectors."""
    found: dict[str, Any] = json.loads((_DIRECTORY / f"{name}.json").read_text())
    return found


def frames() -> Iterator[bytes]:
    """Every frame of the vectors, those that must be refused included."""
    for name in ("frames", "refused_frames"):
        for one in document(name)["frames"]:
            yield bytes.fromhex(one["frame"])


def bodies() -> Iterator[tuple[int, bytes]]:
    """(type, plain body) of every message."""
    for one in document("frames")["frames"]:
        yield one["type"], bytes.fromhex(one["plain_body"])


def handshake(name: str) -> Iterator[bytes]:
    """Every M0, M1, ... of the vectors, with its length prefix."""
    for one in document("handshakes")["handshakes"]:
        for message in one["messages"]:
            if message["name"] == name:
                yield bytes.fromhex(message["message"])
