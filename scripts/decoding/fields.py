"""Both fields of the sharing, written from their definitions: bit by bit, number by number, and slow.

GF(2^8) by long multiplication of polynomials, GF(p) by Python's integers, polynomials by their coefficients,
interpolation by solving for the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

P = 2**127 - 1


def gf256_multiply(a: int, b: int) -> int:
    """a * b modulo t^8 + t^4 + t^3 + t + 1."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0b1_0001_1011 << (bit - 8)
    return product


def gf256_power(a: int, exponent: int) -> int:
    """a to the power of `exponent`."""
    result = 1
    for _ in range(exponent):
        result = gf256_multiply(result, a)
    return result


@cache
def gf256_invert(a: int) -> int:
    """a^254, since a^255 = 1."""
    return gf256_power(a, 254)


def gf256_evaluate(coefficients: Sequence[int], x: int) -> int:
    """The value at x of the polynomial with these coefficients, the constant one first."""
    value = 0
    for degree, coefficient in enumerate(coefficients):
        value ^= gf256_multiply(coefficient, gf256_power(x, degree))
    return value


def gf256_interpolate(points: Sequence[tuple[int, int]], at: int) -> int:
    """The value at `at` of the polynomial through these points (x, y)."""
    value = 0
    for i, (x_i, y_i) in enumerate(points):
        term = y_i
        for j, (x_j, _) in enumerate(points):
            if i != j:
                term = gf256_multiply(term, gf256_multiply(at ^ x_j, gf256_invert(x_i ^ x_j)))
        value ^= term
    return value


def gfp_evaluate(coefficients: Sequence[int], x: int, p: int = P) -> int:
    """The value at x, modulo p."""
    return sum(coefficient * pow(x, degree, p) for degree, coefficient in enumerate(coefficients)) % p


def gfp_interpolate(points: Sequence[tuple[int, int]], at: int, p: int = P) -> int:
    """The value at `at` of the polynomial through these points (x, y), modulo p."""
    value = 0
    for i, (x_i, y_i) in enumerate(points):
        term = y_i
        for j, (x_j, _) in enumerate(points):
            if i != j:
                term = term * (at - x_j) * pow(x_i - x_j, p - 2, p)
        value += term
    return value % p


def amd_tag(x: int, blocks: Sequence[int], p: int = P) -> int:
    """x^(d+2) + m_1 x^d + ... + m_d x, term by term."""
    d = len(blocks)
    powers = (pow(x, d + 1 - i, p) for i in range(1, d + 1))
    return (pow(x, d + 2, p) + sum(m * power for m, power in zip(blocks, powers, strict=True))) % p


def message_blocks(message: bytes) -> list[int]:
    """The message cut into blocks of 15 bytes, as little-endian numbers."""
    blocks = []
    for start in range(0, len(message), 15):
        blocks.append(sum(byte << 8 * i for i, byte in enumerate(message[start : start + 15])))
    return blocks


def elements(string: bytes) -> list[int]:
    """The elements of a string, 16 bytes each in little-endian order; not checked to be below p."""
    return [
        sum(byte << 8 * i for i, byte in enumerate(string[start : start + 16]))
        for start in range(0, len(string), 16)
    ]


def from_elements(values: Sequence[int]) -> bytes:
    """The string of these elements."""
    return b"".join(value.to_bytes(16, "little") for value in values)
