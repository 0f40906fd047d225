"""Which hubs are proven wrong by the shares in hand, once a key has passed its secret tag.

That k shares pass does not make each of them right: two liars among them can add differences that cancel at
0, so that the key is right, the polynomial is not, and the honest hubs are those that differ from it. So a
hub is named only if it is wrong in every explanation of what was seen with at most k - 1 liars: a set of hubs
that, left out, leaves all other shares on one polynomial through the secret. The true liars are such an
explanation as long as they are fewer than k, so no honest hub is named.

Another explanation than that of the k shares that passed (with W hubs that differ from it) keeps `needed`
hubs on another polynomial, whose difference from the first is 0 at the secret, and at z <= k - 2 of the hubs
that keep to the first. At w of the W hubs it is what these add, in every column. Such differences form a
space of dimension k - 1 - z <= k - 1 - (needed - w), so the columns at those w have a rank of no more than
w - (needed - k + 1), and those of all W of no more than W - (needed - k + 1): one more hub raises the rank
by one at most. So if the rank is higher, as it is for liars who do not fit their differences to each other,
there is no other explanation. Else polynomials are tried, where they are not too many.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import combinations
from math import comb

from dsked.sharing import cost, gfp, shamir
from dsked.sharing.amd import HASH_KEY_BYTES
from dsked.sharing.columns import OddColumns, only
from dsked.sharing.points import Point, agreeing, gather, secret_point
from dsked.sharing.rebuilding import Column, check_lengths, split_columns, tolerating
from dsked.sharing.shares import KeyShare, cut
from dsked.sharing.terms import Terms

#: Polynomials tried to prove which hubs lied: beyond this nobody is named.
MAX_EXPLANATIONS = 512

Proof = Generator[int, None, tuple[int, ...]]
_Xs = set[int]


def disagreeing_columns(terms: Terms, columns: Sequence[Column]) -> list[int]:
    """The indices of the keys whose shares and codes do not all lie on one polynomial; sorted.

    Each of the k or more columns, of distinct xs, holds those of all keys, in one order. Raises ValueError
    where lengths or xs do not fit.
    """
    number = len(columns[0][1]) // terms.key_bytes
    check_lengths(terms, number, columns)
    k, xs = terms.k, [x for x, _, _ in columns]
    if len(set(xs)) != len(xs):
        raise ValueError("every hub gives one share: x-coordinates are distinct")
    of_pairs, of_hash_keys = split_columns(terms, columns)
    elements, odd = tolerating(lambda good: gfp.find_odd(list(zip(xs, good, strict=True)), k), of_pairs)
    odd |= {element // 2 for element in elements}
    odd |= _off_polynomial([(x, shares) for x, shares, _ in columns], k, terms.key_bytes)
    if of_hash_keys:
        odd |= _off_polynomial(of_hash_keys, k, HASH_KEY_BYTES)
    return sorted(odd)


def _off_polynomial(points: Sequence[tuple[int, bytes]], k: int, size: int) -> set[int]:
    """The pieces of `size` bytes in which the strings are not on polynomials of degree < k."""
    points = sorted(points)  # whoever came first: the coefficients are worked out once
    odd = set()
    expected_strings = shamir.join_each(points[:k], [x for x, _ in points[k:]])
    for (_, string), expected in zip(points[k:], expected_strings, strict=True):
        if string != expected:
            pieces = zip(cut(string, size), cut(expected, size), strict=True)
            odd |= {i for i, (piece, wanted) in enumerate(pieces) if piece != wanted}
    return odd


def prove_wrong(terms: Terms, passed: Sequence[KeyShare], others: Sequence[KeyShare]) -> Proof:
    """The xs that are wrong in every explanation, sorted; `passed` are k shares that give the right secret.

    Explanations with at most k - 1 liars count; only if there is none, those with as few as `passed` needs.
    Work in pieces: gives the cost of each, and returns the xs.
    """
    points = yield from gather(terms, [*passed, *others])
    malformed = {share.x for share in others} - {point.x for point in points}
    columns = OddColumns(points, terms.k)
    while not columns.done:
        yield columns.step()
    rank = len(columns.offsets)
    points = only(points, columns.offsets)
    base, candidates = points[: terms.k], points[terms.k :]
    agreed = {point.x for point in (*base, *agreeing(base, candidates, 0))}
    wrong = {point.x for point in candidates} - agreed
    hubs = len(passed) + len(others)
    for liars in (terms.k - 1, len(wrong) + len(malformed)):
        needed = hubs - liars
        acquitted: _Xs = set()
        if wrong and rank <= len(wrong) - (needed - terms.k + 1):
            acquitted = yield from _agreed_otherwise(terms.k, base, candidates, wrong, needed)
        if len(agreed) >= needed:
            acquitted |= agreed
        if acquitted:
            return tuple(sorted({point.x for point in points} - acquitted | malformed))
    raise AssertionError("what passed is an explanation itself")


def _agreed_otherwise(
    k: int, base: Sequence[Point], candidates: Sequence[Point], wrong: _Xs, needed: int
) -> Generator[int, None, _Xs]:
    """All hubs that lie, with `needed` in all, on another polynomial through the secret than that of `base`.

    It meets the one of `base` in k - 2 hubs at most, so it needs the rest from `wrong`: often there are not
    so many, and else only polynomials through so many of them are tried. Where these are too many, all hubs
    are returned: nothing is proven.
    """
    points = [*base, *candidates]
    everyone = {point.x for point in points}
    if needed < k:
        return everyone  # any k - 1 hubs and the secret lie on one polynomial
    fixed = min(needed - (k - 2), k - 1)
    if len(wrong) < needed - (k - 2):
        return set()
    if comb(len(wrong), fixed) * comb(len(points) - fixed, k - 1 - fixed) > MAX_EXPLANATIONS:
        return everyone
    secret = secret_point(base)
    agreed: _Xs = set()
    for through in _choices(points, wrong, fixed, k - 1):
        rest = [point for point in points if point not in through]
        found = agreeing([secret, *through], rest, needed - len(through))
        if found:
            agreed |= {point.x for point in (*through, *found)}
        yield len(rest) * cost.rebuilding(k, len(secret.string))
    return agreed


def _choices(points: Sequence[Point], wrong: _Xs, fixed: int, number: int) -> Iterator[list[Point]]:
    """Every set of `number` points, `fixed` of them among `wrong` at least; some of them twice."""
    for some_wrong in combinations([point for point in points if point.x in wrong], fixed):
        others = [point for point in points if point not in some_wrong]
        for some_others in combinations(others, number - fixed):
            yield [*some_wrong, *some_others]
