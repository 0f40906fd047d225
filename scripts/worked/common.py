"""How bytes are shown, and the handshake of the vectors that the examples are about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PROTO = Path(__file__).resolve().parents[2] / "proto"
Parts = Iterable[tuple[bytes, str]]


def hexadecimal(data: bytes) -> str:
    """Bytes in twos, as they are read best."""
    return data.hex(" ")


def lines(parts: Parts, width: int = 16) -> Iterator[str]:
    """A line for each part: its offset, its bytes (several lines where they are many), what it is."""
    at = 0
    for data, words in parts:
        for start in range(0, len(data), width):
            said = words if start == 0 else ""
            piece = hexadecimal(data[start : start + width])
            yield f"{at + start:5}  {piece:<{3 * width - 1}}  {said}".rstrip()
        at += len(data)


def first_handshake() -> dict[str, Any]:
    """The first one of handshakes.json: media, both processes new."""
    document = json.loads((PROTO / "vectors" / "handshakes.json").read_text(encoding="ascii"))
    first: dict[str, Any] = document["handshakes"][0]
    return first
