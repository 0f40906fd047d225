"""Unique decoding: every error pattern within the radius, both fields; exhaustive in a small case."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing import gfp
from dsked.sharing.decode import GF256, GFP, Field, locate_errors

EVALUATE = {id(GF256): naive.gf256_evaluate, id(GFP): naive.gfp_evaluate}
ORDER = {id(GF256): 256, id(GFP): gfp.P}


@pytest.mark.parametrize("field", [GF256, GFP], ids=["gf256", "gfp"])
@pytest.mark.parametrize(("k", "m"), [(1, 3), (2, 4), (3, 5), (3, 8), (5, 10), (10, 20)])
def test_every_pattern_of_the_radius(field: Field, k: int, m: int) -> None:
    xs = [(i * 37 + 5) % 256 for i in range(m)]
    right = [EVALUATE[id(field)]([11 * i + 3 for i in range(k)], x) for x in xs]
    radius = (m - k) // 2
    for count in range(radius + 1):
        for wrong in list(combinations(range(m), count))[:60]:
            values = [(y + 1 + i) % ORDER[id(field)] if i in wrong else y for i, y in enumerate(right)]
            assert locate_errors(field, xs, values, k) == frozenset(wrong)


@settings(deadline=None)
@given(st.data())
def test_random_polynomials_and_errors(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([GF256, GFP]))
    value = st.integers(0, ORDER[id(field)] - 1)
    xs = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=10, unique=True))
    k = data.draw(st.integers(1, len(xs)))
    polynomial = data.draw(st.lists(value, min_size=k, max_size=k))
    values = [EVALUATE[id(field)](polynomial, x) for x in xs]
    wrong = data.draw(st.sets(st.integers(0, len(xs) - 1), max_size=(len(xs) - k) // 2))
    for i in wrong:
        values[i] = data.draw(value.filter(lambda v, right=values[i]: v != right))
    assert locate_errors(field, xs, values, k) == frozenset(wrong)


def test_every_word_of_a_small_alphabet() -> None:
    """3 of 5, 243 words, most of them beyond the radius: located exactly if a search over subsets locates."""
    xs = [1, 2, 3, 4, 5]
    for values in product(range(3), repeat=5):
        explanations = set()
        for base in combinations(range(5), 3):
            points = [(xs[i], values[i]) for i in base]
            others = set(range(5)) - set(base)
            off = frozenset(i for i in others if naive.gf256_interpolate(points, xs[i]) != values[i])
            if len(off) <= 1:
                explanations.add(off)
        assert len(explanations) <= 1
        assert locate_errors(GF256, xs, values, 3) == (explanations.pop() if explanations else None)


@pytest.mark.parametrize("field", [GF256, GFP], ids=["gf256", "gfp"])
def test_zero_column_and_no_redundancy(field: Field) -> None:
    assert locate_errors(field, [1, 2, 3], [0, 0, 0], 2) == frozenset()
    assert locate_errors(field, [1, 2, 3], [9, 8, 7], 3) == frozenset()
    assert locate_errors(field, [1, 2, 3], [0, 0, 5], 1) == frozenset({2})
