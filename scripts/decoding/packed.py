"""A reader of msgpack that takes the one canonical encoding of a value, and says where any other begins."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any


class MalformedError(Exception):
    """What is wrong, and where."""


def unpacked(data: bytes) -> Any:
    """The one value of `data`. Raises MalformedError."""
    reader = _Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise MalformedError(f"{len(data) - reader.at} bytes behind the value, at byte {reader.at}")
    return value


#: first byte -> (layout of the number behind it, the least number for which this form is the shortest)
_UINTS = {0xCC: (">B", 1 << 7), 0xCD: (">H", 1 << 8), 0xCE: (">I", 1 << 16), 0xCF: (">Q", 1 << 32)}
_TEXTS = {0xD9: (">B", 32), 0xDA: (">H", 1 << 8), 0xDB: (">I", 1 << 16)}
_BINS = {0xC4: (">B", 0), 0xC5: (">H", 1 << 8), 0xC6: (">I", 1 << 16)}
_ARRAYS = {0xDC: (">H", 16), 0xDD: (">I", 1 << 16)}
_MAPS = {0xDE: (">H", 16), 0xDF: (">I", 1 << 16)}
_PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}
_DEEPEST = 8  # no structure of the protocol is deeper


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._depth = 0

    def _take(self, length: int) -> bytes:
        taken = self.data[self.at : self.at + length]
        if len(taken) < length:
            raise MalformedError(f"it ends at byte {len(self.data)}, within what begins at byte {self.at}")
        self.at += length
        return taken

    def value(self) -> Any:
        """The next value."""
        start, first = self.at, self._take(1)[0]
        if first < 0x80:
            return first
        if first in _PLAIN:
            return _PLAIN[first]
        if first in _UINTS:
            return self._number(_UINTS[first], start)
        if first >> 5 == 5 or first in _TEXTS:
            return self._text(self._number(_TEXTS[first], start) if first in _TEXTS else first & 0x1F, start)
        if first in _BINS:
            return self._take(self._number(_BINS[first], start))
        if first >> 4 == 9 or first in _ARRAYS:
            return self._array(self._number(_ARRAYS[first], start) if first in _ARRAYS else first & 0x0F)
        if first >> 4 == 8 or first in _MAPS:
            return self._map(self._number(_MAPS[first], start) if first in _MAPS else first & 0x0F, start)
        raise MalformedError(f"0x{first:02x} at byte {start}: a type that the protocol does not use")

    def _number(self, form: tuple[str, int], start: int) -> int:
        layout, least = form
        number: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        if number < least:
            raise MalformedError(f"{number} at byte {start} has a shorter form")
        return number

    def _text(self, length: int, start: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise MalformedError(f"the string at byte {start} is no UTF-8") from None

    def _within(self, length: int) -> range:
        """So many values follow, one level deeper."""
        self._depth += 1
        if self._depth > _DEEPEST or length > len(self.data) - self.at:
            raise MalformedError(f"{length} values from byte {self.at} on do not fit")
        return range(length)

    def _array(self, length: int) -> list[Any]:
        values = [self.value() for _ in self._within(length)]
        self._depth -= 1
        return values

    def _map(self, length: int, start: int) -> dict[Any, Any]:
        pairs = [(self._key(), self.value()) for _ in self._within(length)]
        self._depth -= 1
        keys = [key for key, _ in pairs]
        if any(a >= b for a, b in pairwise(keys)):
            raise MalformedError(f"the keys of the map at byte {start} do not ascend")
        return dict(pairs)

    def _key(self) -> int:
        start, key = self.at, self.value()
        if not isinstance(key, int) or isinstance(key, bool):
            raise MalformedError(f"the key at byte {start} is no number")
        return key
