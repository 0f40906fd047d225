"""GF(2^8) on whole byte strings.

The field is that of AES: polynomials over GF(2) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197,
section 4). A string of bytes is a string of field elements. Multiplying all of it by one constant is
`bytes.translate` with that constant's row of the multiplication table, and adding two strings is
the XOR of two bit arrays over the same bytes, or of two integers where they are short, so that no Python
code runs per byte. XOR is done here and nowhere else. (Of 8 KiB it takes 1.2 us so, 21 by integers, 1.5 by
numpy, which takes 14 MB and 60 ms to load; `bitarray` takes 4 ms.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import xor as xor_of
from typing import NamedTuple

from bitarray import bitarray

#: Longer strings are worked on in pieces of this size, so that what is made in between stays in the
#: processor's cache.
CHUNK_BYTES = 32 * 1024
#: Up to here integers are faster: of 32 bytes XOR takes 0.5 us, and 0.8 by bit arrays.
_SHORT_BYTES = 128


def xor(a: bytes, b: bytes | memoryview) -> bytes:
    """The sum of two strings of one length."""
    if len(a) != len(b):
        raise ValueError("strings of different lengths cannot be added")
    if len(a) <= _SHORT_BYTES:
        return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")
    return (bitarray(buffer=a) ^ bitarray(buffer=b)).tobytes()


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
    return combine_each([coefficients], strings)[0]


def combine_each(rows: Sequence[Sequence[int]], strings: Sequence[bytes]) -> list[bytes]:
    """One such sum for each row of coefficients: of the strings, and of the sums of the rows before it.

    A row may be shorter than there are strings and sums: what is left out counts nothing.
    """
    length = len(strings[0])
    if any(len(string) != length for string in strings):
        raise ValueError("strings of different lengths cannot be added")
    if length <= CHUNK_BYTES:
        return _sums(rows, strings)
    starts = range(0, length, CHUNK_BYTES)
    pieces = ([string[start : start + CHUNK_BYTES] for string in strings] for start in starts)
    return [b"".join(chunks) for chunks in zip(*[_sums(rows, piece) for piece in pieces], strict=True)]


def _sums(rows: Sequence[Sequence[int]], strings: Sequence[bytes]) -> list[bytes]:
    values = list(strings)
    add = _add_short if len(strings[0]) <= _SHORT_BYTES else _add
    for row in rows:
        values.append(add(row, values))
    return values[len(strings) :]


def _add_short(row: Sequence[int], strings: Sequence[bytes]) -> bytes:
    total = 0
    for coefficient, string in zip(row, strings, strict=False):
        if coefficient:
            total ^= int.from_bytes(_times(coefficient, string), "little")
    return total.to_bytes(len(strings[0]), "little")


def _times(coefficient: int, string: bytes) -> bytes:
    return string if coefficient == 1 else string.translate(MUL[coefficient])


def _add(row: Sequence[int], strings: Sequence[bytes]) -> bytes:
    way = _way(tuple(row))
    total = bitarray(8 * len(strings[0]))
    for i in way.added:
        total ^= bitarray(buffer=strings[i])
    for i, coefficient in way.multiplied:
        string = strings[i] if way.base is None else xor(strings[i], strings[way.base])
        total ^= bitarray(buffer=string.translate(MUL[coefficient]))
    return total.tobytes()


class _Way(NamedTuple):
    """How a sum is made: strings that are added as they are, those that are multiplied before.

    To the latter the string `base` is added first.
    """

    added: tuple[int, ...]
    multiplied: tuple[tuple[int, int], ...]  # (place, coefficient)
    base: int | None


@lru_cache(maxsize=4096)
def _way(row: tuple[int, ...]) -> _Way:
    """The one with the fewest products, each of which takes as long as twenty additions.

    Lagrange's coefficients add up to 1, and those of a parity check to 0. So those that are neither 0 nor 1
    add up to s = 0 or 1, and c1 a + c2 b + ... is c2 (a + b) + ... + s a: one product less.
    """
    added = [i for i, coefficient in enumerate(row) if coefficient == 1]
    multiplied = [(i, coefficient) for i, coefficient in enumerate(row) if coefficient > 1]
    total = reduce(xor_of, [coefficient for _, coefficient in multiplied], 0)
    if len(multiplied) < 2 or total > 1:
        return _Way(tuple(added), tuple(multiplied), None)
    base = multiplied.pop(0)[0]
    return _Way((*added, *[base] * total), tuple(multiplied), base)


def nr_products(row: Sequence[int]) -> int:
    """How many strings are multiplied for a sum."""
    return len(_way(tuple(row)).multiplied)
