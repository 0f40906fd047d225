"""Shamir over GF(2^8): a published vector, all subsets, perfect secrecy counted out."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations

import pytest
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing import gf256, shamir

from .dealings import seeded


def test_published_vector() -> None:
    """draft-mcgrew-tss-03, section 9: 2 of 2, secret "test" and a zero byte; it uses this field."""
    shares = [(1, bytes.fromhex("B9FA07E185")), (2, bytes.fromhex("F5409B4511"))]
    assert shamir.join(shares) == bytes.fromhex("7465737400")
    # The first share is the random byte string of a systematic split: it gives the second.
    drawn = shares[0][1]
    assert shamir.split(b"test\0", [1, 2], 2, lambda _: drawn) == [shares[0][1], shares[1][1]]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 5), (5, 5), (4, 7), (5, 10)])
def test_every_subset_in_every_order(k: int, n: int) -> None:
    xs = [200 - 7 * i for i in range(n)]
    secret = seeded(k * 100 + n)(33)
    shares = shamir.split(secret, xs, k, seeded(n))
    points = list(zip(xs, shares, strict=True))
    for subset in combinations(points, k):
        assert shamir.join(subset) == secret
    for order in permutations(points[:k][:4]):
        assert shamir.join([*order, *points[4:k]]) == secret


@settings(deadline=None)
@given(st.data())
def test_like_the_definition(data: st.DataObject) -> None:
    xs = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=9, unique=True))
    k = data.draw(st.integers(1, len(xs)))
    secret = data.draw(st.binary(max_size=5)) * data.draw(st.sampled_from([1, 40]))
    shares = shamir.split(secret, xs, k, seeded(data.draw(st.integers(0, 2**32))))
    for i, byte in enumerate(secret[:5]):
        column = [(x, share[i]) for x, share in zip(xs, shares, strict=True)]
        known = [(0, byte), *column[: k - 1]]
        assert all(naive.gf256_interpolate(known, x) == y for x, y in column)
        at = data.draw(st.integers(0, 255))
        joined = shamir.join(list(zip(xs, shares, strict=True))[:k], at=at)
        assert joined[i] == naive.gf256_interpolate(column[:k], at)


def test_three_of_five_take_two_products_and_comparing_them_two() -> None:
    """0, 1, 2, 3 and 0, 1, 4, 5 are subspaces over GF(2), and 2, 3, 4, 5 is an affine one."""
    for known, ats in (((0, 1, 2), (3, 4, 5)), ((1, 2, 3), (4, 5))):
        assert sum(map(gf256.nr_products, shamir.interpolation(known, ats))) == 2


def test_where_there_are_many_ways_to_interpolate_one_is_taken() -> None:
    xs = tuple(range(1, 256))
    for row, at in zip(shamir.interpolation((0, *xs[:127]), xs[127:]), xs[127:], strict=True):
        assert row[:128] == gf256.lagrange((0, *xs[:127]), at)


@pytest.mark.parametrize("watched", [(0,), (1,), (2,)])
def test_one_share_of_two_says_nothing(watched: tuple[int]) -> None:
    """Over all random bytes each single share takes every value exactly once, whatever the secret."""
    for secret in (0, 1, 0x53, 255):
        seen = Counter(
            shamir.split(bytes((secret,)), [3, 9, 250], 2, lambda _, r=r: bytes((r,)))[watched[0]]
            for r in range(256)
        )
        assert len(seen) == 256


@pytest.mark.parametrize("watched", [(0, 1), (0, 4), (2, 3), (3, 4)])
def test_two_shares_of_three_say_nothing(watched: tuple[int, int]) -> None:
    """The map from the two random bytes to any two shares is one to one, for every secret byte."""
    # All 2^16 pairs of random bytes as one batch: byte i of the batch uses the pair (i >> 8, i & 255).
    drawn = bytes(i >> 8 for i in range(65536)) + bytes(i & 255 for i in range(65536))
    for secret in (0, 0x9A):
        shares = shamir.split(bytes((secret,)) * 65536, [1, 2, 3, 4, 5], 3, lambda _: drawn)
        assert len(set(zip(shares[watched[0]], shares[watched[1]], strict=True))) == 65536


def test_one_random_read() -> None:
    reads: list[int] = []

    def random(length: int) -> bytes:
        reads.append(length)
        return bytes(length)

    shamir.split(bytes(10), [1, 2, 3, 4, 5], 3, random)
    assert reads == [20]


@pytest.mark.parametrize(
    ("xs", "k"),
    [([1, 2], 3), ([1, 2], 0), ([], 1), ([1, 1], 2), ([0, 1], 2), ([1, 0], 2), ([1, 256], 2), ([-1, 1], 1)],
)
def test_split_refuses(xs: list[int], k: int) -> None:
    with pytest.raises(ValueError, match=r"k is between|x-coordinates are"):
        shamir.split(b"secret", xs, k, bytes)


def test_join_refuses_one_x_twice() -> None:
    with pytest.raises(ValueError, match="distinct"):
        shamir.join([(1, b"a"), (1, b"b")])
