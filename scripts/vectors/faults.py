"""One fault in a value of msgpack: another value at one place, or one place that is not written shortest."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

#: Where a value stands: the index in each array from the outermost on.
Path = tuple[int, ...]


class Fault(NamedTuple):
    """A body with one fault.

    `schema`: what dske.cddl says of it: "refuses", "takes" (the fault is one of encoding, or of a rule that
    the schema cannot say), or None where it is no msgpack that could be transcoded.
    """

    name: str
    body: bytes
    schema: str | None


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is no array, with its place."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def arrays(value: Any, path: Path = ()) -> Iterator[tuple[Path, list[Any]]]:
    """Every array within `value`, with its place; the outermost first."""
    if isinstance(value, list):
        yield path, value
        for index, item in enumerate(value):
            yield from arrays(item, (*path, index))


def replaced(value: Any, path: Path, other: Any) -> Any:
    """`value` with `other` at `path`; nothing else is changed."""
    if not path:
        return other
    items = list(value)
    items[path[0]] = replaced(items[path[0]], path[1:], other)
    return items


def packed(value: Any, longer: Path | None = None) -> bytes:
    """Canonical msgpack, but for the value at `longer`, which is written one form longer than it could be."""
    here = longer == ()
    if value is None or isinstance(value, bool):
        return b"\xc0" if value is None else b"\xc3" if value else b"\xc2"
    if isinstance(value, list):
        return _array_head(len(value), here) + b"".join(
            packed(item, longer[1:] if longer and longer[0] == index else None)
            for index, item in enumerate(value)
        )
    if isinstance(value, dict):
        pairs = ((packed(key), packed(item)) for key, item in value.items())
        return _head(len(value), here, ((15, ">B", 0x80), (0xFFFF, ">BH", 0xDE))) + b"".join(
            key + item for key, item in pairs
        )
    if isinstance(value, int):
        return _integer(value, here)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    return _string(value, here)


_INTEGERS = ((0x7F, ">B", 0), (0xFF, ">BB", 0xCC), (0xFFFF, ">BH", 0xCD), (2**32 - 1, ">BI", 0xCE),
             (2**64 - 1, ">BQ", 0xCF))  # fmt: skip
_ARRAYS = ((15, ">B", 0x90), (0xFFFF, ">BH", 0xDC), (2**32 - 1, ">BI", 0xDD))
_STRINGS = ((31, ">B", 0xA0), (0xFF, ">BB", 0xD9), (0xFFFF, ">BH", 0xDA), (2**32 - 1, ">BI", 0xDB))
_BINS = ((0xFF, ">BB", 0xC4), (0xFFFF, ">BH", 0xC5), (2**32 - 1, ">BI", 0xC6))


def _head(number: int, longer: bool, forms: tuple[tuple[int, str, int], ...]) -> bytes:
    """The shortest head of these forms for `number`, or the next one."""
    index = next(i for i, (most, _, _) in enumerate(forms) if number <= most) + longer
    _, layout, first = forms[min(index, len(forms) - 1)]
    return struct.pack(layout, first + number) if layout == ">B" else struct.pack(layout, first, number)


def _array_head(length: int, longer: bool) -> bytes:
    return _head(length, longer, _ARRAYS)


def _integer(value: int, longer: bool) -> bytes:
    if value < 0:
        return struct.pack(">b", value)
    return _head(value, longer, _INTEGERS)


def _string(value: str | bytes, longer: bool) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _head(len(data), longer, _STRINGS if isinstance(value, str) else _BINS) + data


def other_types(value: Any) -> Iterator[tuple[str, Any]]:
    """Values of other types than `value` has: (in words, value)."""
    yield "nil", None
    if isinstance(value, bool):
        yield "1 for true", 1
    elif isinstance(value, int):
        yield "a negative number", -1
        yield "a float", float(value)
        yield "a string", str(value)
    elif isinstance(value, str):
        yield "a bin", value.encode()
    elif isinstance(value, bytes):
        yield "a string", "x" * len(value)


def of_form(fields: list[Any], names: dict[Path, str]) -> Iterator[Fault]:
    """Faults that any body can have. `names` tells what stands at a place; else its numbers do."""
    body = packed(fields)
    yield Fault("no bytes", b"", None)
    yield Fault("a byte more behind it", body + b"\xc0", None)
    yield Fault("a byte short", body[:-1], None)
    yield Fault("a map in place of the array", packed(dict(enumerate(fields))), "refuses")
    yield Fault("one field more", packed([*fields, None]), "refuses")
    if fields:
        yield Fault("one field fewer", packed(fields[:-1]), "refuses")
    for path, array in arrays(fields):
        named = names.get(path, place(path))
        yield Fault(f"{named}: its length in a longer form", packed(fields, path), "takes")
        if path:
            yield Fault(
                f"{named}: nil in place of the array", packed(replaced(fields, path, None)), "refuses"
            )
            longer = packed(replaced(fields, path, [*array, None]))
            yield Fault(f"{named}: nil as one element more", longer, "refuses")
    for path, value in leaves(fields):
        yield from _of_leaf(fields, path, value, names.get(path, place(path)))


def place(path: Path) -> str:
    """Where a value stands, in words."""
    return "field " + ".".join(map(str, path)) if path else "the body"


def _of_leaf(fields: list[Any], path: Path, value: Any, named: str) -> Iterator[Fault]:
    for words, other in other_types(value):
        yield Fault(f"{named}: {words}", packed(replaced(fields, path, other)), "refuses")
    if packed(fields, path) != packed(fields):  # nil, true and false have one form
        yield Fault(f"{named}: in a longer form", packed(fields, path), "takes")
