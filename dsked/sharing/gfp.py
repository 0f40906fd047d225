"""GF(p) with p = 2^127 - 1: Shamir sharing of strings of elements, many at a time.

An element travels as 16 bytes, little-endian; a value of p or more is refused, so that every element
has one form. A string of elements is worked on as one large integer. Its elements are laid into lanes
of 256 bits, the even ones first and the odd ones after them, so that one multiplication of the large
integer by a constant multiplies every element, and one addition adds all of them: a product of two
elements has 254 bits and does not reach the next lane. Since 2^127 = 1 modulo p, a lane is reduced by
adding its bits from 127 up to those below.

Everything is a weighted sum of strings. Python multiplies by small numbers much faster than by large ones,
and for the x-coordinates 1, 2, 3, ... the weights are small, but some of them are negative: whole
multiples of p in every lane keep the sum above zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import gcd, lcm, prod
from operator import mul
from typing import NamedTuple

from dsked.errors import FrameError
from dsked.sharing.shamir import check_points

P = 2**127 - 1
ELEMENT_BYTES = 16

_WITHOUT_TOP_BIT = bytes(byte & 0x7F for byte in range(256))
_ELEMENT_BITS = 128
_LANE_BITS = 256
#: Weights whose absolute values add up to this at most leave every lane below 2^253: one fold reduces it.
_MAX_LIGHT = 1 << 126
#: Sums with heavier weights are folded after this many: 2^129 + 3 * 2^254 is below 2^256.
_PRODUCTS_BETWEEN_FOLDS = 3
#: Strings are worked on in pieces of this many elements: their constants stay small and cached.
_PIECE_ELEMENTS = 512


class _Lanes(NamedTuple):
    """Constants for a number of elements: the same pattern in every lane, or in every packed element."""

    units: int  # packed: 1 in each element
    tops: int  # packed: bit 127 of each element
    even: int  # the lower half of each lane, for as many lanes as there are even elements
    half: int  # all bits of those lanes
    half_bits: int  # where the lanes of the odd elements begin
    ones: int  # 1 in each lane
    low: int  # p, bits 0 to 126, in each lane
    threes: int  # 3 in each lane


def _repeat(count: int, bits: int) -> int:
    return ((1 << count * bits) - 1) // ((1 << bits) - 1)


@lru_cache(maxsize=32)
def _lanes(elements: int) -> _Lanes:
    even = (elements + 1) // 2
    units, ones = _repeat(elements, _ELEMENT_BITS), _repeat(2 * even, _LANE_BITS)
    return _Lanes(
        units=units,
        tops=units << 127,
        even=_repeat(even, _LANE_BITS) * ((1 << _ELEMENT_BITS) - 1),
        half=(1 << even * _LANE_BITS) - 1,
        half_bits=even * _LANE_BITS,
        ones=ones,
        low=ones * P,
        threes=ones * 3,
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


def _reduce(wide: int, lanes: _Lanes) -> int:
    """Lanes of at most (2^126 + 4) * p become the elements that they are modulo p."""
    low, ones = lanes.low, lanes.ones
    wide = (wide & low) + (wide >> 127 & low)
    # Now below 2 p. Adding one carries into bit 127 exactly where the value is p or more.
    return wide + (wide + ones >> 127 & ones) & low


def _pack(wide: int, lanes: _Lanes, length_bytes: int) -> bytes:
    packed = (wide & lanes.half) | (wide >> lanes.half_bits << _ELEMENT_BITS)
    return packed.to_bytes(length_bytes, "little")


@lru_cache(maxsize=256)
def lagrange(xs: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Coefficients c with p(at) = sum of c[i] * p(xs[i]) mod p for every polynomial of degree < len(xs).

    Raises ValueError if two of the xs are the same.
    """
    if len(set(xs)) != len(xs):
        raise ValueError("x-coordinates are distinct numbers")
    return tuple(_divide_all([_fraction(xs, i, at) for i in range(len(xs))]))


def _fraction(xs: tuple[int, ...], i: int, at: int) -> tuple[int, int]:
    """Lagrange's coefficient of xs[i], as numerator and denominator."""
    others = xs[:i] + xs[i + 1 :]
    return prod([at - other for other in others]), prod([xs[i] - other for other in others])


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


class _Weights(NamedTuple):
    """What strings are multiplied by before they are added."""

    factors: tuple[int, ...]
    bias: int  # what negative factors take away at most, in multiples of p
    light: bool  # no fold is needed in between

    @classmethod
    def of(cls, factors: Sequence[int]) -> _Weights:
        """Modulo p any number is one between -p / 2 and p / 2: often a small one."""
        near = tuple([(factor + P // 2) % P - P // 2 for factor in factors])
        if sum(map(abs, near)) <= _MAX_LIGHT:
            return cls(near, -sum(factor for factor in near if factor < 0), True)
        return cls(tuple([factor % P for factor in factors]), 0, False)


@lru_cache(maxsize=1024)
def _weights(xs: tuple[int, ...], at: int) -> _Weights:
    """Of the values at `xs`, for the value at `at`."""
    return _Weights.of(lagrange(xs, at))


@lru_cache(maxsize=256)
def _split_weights(xs: tuple[int, ...], k: int) -> list[_Weights]:
    """Of the secret and the first k - 1 shares, for each of the others. Checks xs and k."""
    check_points(xs, k)
    return [_weights((0, *xs[: k - 1]), x) for x in xs[k - 1 :]]


@lru_cache(maxsize=1024)
def _check_weights(xs: tuple[int, ...]) -> _Weights:
    """Of the values at `xs`, the last of which depends on the others: their sum is 0 if it is right.

    Any multiple would do: the smallest whole numbers are taken.
    """
    if len(set(xs)) != len(xs):
        raise ValueError("x-coordinates are distinct numbers")
    fractions = [_fraction(xs[:-1], i, xs[-1]) for i in range(len(xs) - 1)]
    common = lcm(*(denominator for _, denominator in fractions))
    factors = [numerator * (common // denominator) for numerator, denominator in fractions] + [-common]
    shared = gcd(*factors)
    return _Weights.of([factor // shared for factor in factors])


def _weighted_sum(weights: _Weights, values: Sequence[int], lanes: _Lanes) -> int:
    """Lanes for `_reduce`, from spread elements."""
    products: Iterable[int] = map(mul, weights.factors, values)
    total = weights.bias * lanes.low
    if weights.light:
        return sum(products, total)
    for count, product in enumerate(products, start=1):
        total += product
        if count % _PRODUCTS_BETWEEN_FOLDS == 0:
            total = _fold(total, lanes)
    return _fold(total, lanes)


def elements(string: bytes) -> list[bytes]:
    """The elements of a string of them."""
    return [string[start : start + ELEMENT_BYTES] for start in range(0, len(string), ELEMENT_BYTES)]


def is_canonical(string: bytes) -> bool:
    """Whether `string` is made of whole elements, all below p. Takes the same time for all that are."""
    return len(string) % ELEMENT_BYTES == 0 and not any(
        _outside(int.from_bytes(piece, "little"), _lanes(len(piece) // ELEMENT_BYTES))
        for (piece,) in _pieces([string])
    )


def uniform(count: int, random: Callable[[int], bytes]) -> bytes:
    """A string of `count` uniform elements, by rejection: 127 random bits each; all again if one is p.

    That happens with probability count / 2^127.
    """
    while True:
        drawn = bytearray(random(count * ELEMENT_BYTES))
        tops = slice(ELEMENT_BYTES - 1, None, ELEMENT_BYTES)
        drawn[tops] = drawn[tops].translate(_WITHOUT_TOP_BIT)
        string = bytes(drawn)
        if is_canonical(string):
            return string


def split(secret: bytes, xs: Sequence[int], k: int, random: Callable[[int], bytes]) -> list[bytes]:
    """One share per x-coordinate, in the order of `xs`, each as long as the secret: a string of elements.

    `xs` are distinct, 1..255; any k shares give the secret. The sharing is systematic: the first k - 1
    shares are drawn, and together with the secret they fix the polynomial. The map from the k - 1 values to
    the k - 1 coefficients is one to one, so uniform values give uniform coefficients. Raises ValueError for
    k or xs outside their range, and FrameError for a secret that is not made of elements below p.
    """
    weights = _split_weights(tuple(xs), k)
    _check_lengths([secret])
    length = len(secret)
    drawn = uniform(length // ELEMENT_BYTES * (k - 1), random)
    shares = [drawn[i * length : (i + 1) * length] for i in range(k - 1)]
    others = [_sums(weights, piece) for piece in _pieces([secret, *shares])]
    return shares + [b"".join(parts) for parts in zip(*others, strict=True)]


def join(shares: Sequence[tuple[int, bytes]], at: int = 0) -> bytes:
    """The string at `at` (0: the secret) of the polynomials through `shares`, pairs of (x, string).

    Raises FrameError for a string that is not made of elements below p, ValueError for strings of
    different lengths and for coordinates that are not distinct.
    """
    strings = [string for _, string in shares]
    _check_lengths(strings)
    weights = [_weights(tuple([x for x, _ in shares]), at)]
    return b"".join([_sums(weights, piece)[0] for piece in _pieces(strings)])


def find_odd(points: Sequence[tuple[int, bytes]], k: int) -> set[int]:
    """The indices of the elements whose values do not all lie on one polynomial of degree < k.

    `points` are k or more pairs of (x, string). Raises as `join` does.
    """
    strings = [string for _, string in points]
    _check_lengths(strings)
    xs = [x for x, _ in points]
    odd = set()
    for number, piece in enumerate(_pieces(strings)):
        length = len(piece[0])
        lanes = _lanes(length // ELEMENT_BYTES)
        values = [_spread(string, lanes) for string in piece]
        for x, extra in zip(xs[k:], values[k:], strict=True):
            weights = _check_weights((*xs[:k], x))
            wrong = _reduce(_weighted_sum(weights, [*values[:k], extra], lanes), lanes)
            if wrong:
                sums = enumerate(elements(_pack(wrong, lanes, length)), start=number * _PIECE_ELEMENTS)
                odd |= {i for i, value in sums if any(value)}
    return odd


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


def _sums(weights: Sequence[_Weights], strings: Sequence[bytes]) -> list[bytes]:
    """One weighted sum of the strings for each of `weights`."""
    length = len(strings[0])
    lanes = _lanes(length // ELEMENT_BYTES)
    values = [_spread(string, lanes) for string in strings]
    return [_pack(_reduce(_weighted_sum(each, values, lanes), lanes), lanes, length) for each in weights]
