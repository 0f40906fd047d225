"""GF(2^127 - 1): lanes against Python's integers, the edges of the field, rejection."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.errors import FrameError
from dsked.sharing import gfp

from .dealings import seeded

EDGES = [0, 1, 2, 2**63, 2**64 - 1, 2**126, gfp.P - 2, gfp.P - 1]
element = st.one_of(st.sampled_from(EDGES), st.integers(0, gfp.P - 1))
string = st.lists(element, max_size=9).map(naive.from_elements)


def only(drawn: bytes) -> Callable[[int], bytes]:
    """A source that is asked for these bytes, for all of them and for no more."""

    def draw(length: int) -> bytes:
        assert length == len(drawn)
        return drawn

    return draw


def test_p_is_prime() -> None:
    """Lucas-Lehmer."""
    s = 4
    for _ in range(125):
        s = (s * s - 2) % gfp.P
    assert s == 0


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 2), (2, 3), (3, 5), (4, 7), (5, 10)])
def test_every_subset(k: int, n: int) -> None:
    xs = [255 - 11 * i for i in range(n)]
    secret = naive.from_elements(EDGES)
    points = list(zip(xs, gfp.split(secret, xs, k, seeded(n)), strict=True))
    for subset in combinations(points, k):
        assert gfp.join(subset) == secret


@pytest.mark.parametrize("k", [2, 3, 62, 125, 126, 127, 255])
@pytest.mark.parametrize("step", [1, 2, 7])
def test_largest_values_stay_in_their_lanes(k: int, step: int) -> None:
    """Small weights and large ones, of both signs, and sums on both sides of what needs no fold."""
    xs = [1 + step * i % 255 for i in range(k)]
    if len(set(xs)) < k:
        pytest.skip("so many hubs have no distinct coordinates")
    largest = gfp.P - 1
    drawn = naive.from_elements([largest] * 3 * (k - 1))
    shares = gfp.split(naive.from_elements([largest, largest, 0]), xs, k, only(drawn))
    # The first two polynomials are constant; the third is that constant but at 0, where it has weight w.
    w = gfp.lagrange((0, *xs[:-1]), xs[-1])[0]
    assert naive.elements(shares[-1]) == [largest, largest, largest * (1 - w) % gfp.P]
    assert gfp.join(list(zip(xs, shares, strict=True))) == naive.from_elements([largest, largest, 0])


def test_sums_of_the_largest_products_stay_in_their_lane() -> None:
    """Elements of p - 1 under coefficients of every size; a lane holds four such products, not five."""
    xs = tuple(range(1, 31))
    rows = [(x, naive.from_elements([gfp.P - 1] * 4)) for x in xs]
    largest = 0
    for at in range(31, 256):
        coefficients = gfp.lagrange(xs, at)
        largest = max(largest, *(sum(coefficients[i : i + 5]) for i in range(len(xs) - 4)))
        # The polynomial is constant: p - 1 everywhere.
        assert gfp.join(rows, at=at) == rows[0][1]
    assert largest > 4 * gfp.P


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 1100])
def test_batches_are_the_same_in_pieces(count: int) -> None:
    secret = gfp.uniform(count, seeded(count))
    drawn = gfp.uniform(2 * count, seeded(-1))
    shares = gfp.split(secret, [7, 1, 99], 3, only(drawn))
    for i in range(count):
        at = slice(16 * i, 16 * i + 16)
        alone = drawn[at] + drawn[16 * count :][at]
        assert gfp.split(secret[at], [7, 1, 99], 3, only(alone)) == [s[at] for s in shares]
    assert gfp.join(list(zip([7, 1, 99], shares, strict=True))) == secret


@settings(deadline=None)
@given(string, st.data())
def test_like_the_definition(secret: bytes, data: st.DataObject) -> None:
    """The shares drawn stand as they are; they and the secret give all others."""
    xs = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=8, unique=True))
    k = data.draw(st.integers(1, len(xs)))
    count = len(secret) // 16
    drawn = data.draw(st.lists(element, min_size=count * (k - 1), max_size=count * (k - 1)))
    shares = gfp.split(secret, xs, k, only(naive.from_elements(drawn)))
    for i, value in enumerate(naive.elements(secret)):
        known = list(zip([0, *xs[: k - 1]], [value, *drawn[i::count]], strict=True))
        assert [naive.elements(share)[i] for share in shares] == [naive.gfp_interpolate(known, x) for x in xs]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_k_minus_1_shares_may_be_anything(data: st.DataObject) -> None:
    """For every secret one drawing gives these k - 1 shares to these hubs: they say nothing of the secret."""
    n = data.draw(st.integers(2, 7))
    k = data.draw(st.integers(2, n))
    xs = data.draw(st.lists(st.integers(1, 255), min_size=n, max_size=n, unique=True))
    secret = naive.from_elements([data.draw(element), data.draw(element)])
    watched = data.draw(st.permutations(range(n)))[: k - 1]
    seen = [naive.from_elements([data.draw(element), data.draw(element)]) for _ in watched]
    points = [(0, secret), *((xs[i], share) for i, share in zip(watched, seen, strict=True))]
    drawn = b"".join(gfp.join(points, at=x) for x in xs[: k - 1])
    shares = gfp.split(secret, xs, k, only(drawn))
    assert [shares[i] for i in watched] == seen


@settings(deadline=None)
@given(st.data())
def test_odd_elements_are_found(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 7))
    k = data.draw(st.integers(1, n - 1))
    xs = data.draw(st.lists(st.integers(1, 255), min_size=n, max_size=n, unique=True))
    secret = gfp.uniform(5, seeded(data.draw(st.integers(0, 2**32))))
    shares = gfp.split(secret, xs, k, seeded(1))
    odd = data.draw(st.dictionaries(st.integers(0, 4), st.tuples(st.integers(0, n - 1), element)))
    wanted = set()
    for i, (hub, value) in odd.items():
        changed = naive.elements(shares[hub])
        wanted |= {i} if changed[i] != value else set()
        changed[i] = value
        shares[hub] = naive.from_elements(changed)
    assert gfp.find_odd(data.draw(st.permutations(list(zip(xs, shares, strict=True)))), k) == wanted


@pytest.mark.parametrize("place", [0, 511, 512, 1099])
def test_odd_elements_are_found_in_every_piece(place: int) -> None:
    shares = gfp.split(bytes(16 * 1100), [1, 2, 3], 2, seeded(1))
    changed = naive.elements(shares[0])
    changed[place] ^= 1
    points = [(1, naive.from_elements(changed)), (2, shares[1]), (3, shares[2])]
    assert gfp.find_odd(points, 2) == {place}


@settings(deadline=None)
@given(st.data())
def test_join_like_the_definition(data: st.DataObject) -> None:
    xs = data.draw(st.lists(st.integers(0, 255), min_size=1, max_size=8, unique=True))
    count = data.draw(st.integers(0, 5))
    rows = data.draw(
        st.lists(st.lists(element, min_size=count, max_size=count), min_size=len(xs), max_size=len(xs))
    )
    at = data.draw(st.integers(0, 255))
    joined = gfp.join([(x, naive.from_elements(row)) for x, row in zip(xs, rows, strict=True)], at=at)
    assert naive.elements(joined) == [
        naive.gfp_interpolate([(x, row[i]) for x, row in zip(xs, rows, strict=True)], at)
        for i in range(count)
    ]


@pytest.mark.parametrize("value", [gfp.P, gfp.P + 1, 2**127 + 5, 2**128 - 1])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_values_outside_the_field_are_refused(value: int, place: int) -> None:
    values = [gfp.P - 1, 0, gfp.P - 1]
    assert gfp.is_canonical(naive.from_elements(values))
    values[place] = value
    outside = naive.from_elements(values)
    assert not gfp.is_canonical(outside)
    with pytest.raises(FrameError):
        gfp.split(outside, [1, 2], 2, seeded(0))
    with pytest.raises(FrameError):
        gfp.join([(1, bytes(48)), (2, outside)])


def test_a_part_of_an_element_is_refused() -> None:
    assert not gfp.is_canonical(bytes(15))
    with pytest.raises(FrameError):
        gfp.join([(1, bytes(17)), (2, bytes(17))])


@pytest.mark.parametrize(("xs", "k"), [([1, 0], 2), ([1, 1], 2), ([1, 256], 2), ([1, 2], 3), ([1, 2], 0)])
def test_split_refuses(xs: list[int], k: int) -> None:
    with pytest.raises(ValueError, match=r"k is between|x-coordinates are"):
        gfp.split(bytes(16), xs, k, seeded(0))


def test_join_refuses_different_lengths() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        gfp.join([(1, bytes(16)), (2, bytes(32))])


def test_join_refuses_one_x_twice() -> None:
    with pytest.raises(ValueError, match="distinct"):
        gfp.join([(1, bytes(16)), (1, bytes(16))])


def test_uniform_draws_again_for_p() -> None:
    """127 ones are p itself: rejected, whatever the 128th bit; the next string is taken whole."""
    good = naive.from_elements([5, gfp.P - 1])
    answers = [naive.from_elements([3, gfp.P]), b"\xff" * 32, good]
    assert gfp.uniform(2, lambda _: answers.pop(0)) == good
    assert answers == []


def test_uniform_ignores_the_top_bit() -> None:
    assert gfp.uniform(1, lambda _: b"\x01" + bytes(14) + b"\x80") == b"\x01" + bytes(15)


def test_every_share_is_drawn_anew() -> None:
    """The shares and the coefficients of a polynomial of degree 2 all differ from each other."""
    secret = bytes(gfp.ELEMENT_BYTES * 4)
    shares = gfp.split(secret, [1, 2, 3], 3, seeded(4))
    values = {element for share in shares for element in gfp.elements(share)}
    assert len(values) == 12
    for start in range(0, len(secret), gfp.ELEMENT_BYTES):
        y1, y2, y3 = (int.from_bytes(one[start : start + gfp.ELEMENT_BYTES], "little") for one in shares)
        # p(x) = a x + b x^2: b = (y2 - 2 y1) / 2, a = y1 - b.
        b = (y2 - 2 * y1) * pow(2, -1, gfp.P) % gfp.P
        a = (y1 - b) % gfp.P
        assert (3 * a + 9 * b - y3) % gfp.P == 0
        assert a != b and a and b
