"""GF(2^8): published products, the whole tables against long multiplication, whole strings."""

from __future__ import annotations

import random
from functools import reduce
from operator import xor

import pytest
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing import gf256


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        # FIPS 197, section 4.2 and 4.2.1.
        (0x57, 0x83, 0xC1),
        (0x57, 0x13, 0xFE),
        (0x57, 0x02, 0xAE),
        (0x57, 0x04, 0x47),
        (0x57, 0x08, 0x8E),
        (0x57, 0x10, 0x07),
        # Inverses of each other, as in the S-box of the same standard: S({53}) = {ed}.
        (0x53, 0xCA, 0x01),
    ],
)
def test_published_products(a: int, b: int, product: int) -> None:
    assert gf256.MUL[a][b] == gf256.MUL[b][a] == product


def test_mix_columns_of_aes() -> None:
    """A column of FIPS 197's MixColumns, made from whole-string products: db 13 53 45 -> 8e 4d a1 bc."""
    column = bytes.fromhex("db135345")
    rotated = [column[i:] + column[:i] for i in range(4)]
    assert gf256.combine([2, 3, 1, 1], rotated) == bytes.fromhex("8e4da1bc")


def test_every_product_and_inverse() -> None:
    for a in range(256):
        assert gf256.MUL[a] == bytes(naive.gf256_multiply(a, b) for b in range(256))
    for a in range(1, 256):
        assert naive.gf256_multiply(a, gf256.INVERSE[a]) == 1


@pytest.mark.parametrize("length", [*range(18), 255, 256, 4096, gf256.CHUNK_BYTES - 1, gf256.CHUNK_BYTES + 9])
def test_xor(length: int) -> None:
    rng = random.Random(length)
    a, b = rng.randbytes(length), rng.randbytes(length)
    wanted = bytes(i ^ j for i, j in zip(a, b, strict=True))
    assert gf256.xor(a, b) == wanted
    assert gf256.xor(memoryview(b"." + a)[1:], memoryview(b"..." + b)[3:]) == wanted
    assert gf256.xor(a, bytes(length)) == a
    assert not any(gf256.xor(b, b))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=8, unique=True),
    st.integers(0, 255),
    st.data(),
)
def test_lagrange_interpolates(xs: list[int], at: int, data: st.DataObject) -> None:
    polynomial = data.draw(st.lists(st.integers(0, 255), min_size=len(xs), max_size=len(xs)))
    coefficients = gf256.lagrange(tuple(xs), at)
    value = 0
    for coefficient, x in zip(coefficients, xs, strict=True):
        value ^= naive.gf256_multiply(coefficient, naive.gf256_evaluate(polynomial, x))
    assert value == naive.gf256_evaluate(polynomial, at)


@pytest.mark.parametrize("xs", [(1, 1), (1, 256), (-1, 2), (5, 7, 5)])
def test_lagrange_refuses(xs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="distinct"):
        gf256.lagrange(xs, 0)


@pytest.mark.parametrize("extra", [-1, 0, 1, gf256.CHUNK_BYTES + 3])
def test_long_strings_are_the_same_in_pieces(extra: int) -> None:
    length = gf256.CHUNK_BYTES + extra
    a, b = bytes(i * 7 & 255 for i in range(length)), bytes(i * i >> 3 & 255 for i in range(length))
    wanted = bytes(gf256.MUL[0x53][i] ^ gf256.MUL[0xFE][j] for i, j in zip(a, b, strict=True))
    assert gf256.combine([0x53, 0xFE], [a, b]) == wanted
    assert gf256.combine_each([[0, 1], [0x53, 0xFE], [1, 0]], [a, b]) == [b, wanted, a]


@settings(deadline=None)
@given(st.data(), st.sampled_from([1, 40]))
def test_a_row_may_use_the_sums_before_it(data: st.DataObject, times: int) -> None:
    """Short strings and long ones, whose products are saved where they can be: a sum is a sum."""
    strings = [bytes(s) * times for s in data.draw(st.lists(st.binary(min_size=4, max_size=4), min_size=1))]
    coefficient = st.one_of(st.sampled_from([0, 1, 2, 3]), st.integers(0, 255))
    rows, wanted = [], list(strings)
    for _ in range(data.draw(st.integers(1, 3))):
        rows.append(data.draw(st.lists(coefficient, max_size=len(wanted))))
        products = [[naive.gf256_multiply(c, b) for b in s] for c, s in zip(rows[-1], wanted, strict=False)]
        wanted.append(
            bytes(reduce(xor, column, 0) for column in zip(bytes(4 * times), *products, strict=True))
        )
    assert gf256.combine_each(rows, strings) == wanted[len(strings) :]


@pytest.mark.parametrize(
    ("row", "products"),
    [
        ((1, 1, 1), 0),
        ((0, 5, 0), 1),
        ((2, 3, 5), 3),
        ((15, 8, 6), 2),
        ((7, 7), 1),
        ((2, 3), 1),
        ((1, 2, 0, 2), 1),
    ],
)
def test_coefficients_that_add_up_to_0_or_1_save_a_product(row: tuple[int, ...], products: int) -> None:
    assert gf256.nr_products(row) == products


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        gf256.xor(b"ab", b"a")
    with pytest.raises(ValueError, match="different lengths"):
        gf256.combine([1, 2], [b"ab", b"a"])
