"""Unique decoding of one column of shares: which of m values lie off the polynomial of degree < k.

The values of one byte (GF(2^8)) or of one element (GF(p)) at all hubs are a word of a Reed-Solomon
code. Up to floor((m - k) / 2) wrong values are located by the algorithm of Gao ("A new algorithm for
decoding Reed-Solomon codes", 2003): interpolate, then stop Euclid's algorithm half-way.
Polynomials are lists of coefficients, lowest degree first, without leading zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dsked.sharing import gf256, gfp


class Field(Protocol):
    """Arithmetic on elements written as integers."""

    def add(self, a: int, b: int) -> int: ...
    def subtract(self, a: int, b: int) -> int: ...
    def multiply(self, a: int, b: int) -> int: ...
    def invert(self, a: int) -> int: ...


class _Bytes:
    """GF(2^8)."""

    def add(self, a: int, b: int) -> int:
        return a ^ b

    subtract = add

    def multiply(self, a: int, b: int) -> int:
        return gf256.MUL[a][b]

    def invert(self, a: int) -> int:
        return gf256.INVERSE[a]


class _Integers:
    """The integers modulo a prime."""

    def __init__(self, prime: int) -> None:
        self._prime = prime

    def add(self, a: int, b: int) -> int:
        return (a + b) % self._prime

    def subtract(self, a: int, b: int) -> int:
        return (a - b) % self._prime

    def multiply(self, a: int, b: int) -> int:
        return a * b % self._prime

    def invert(self, a: int) -> int:
        return pow(a, -1, self._prime)


GF256: Field = _Bytes()
GFP: Field = _Integers(gfp.P)

_Polynomial = list[int]


def locate_errors(field: Field, xs: Sequence[int], ys: Sequence[int], k: int) -> frozenset[int] | None:
    """The indices of the values that are wrong if at most floor((m - k) / 2) of them are.

    None if no polynomial of degree < k is that near. `xs` are distinct; the work grows with m^2.
    """
    m = len(xs)
    remainder, locator = _half_way(field, _vanishing(field, xs), _interpolate(field, xs, ys), m + k)
    polynomial, _ = _divide(field, remainder, locator)
    if len(polynomial) > k:
        return None
    # Whatever the division left over: a polynomial of degree < k this near is the only one.
    wrong = frozenset(i for i in range(m) if _evaluate(field, polynomial, xs[i]) != ys[i])
    return wrong if 2 * len(wrong) <= m - k else None


def _half_way(
    field: Field, above: _Polynomial, below: _Polynomial, twice_degree: int
) -> tuple[_Polynomial, _Polynomial]:
    """Euclid on (above, below) until 2 * degree < twice_degree: (remainder, cofactor of `below`)."""
    cofactor_above: _Polynomial = []
    cofactor_below = [1]
    while 2 * (len(below) - 1) >= twice_degree:
        quotient, rest = _divide(field, above, below)
        above, below = below, rest
        product = _multiply(field, quotient, cofactor_below)
        cofactor_above, cofactor_below = cofactor_below, _subtract(field, cofactor_above, product)
    return below, cofactor_below


def _vanishing(field: Field, xs: Sequence[int]) -> _Polynomial:
    product = [1]
    for x in xs:
        product = _multiply(field, product, [field.subtract(0, x), 1])
    return product


def _interpolate(field: Field, xs: Sequence[int], ys: Sequence[int]) -> _Polynomial:
    """Newton's form: every point adds a multiple of the polynomial that vanishes at those before."""
    total: _Polynomial = []
    basis = [1]
    for x, y in zip(xs, ys, strict=True):
        gap = field.subtract(y, _evaluate(field, total, x))
        factor = field.multiply(gap, field.invert(_evaluate(field, basis, x)))
        total = _subtract(field, total, [field.multiply(field.subtract(0, factor), b) for b in basis])
        basis = _multiply(field, basis, [field.subtract(0, x), 1])
    return total


def _evaluate(field: Field, polynomial: _Polynomial, x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = field.add(field.multiply(value, x), coefficient)
    return value


def _trim(polynomial: _Polynomial) -> _Polynomial:
    while polynomial and polynomial[-1] == 0:
        polynomial.pop()
    return polynomial


def _subtract(field: Field, a: _Polynomial, b: _Polynomial) -> _Polynomial:
    length = max(len(a), len(b))
    padded_a, padded_b = a + [0] * (length - len(a)), b + [0] * (length - len(b))
    return _trim([field.subtract(i, j) for i, j in zip(padded_a, padded_b, strict=True)])


def _multiply(field: Field, a: _Polynomial, b: _Polynomial) -> _Polynomial:
    product = [0] * max(len(a) + len(b) - 1, 0)
    for i, factor in enumerate(a):
        for j, coefficient in enumerate(b):
            product[i + j] = field.add(product[i + j], field.multiply(factor, coefficient))
    return _trim(product)


def _divide(field: Field, a: _Polynomial, b: _Polynomial) -> tuple[_Polynomial, _Polynomial]:
    """(quotient, remainder); b is not zero."""
    remainder = list(a)
    quotient = [0] * max(len(a) - len(b) + 1, 0)
    leading = field.invert(b[-1])
    for shift in reversed(range(len(quotient))):
        factor = quotient[shift] = field.multiply(remainder[shift + len(b) - 1], leading)
        for i, coefficient in enumerate(b):
            remainder[shift + i] = field.subtract(remainder[shift + i], field.multiply(factor, coefficient))
    return _trim(quotient), _trim(remainder)
