"""Changed inputs: bytes flipped, inserted, left out, repeated, spliced; msgpack values put for others."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import msgpack_tree, script
from .script import Step
from .target import Target

_Mutation = Callable[[bytes, random.Random], bytes]

_NUMBERS = (0, 1, 2, 15, 16, 17, 31, 32, 127, 128, 255, 256, 512, 4096, 65535, 65536, 2**31 - 1, 2**31,
            2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
#: Values of every type, canonical or not, and heads that promise what does not come.
_VALUES = (
    b"\x00", b"\x7f", b"\xe0", b"\xff", b"\xc0", b"\xc2", b"\xc3", b"\xcc\x00", b"\xcc\xff",
    b"\xcd\x00\x01", b"\xce\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8, b"\xcf" + bytes(8),
    b"\xcf\x80" + bytes(7), b"\xd0\xff", b"\xd3\x80" + bytes(7), b"\xca\x7f\xc0\x00\x00",
    b"\xcb" + bytes(8), b"\xcb\x7f\xf0" + bytes(6), b"\xa0", b"\xa1a", b"\xa1\xff", b"\xa3\xed\xa0\x80",
    b"\xd9\x01a", b"\xda\x00\x01a", b"\xdb\x00\x00\x00\x01a", b"\xa1\x00", b"\xa2\x1b[", b"\xa1\n",
    b"\xa4\xf0\x9f\x94\x91", b"\xc4\x00", b"\xc4\x01b", b"\xc5\x00\x01b", b"\xc4\x10" + b"k" * 16,
    b"\xc4\x20" + b"g" * 32, b"\xc6\x00\x00\x00\x01b", b"\xc6\xff\xff\xff\xff", b"\x90", b"\x91\x90",
    b"\x91" * 40 + b"\xc0", b"\x81\x00" * 40 + b"\xc0", b"\xdc\x00\x00", b"\xdc\xff\xff",
    b"\xdd\x00\x00\x00\x01\xc0", b"\xdd\xff\xff\xff\xff", b"\x80", b"\x81\xa1a\xc0", b"\x81\x90\xc0",
    b"\x82\x01\xc0\x01\xc0", b"\xdf\xff\xff\xff\xff", b"\xc1", b"\xd4\x01a", b"\xd6\xff" + bytes(4),
    b"\xd7\xff" + b"\xff" * 8, b"\xc7\x0c\xff" + b"\xff" * 12, b"\xc7\x00\x01",
)  # fmt: skip


def mutate(target: Target, data: bytes, rng: random.Random, pool: list[bytes]) -> bytes:
    """`data` changed in one to four places; `pool`: other inputs, to take parts of."""
    for _ in range(1 + min(rng.randrange(8), rng.randrange(4))):
        data = _once(target, data, rng, pool)[: target.max_bytes]
    return data


def _once(target: Target, data: bytes, rng: random.Random, pool: list[bytes]) -> bytes:
    if pool and rng.randrange(16) == 0:
        return _splice(data, rng.choice(pool), rng)
    if target.script and rng.randrange(8):
        return _steps(data, rng, pool)
    if target.msgpack_at is not None and rng.randrange(2):
        return _msgpack(data, target.msgpack_at, rng)
    if target.words and rng.randrange(3) == 0:
        return _insert(data, rng, rng.choice(target.words))
    return rng.choice(_BYTES)(data, rng)


# --- bytes ---


def _flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return rng.randbytes(1)
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _replace(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(1) + data[at + 1 :]


def _insert(data: bytes, rng: random.Random, part: bytes | None = None) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + (rng.randbytes(1 + rng.randrange(4)) if part is None else part) + data[at:]


def _delete(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 16, 200)) + data[end:]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _number(data: bytes, rng: random.Random) -> bytes:
    """A number of one to eight bytes at some place, one that limits are made of."""
    width = rng.choice((1, 2, 4, 8))
    at = rng.randrange(len(data) + 1)
    number = rng.choice(_NUMBERS) % (1 << 8 * width)
    return data[:at] + number.to_bytes(width, "big") + data[at + width :]


_BYTES: tuple[_Mutation, ...] = (_flip, _replace, _insert, _delete, _repeat, _truncate, _number)


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(start + 1 + min(rng.randrange(64), rng.randrange(64)), len(data))


def _splice(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


# --- msgpack ---


def _msgpack(data: bytes, at: int, rng: random.Random) -> bytes:
    found = msgpack_tree.values(data, at)
    if not found:
        return rng.choice(_BYTES)(data, rng)
    value = rng.choice(found)
    if value.items and rng.randrange(2):
        return _items(data, value, rng)
    if rng.randrange(4) == 0 and value.end > value.body and not value.items:  # the content, its length kept
        return data[: value.body] + rng.randbytes(value.end - value.body) + data[value.end :]
    other = rng.choice(found)
    taken = data[other.start : other.end] if rng.randrange(4) == 0 else _fresh(rng)
    return data[: value.start] + taken + data[value.end :]


def _fresh(rng: random.Random) -> bytes:
    if rng.randrange(3) == 0:
        return b"\xcf" + rng.choice(_NUMBERS).to_bytes(8, "big") if rng.randrange(2) else _compact(rng)
    return rng.choice(_VALUES)


def _compact(rng: random.Random) -> bytes:
    """A number in its shortest form."""
    number = max(rng.choice(_NUMBERS) + rng.randrange(-1, 2), 0) % 2**64
    if number < 128:
        return bytes([number])
    width = next(width for width in (1, 2, 4, 8) if number < 1 << 8 * width)
    return bytes([0xCC + (1, 2, 4, 8).index(width)]) + number.to_bytes(width, "big")


def _items(data: bytes, value: msgpack_tree.Value, rng: random.Random) -> bytes:
    """An item left out, doubled, or moved, with the count mended or not."""
    items = [data[start:end] for start, end in value.items]
    at = rng.randrange(len(items))
    match rng.randrange(3):
        case 0:
            del items[at]
        case 1:
            items[at:at] = [items[at]] * rng.choice((1, 1, 2, 40))
        case _:
            items.insert(rng.randrange(len(items)), items.pop(at))
    head = data[value.start : value.body]
    if 0x80 <= head[0] < 0xA0 and rng.randrange(8):
        head = _array_head(head[0], len(items))
    return data[: value.start] + head + b"".join(items) + data[value.end :]


def _array_head(kind: int, number: int) -> bytes:
    """The shortest head of an array; of a map where that was one of so few."""
    if kind < 0x90:
        return bytes([0x80 | min(number // 2, 15)])
    return bytes([0x90 | number]) if number < 16 else b"\xdc" + number.to_bytes(2, "big")


# --- steps ---

#: Where msgpack begins in the content of a step: behind the fields that the targets put in front of it.
_STEP_OFFSETS = (0, 1, 4, 5, 19)


def _steps(data: bytes, rng: random.Random, pool: list[bytes]) -> bytes:
    steps = script.decode(data) or [Step(rng.randrange(8), rng.randbytes(8))]
    at = rng.randrange(len(steps))
    kind, content = steps[at]
    match rng.randrange(8):
        case 0:
            del steps[at]
        case 1:
            steps.insert(rng.randrange(len(steps) + 1), steps[at])
        case 2:
            steps[at] = Step(rng.randrange(8), content)
        case 3 if pool:
            taken = script.decode(rng.choice(pool))
            steps[at:at] = [rng.choice(taken)] if taken else []
        case 4:
            steps[at] = Step(kind, rng.choice(_BYTES)(content, rng))
        case _:
            steps[at] = Step(kind, _msgpack(content, rng.choice(_STEP_OFFSETS), rng))
    return script.encode((kind, content[:0xFFFF]) for kind, content in steps)
