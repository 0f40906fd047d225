"""Where the values of a msgpack text stand, as far as it can be read: what mutations take, move or change."""

from __future__ import annotations

from dataclasses import dataclass

_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
          0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}  # fmt: skip
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # (bytes of the count, values per entry)
_MAX_VALUES = 512


@dataclass(frozen=True, slots=True)
class Value:
    """One value at data[start:end]; its head, which tells type and length, ends at `body`.

    `items`: where those of an array or a map stand.
    """

    start: int
    body: int
    end: int
    items: tuple[tuple[int, int], ...] = ()


def values(data: bytes, at: int = 0) -> list[Value]:
    """All values from `at` on, the innermost first, as far as the text can be read."""
    found: list[Value] = []
    try:
        while at < len(data) and len(found) < _MAX_VALUES:
            at = _read(data, at, found, 0)
    except (IndexError, RecursionError):
        pass  # the text ends, or is no msgpack, from here on
    return found


def _read(data: bytes, at: int, found: list[Value], depth: int) -> int:
    """Notes the value at `at` and all in it; where it ends. Raises IndexError where it cannot be read."""
    if depth > 32 or len(found) >= _MAX_VALUES:
        raise IndexError
    body, size, number = _head(data, at)
    end, items = body + size, []
    if end > len(data):
        raise IndexError
    for _ in range(number):
        start, end = end, _read(data, end, found, depth + 1)
        items.append((start, end))
    found.append(Value(at, body, end, tuple(items)))
    return end


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """(where the head ends, bytes that follow, values that follow)."""
    first = data[at]
    if first < 0x80 or first >= 0xE0:
        return at + 1, 0, 0
    if first < 0xA0:
        return at + 1, 0, (first & 0x0F) * (2 if first < 0x90 else 1)
    if first < 0xC0:
        return at + 1, first & 0x1F, 0
    if first in _FIXED:
        return at + 1, _FIXED[first], 0
    if first in _SIZED:
        end = at + 1 + _SIZED[first]
        return end, int.from_bytes(data[at + 1 : end], "big"), 0
    width, per_entry = _LISTS.get(first, (0, 0))
    if not width:
        raise IndexError
    end = at + 1 + width
    return end, 0, per_entry * int.from_bytes(data[at + 1 : end], "big")
