"""A few columns stand for all: against decoding every single column, at any n up to 32."""

from __future__ import annotations

import random

import pytest
from decoding import fields as naive

from dsked.sharing import columns, gf256, shamir
from dsked.sharing.columns import OddColumns, only
from dsked.sharing.decode import GF256, locate_errors
from dsked.sharing.points import Point


def codeword(xs: list[int], k: int, length: int, rng: random.Random) -> list[bytearray]:
    """Strings at xs of random polynomials of degree < k, by the definition."""
    polynomials = [[rng.randrange(256) for _ in range(k)] for _ in range(length)]
    return [bytearray(naive.gf256_evaluate(p, x) for p in polynomials) for x in xs]


def odd_columns(strings: list[bytearray], xs: list[int], k: int) -> OddColumns:
    found = OddColumns([Point(x, bytes(s), bytes(32)) for x, s in zip(xs, strings, strict=True)], k)
    while not found.done:
        assert found.step() > 0
    return found


def located(strings: list[bytearray], xs: list[int], k: int, offset: int) -> set[int]:
    errors = locate_errors(GF256, xs, [string[offset] for string in strings], k)
    assert errors is not None
    return set(errors)


@pytest.mark.parametrize(("k", "m"), [(1, 3), (3, 5), (3, 8), (7, 16), (11, 32), (2, 32)])
def test_the_columns_found_have_all_errors_of_all_columns(
    k: int, m: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "STEP_BYTES", 1)
    monkeypatch.setattr(columns, "LEAST_PIECE_BYTES", 7)
    rng = random.Random(100 * k + m)
    xs = rng.sample(range(1, 256), m)
    for _ in range(4):
        strings = codeword(xs, k, 24, rng)
        liars = rng.sample(range(m), (m - k) // 2)
        for liar in liars:  # some lie in one column, some in several, some in all
            for offset in rng.sample(range(24), rng.choice((1, 2, 24))):
                strings[liar][offset] ^= rng.randrange(1, 256)
        found = odd_columns(strings, xs, k)
        assert len(found.offsets) <= len(liars)
        everywhere = set().union(*(located(strings, xs, k, offset) for offset in range(24)))
        assert set().union(*(located(strings, xs, k, offset) for offset in found.offsets)) == everywhere
        assert everywhere == set(liars)


def test_shares_that_agree_have_no_odd_column() -> None:
    xs = [3, 1, 9, 200, 77]
    found = odd_columns(codeword(xs, 3, 50, random.Random(1)), xs, 3)
    assert found.offsets == []


def test_errors_that_depend_on_each_other_need_one_column() -> None:
    """Two liars who add multiples of one string: the rank is 1, wherever they add it."""
    xs, rng = [1, 2, 3, 4, 5], random.Random(2)
    strings, added = codeword(xs, 3, 40, rng), rng.randbytes(40)
    for liar, factor in ((1, 7), (4, 9)):
        strings[liar] = bytearray(gf256.xor(bytes(strings[liar]), added.translate(gf256.MUL[factor])))
    assert len(odd_columns(strings, xs, 3).offsets) == 1


def test_it_ends_early_where_nothing_more_can_be_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "STEP_BYTES", 1)
    xs, rng = [1, 2, 3, 4, 5], random.Random(3)
    strings = [bytearray(rng.randbytes(3 * columns.LEAST_PIECE_BYTES)) for _ in xs]
    found = OddColumns([Point(x, bytes(s), b"") for x, s in zip(xs, strings, strict=True)], 3)
    found.step()
    assert found.done
    assert len(found.offsets) == 2


@pytest.mark.parametrize("offset", [0, 131_071, 131_072, 299_999])
def test_one_wrong_byte_of_a_long_share_is_found_where_pieces_meet(offset: int) -> None:
    """Whoever came first: xs in any order."""
    xs, rng = [4, 2, 5, 1, 3], random.Random(4)
    secret = rng.randbytes(300_000)
    shares = dict(zip(range(1, 6), shamir.split(secret, (1, 2, 3, 4, 5), 3, rng.randbytes), strict=True))
    wrong = bytearray(shares[5])
    wrong[offset] ^= 1
    shares[5] = bytes(wrong)
    found = odd_columns([bytearray(shares[x]) for x in xs], xs, 3)
    assert found.offsets == [offset]


def test_only_these_columns() -> None:
    [point] = only([Point(1, b"abcdef", b"pair")], [4, 0])
    assert point == Point(1, b"ea", b"pair")
