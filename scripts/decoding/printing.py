"""Pieces as lines for people, and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from decoding.following import Piece, code_name

_ARROWS = {"C": "C -> H", "H": "H -> C"}
_WIDEST = 48  # bytes of a bin that are shown in full


def readable(value: Any) -> Any:
    """A value of the decoder as JSON knows it: bins as hexadecimal text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list | tuple) else value


def as_json(piece: Piece) -> dict[str, Any]:
    """All of it."""
    return {
        "connection": piece.connection, "direction": piece.direction, "at": piece.at, "length": piece.length,
        "name": piece.name, "authentic": piece.authentic, "problem": piece.problem or None,
        "fields": readable(piece.told),
    }  # fmt: skip


def as_text(piece: Piece) -> str:
    """A line for the piece, and one for each field."""
    sure = {True: ", authentic", False: ", NOT AUTHENTIC", None: ""}[piece.authentic]
    number = f"[{piece.connection}] " if piece.connection else ""
    first = f"{number}{_ARROWS[piece.direction]}  {piece.name}  ({piece.length} bytes at {piece.at}{sure})"
    lines = [first, *(f"    {line}" for line in tree(piece.told))]
    return "\n".join([*lines, f"    PROBLEM: {piece.problem}"] if piece.problem else lines)


def tree(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    """The lines of a record or an array, indented by depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        if isinstance(item, dict | list) and item:
            yield f"{name}:"
            yield from (f"  {line}" for line in tree(item))
        else:
            yield f"{name}: {_leaf(str(name), item)}"


def _leaf(name: str, value: Any) -> str:
    if name == "codes" and isinstance(value, bytes) and len(value) % 32:
        return " ".join(map(code_name, value))
    if isinstance(value, bytes):
        shown = value[:_WIDEST].hex() + ("..." if len(value) > _WIDEST else "")
        return f"{shown or 'empty'} ({len(value)} bytes)"
    if name == "code":
        return code_name(value)
    if isinstance(value, str):
        return repr(value)  # nothing in it moves the cursor
    if isinstance(value, list | dict):
        return "none"
    return "nil" if value is None else str(value).lower()
