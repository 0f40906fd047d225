"""GF(p) with p = 2^127 - 1: Shamir sharing of strings of elements, many at a time.

An element travels as 16 bytes, little-endian; a value of p or more is refused, so that every element
has one form. A string of elements is worked on as one large integer. Its elements are laid into lanes
of 256 bits, the even ones first and the odd ones after them, so that one multiplication of the large
integer by a constant multiplies every element, and one addition adds all of them: a product of two
elements has 254 bits and does not reach the next lane. Since 2^127 = 1 modulo p, a lane is reduced by
adding its bits from 127 up to those below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from dsked.errors import FrameError
from dsked.sharing.shamir import check_points

P = 2**127 - 1
ELEMENT_BYTES = 16

_ELEMENT_BITS = 128
_LANE_BITS = 256
#: A step of Horner's rule multiplies by an x of at most 255 and adds an element: a bound B >= 2^127
#: becomes less than 2^8 * B. From a folded lane, below 2^129, 15 steps stay below 2^249.
_STEPS_BETWEEN_FOLDS = 15
#: Sums of products are folded after this many: 2^129 + 3 * 2^254 is below 2^256.
_PRODUCTS_BETWEEN_FOLDS = 3
#: Strings are worked on in pieces of this many elements: their constants stay small and cached.
_PIECE_ELEMENTS = 512


class _Lanes(NamedTuple):
    """Constants for a number of elements: the same pattern in every lane, or in every packed element."""

    units: int  # packed: 1 in each element
    lows: int  # packed: bits 0 to 126 of each element
    tops: int  # packed: bit 127 of each element
    even: int  # the lower half of each lane, for as many lanes as there are even elements
    half: int  # all bits of those lanes
    half_bits: int  # where the lanes of the odd elements begin
    ones: int  # 1 in each lane
    threes: int  # 3 in each lane
    low: int  # 2^127 - 1 in each lane


def _repeat(count: int, bits: int) -> int:
    return ((1 << count * bits) - 1) // ((1 << bits) - 1)


@lru_cache(maxsize=32)
def _lanes(elements: int) -> _Lanes:
    even = (elements + 1) // 2
    units, ones = _repeat(elements, _ELEMENT_BITS), _repeat(2 * even, _LANE_BITS)
    return _Lanes(
        units=units,
        lows=units * P,
        tops=units << 127,
        even=_repeat(even, _LANE_BITS) * ((1 << _ELEMENT_BITS) - 1),
        half=(1 << even * _LANE_BITS) - 1,
        half_bits=even * _LANE_BITS,
        ones=ones,
        threes=ones * 3,
        low=ones * P,
    )


def _outside(packed: int, lanes: _Lanes) -> int:
    """Not zero if an element is p or more: its bit 127 is set, or would be by adding one."""
    return (packed | packed + lanes.units) & lanes.tops


def _spread(string: bytes, lanes: _Lanes) -> int:
    packed = int.from_bytes(string, "little")
    if _outside(packed, lanes):
        raise FrameError("a string of elements of GF(2^127 - 1) holds a value outside the field")
    return packed & lanes.even | (packed >> _ELEMENT_BITS & lanes.even) << lanes.half_bits


def _fold(wide: int, lanes: _Lanes) -> int:
    """Lanes below 2^256 become lanes of at most 2^128 + 1, with the same values modulo p."""
    low = lanes.low
    return (wide & low) + (wide >> 127 & low) + (wide >> 254 & lanes.threes)


def _gather(wide: int, lanes: _Lanes, length_bytes: int) -> bytes:
    """Reduce every lane below p and pack the elements again."""
    low, ones = lanes.low, lanes.ones
    wide = _fold(wide, lanes)
    wide = (wide & low) + (wide >> 127 & lanes.threes)
    # Now at most p + 2. Adding one carries into bit 127 exactly where the value is p or more.
    wide = wide + (wide + ones >> 127 & ones) & low
    packed = (wide & lanes.half) | (wide >> lanes.half_bits << _ELEMENT_BITS)
    return packed.to_bytes(length_bytes, "little")


@lru_cache(maxsize=256)
def lagrange(xs: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Coefficients c with p(at) = sum of c[i] * p(xs[i]) mod p for every polynomial of degree < len(xs).

    Raises ValueError if two of the xs are the same.
    """
    if len(set(xs)) != len(xs):
        raise ValueError("x-coordinates are distinct numbers")
    fractions = []
    for i, x in enumerate(xs):
        numerator, denominator = 1, 1
        for other in xs[:i] + xs[i + 1 :]:
            numerator = numerator * (at - other) % P
            denominator = denominator * (x - other) % P
        fractions.append((numerator, denominator))
    return tuple(_divide_all(fractions))


def _divide_all(fractions: Sequence[tuple[int, int]]) -> list[int]:
    """All quotients with one inversion, which takes as long as 20 products: that of all denominators."""
    before = [1]  # products of the denominators up to each
    for _, denominator in fractions:
        before.append(before[-1] * denominator % P)
    inverse = pow(before.pop(), -1, P)
    quotients = []
    for numerator, denominator in reversed(fractions):
        quotients.append(numerator * inverse * before.pop() % P)
        inverse = inverse * denominator % P
    return quotients[::-1]


def is_canonical(string: bytes) -> bool:
    """Whether `string` is made of whole elements, all below p."""
    return len(string) % ELEMENT_BYTES == 0 and not any(
        _outside(int.from_bytes(piece, "little"), _lanes(len(piece) // ELEMENT_BYTES))
        for (piece,) in _pieces([string])
    )


def uniform(elements: int, random: Callable[[int], bytes]) -> bytes:
    """A string of uniform elements, by rejection: 127 random bits each; all are drawn again if one is p.

    That happens with probability elements / 2^127.
    """
    while True:
        masked = [_mask(piece) for (piece,) in _pieces([random(elements * ELEMENT_BYTES)])]
        if None not in masked:
            return b"".join(piece for piece in masked if piece is not None)


def _mask(piece: bytes) -> bytes | None:
    """Without the top bit of each element; None if one of them is p then."""
    lanes = _lanes(len(piece) // ELEMENT_BYTES)
    packed = int.from_bytes(piece, "little") & lanes.lows
    return None if _outside(packed, lanes) else packed.to_bytes(len(piece), "little")


def split(secret: bytes, xs: Sequence[int], k: int, random: Callable[[int], bytes]) -> list[bytes]:
    """One share per x-coordinate, in the order of `xs`, each as long as the secret: a string of elements.

    `xs` are distinct, 1..255; any k shares give the secret. Raises ValueError for k or xs outside their
    range, and FrameError for a secret that is not made of elements below p.
    """
    check_points(tuple(xs), k)
    _check_lengths([secret])
    length = len(secret)
    drawn = uniform(length // ELEMENT_BYTES * (k - 1), random)
    coefficients = [secret, *(drawn[i * length : (i + 1) * length] for i in range(k - 1))]
    pieces = [_evaluate_piece(piece, xs) for piece in _pieces(coefficients)]
    return pieces[0] if len(pieces) == 1 else [b"".join(parts) for parts in zip(*pieces, strict=True)]


def join(shares: Sequence[tuple[int, bytes]], at: int = 0) -> bytes:
    """The string at `at` (0: the secret) of the polynomials through `shares`, pairs of (x, string).

    Raises FrameError for a string that is not made of elements below p, ValueError for strings of
    different lengths and for coordinates that are not distinct.
    """
    strings = [string for _, string in shares]
    _check_lengths(strings)
    coefficients = lagrange(tuple([x for x, _ in shares]), at)
    return b"".join([_combine_piece(coefficients, piece) for piece in _pieces(strings)])


def _check_lengths(strings: Sequence[bytes]) -> None:
    lengths = set(map(len, strings))
    if len(lengths) != 1:
        raise ValueError("strings of different lengths cannot be joined")
    if lengths.pop() % ELEMENT_BYTES:
        raise FrameError("a string of elements of GF(2^127 - 1) ends within an element")


def _pieces(strings: Sequence[bytes]) -> list[Sequence[bytes]]:
    size, length = _PIECE_ELEMENTS * ELEMENT_BYTES, len(strings[0])
    if length <= size:
        return [strings]
    return [[s[start : start + size] for s in strings] for start in range(0, length, size)]


def _evaluate_piece(coefficients: Sequence[bytes], xs: Sequence[int]) -> list[bytes]:
    """The values at every x of the polynomials with these coefficients, lowest degree first."""
    length = len(coefficients[0])
    lanes = _lanes(length // ELEMENT_BYTES)
    leading, *others = [_spread(string, lanes) for string in reversed(coefficients)]
    values = []
    for x in xs:
        value = leading
        for step, coefficient in enumerate(others, start=1):
            value = value * x + coefficient
            if step % _STEPS_BETWEEN_FOLDS == 0:
                value = _fold(value, lanes)
        values.append(_gather(value, lanes, length))
    return values


def _combine_piece(coefficients: Sequence[int], strings: Sequence[bytes]) -> bytes:
    length = len(strings[0])
    lanes = _lanes(length // ELEMENT_BYTES)
    total = 0
    for count, (coefficient, string) in enumerate(zip(coefficients, strings, strict=True), start=1):
        total += coefficient * _spread(string, lanes)
        if count % _PRODUCTS_BETWEEN_FOLDS == 0:
            total = _fold(total, lanes)
    return _gather(total, lanes, length)
