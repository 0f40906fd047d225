"""GF(2^8) on whole byte strings.

The field is that of AES: polynomials over GF(2) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197,
section 4). A string of bytes is a string of field elements. Multiplying all of it by one constant is
`bytes.translate` with that constant's row of the multiplication table, and adding two strings is
the XOR of two integers, so that no Python code runs per byte. XOR is done here and nowhere else:
this is the seam for a faster one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

#: Longer strings are worked on in pieces of this size, so that every intermediate integer stays
#: in the processor's cache (measured: a tenth faster at 1 MiB; sizes from 8 to 128 KiB are alike).
CHUNK_BYTES = 32 * 1024


def xor(a: bytes, b: bytes) -> bytes:
    """The sum of two strings of one length."""
    if len(a) != len(b):
        raise ValueError("strings of different lengths cannot be added")
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")


def _multiplication_table() -> tuple[bytes, ...]:
    """Row a holds a * b for every b. Rows follow from row 2 by doubling and adding one."""
    times_2 = bytes((b << 1) ^ (0x11B if b & 0x80 else 0) for b in range(256))
    times_1 = bytes(range(256))
    rows = [bytes(256), times_1]
    for half in range(1, 128):
        even = rows[half].translate(times_2)
        rows += [even, xor(even, times_1)]
    return tuple(rows)


#: MUL[a][b] = a * b; `string.translate(MUL[a])` multiplies a whole string by a.
MUL = _multiplication_table()
#: INVERSE[a] = 1 / a. INVERSE[0] is 0 and means nothing.
INVERSE = bytes([0, *(row.index(1) for row in MUL[1:])])


@lru_cache(maxsize=4096)
def lagrange(xs: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Coefficients c with p(at) = sum of c[i] * p(xs[i]) for every polynomial p of degree < len(xs).

    Raises ValueError if two of the xs are the same or one is no field element.
    """
    if len(set(xs)) != len(xs) or not all(0 <= x <= 255 for x in (*xs, at)):
        raise ValueError("x-coordinates are distinct numbers 0..255")
    coefficients = []
    for i, x in enumerate(xs):
        numerator, denominator = 1, 1
        for other in xs[:i] + xs[i + 1 :]:
            numerator = MUL[numerator][at ^ other]
            denominator = MUL[denominator][x ^ other]
        coefficients.append(MUL[numerator][INVERSE[denominator]])
    return tuple(coefficients)


def combine(coefficients: Sequence[int], strings: Sequence[bytes]) -> bytes:
    """The sum of coefficients[i] * strings[i]; all strings have one length."""
    length = len(strings[0])
    if set(map(len, strings)) != {length}:
        raise ValueError("strings of different lengths cannot be added")
    if length <= CHUNK_BYTES:
        return _combine_chunk(coefficients, strings, length)
    return b"".join(
        _combine_chunk(
            coefficients,
            [string[start : start + CHUNK_BYTES] for string in strings],
            min(CHUNK_BYTES, length - start),
        )
        for start in range(0, length, CHUNK_BYTES)
    )


def _combine_chunk(coefficients: Sequence[int], strings: Sequence[bytes], length: int) -> bytes:
    total = 0
    for coefficient, string in zip(coefficients, strings, strict=True):
        product = string if coefficient == 1 else string.translate(MUL[coefficient])
        total ^= int.from_bytes(product, "little")
    return total.to_bytes(length, "little")
