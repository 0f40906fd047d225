"""When shares are wrong: finding k good ones, and saying which hubs lied.

These are two questions. A key is right as soon as k shares pass the secret tag, whoever gave them. But
that k shares pass does not make each of them right: two liars among them can add differences that
cancel at 0, so that the key is right, the polynomial is not, and the honest hubs are those that differ
from it. So a hub is named only if it is wrong in every explanation of what was seen with at most k - 1
liars: a set of hubs that, left out, leaves all other shares on one polynomial through the secret.
The true liars are such an explanation as long as they are fewer than k, so no honest hub is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple, NoReturn

from dsked import limits
from dsked.errors import FrameError, ReconstructionError
from dsked.sharing import gf256, gfp, shamir
from dsked.sharing.decode import GF256, GFP, Field, locate_errors
from dsked.sharing.rebuilding import join_columns, rebuild
from dsked.sharing.shares import PAIR_BYTES, KeyShare
from dsked.sharing.terms import Terms

#: Polynomials tried to prove which hubs lied: beyond this nobody is named. A try takes some 0.3 ms.
MAX_EXPLANATIONS = 512


class Recovered(NamedTuple):
    """A key that passed the secret tag although some shares are wrong, and the xs of hubs proven wrong."""

    key: bytes
    wrong: tuple[int, ...]
    passed: tuple[KeyShare, ...]  # the k shares that gave it

    def __repr__(self) -> str:
        return f"Recovered({len(self.key)} bytes, wrong={self.wrong})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are secret and are not pickled")


class _Point(NamedTuple):
    """A well-formed share: its bytes over GF(2^8), r included, and x | f."""

    x: int
    string: bytes
    pair: bytes

    def __repr__(self) -> str:
        return f"_Point(x={self.x})"


def recover(terms: Terms, key_id: bytes, shares: Sequence[KeyShare]) -> Recovered:
    """The key from m >= k shares with distinct xs, of which some are wrong in any way.

    Succeeds if at most floor((m - k) / 2) shares are wrong, and, as long as C(m, k) <= MAX_SUBSETS, if any
    k are right. Raises ReconstructionError otherwise. The search is work for a thread where m is large:
    it takes up to MAX_SUBSETS times as long as one rebuild.
    """
    _check_distinct([share.x for share in shares])
    points = _well_formed(terms, shares)
    by_x = {share.x: share for share in shares}
    for chosen in _candidates(points, terms.k):
        passed = [by_x[x] for x in chosen]
        [key] = rebuild(terms, [(key_id, passed)])
        if key is not None:
            others = [share for share in shares if share.x not in chosen]
            return Recovered(key, _proven_wrong(terms, passed, others), tuple(passed))
    raise ReconstructionError(
        f"the key cannot be rebuilt: no {terms.k} of the {len(shares)} shares in hand pass the secret tag"
    )


def mismatches(
    terms: Terms, batch: Sequence[tuple[Sequence[KeyShare], Sequence[KeyShare]]]
) -> list[tuple[int, ...]]:
    """For each entry, (the k shares that passed the secret tag, all others in hand): the xs proven wrong.

    Sorted, and empty where everything agrees or nothing is proven: no hub is named while m < 2k - 1, so ask
    when the last shares are in. Never names an honest hub if at most k - 1 hubs lie. Entries with the
    same xs in the same order are compared as one string.
    """
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for index, (passed, others) in enumerate(batch):
        xs = tuple([share.x for share in passed]), tuple([share.x for share in others])
        groups.setdefault(xs, []).append(index)
    wrong: list[tuple[int, ...]] = [()] * len(batch)
    for (passed_xs, other_xs), members in groups.items():
        _check_distinct([*passed_xs, *other_xs])
        if not _all_agree(terms, [[*batch[i][0], *batch[i][1]] for i in members]):
            for index in members:
                wrong[index] = _proven_wrong(terms, *batch[index])
    return wrong


def _check_distinct(xs: Sequence[int]) -> None:
    if len(set(xs)) != len(xs):
        raise ValueError("every hub gives one share: x-coordinates are distinct")


def _well_formed(terms: Terms, shares: Sequence[KeyShare]) -> list[_Point]:
    """The shares whose lengths and field elements are as they must be; the others are wrong for certain."""
    points = []
    for share in shares:
        try:
            [string], [pair] = join_columns(terms, [[share]])
        except FrameError:
            continue
        if gfp.is_canonical(pair):
            points.append(_Point(share.x, string, pair))
    return points


def _all_agree(terms: Terms, entries: Sequence[Sequence[KeyShare]]) -> bool:
    """Whether each entry's shares lie on one polynomial; the entries have the same xs."""
    try:
        columns = join_columns(terms, entries)
    except FrameError:
        return False
    xs = [share.x for share in entries[0]]
    points = [_Point(*parts) for parts in zip(xs, *columns, strict=True)]
    base, others = points[: terms.k], points[terms.k :]
    return len(_agreeing(base, others, len(others))) == len(others)


def _agreeing(base: Sequence[_Point], others: Sequence[_Point], needed: int) -> list[_Point]:
    """Those of `others` that lie on the polynomials through the k points of `base`.

    Nothing as soon as fewer than `needed` are left: long shares are compared piece by piece.
    """
    pairs = [(point.x, point.pair) for point in base]
    agreeing = [point for point in others if gfp.join(pairs, at=point.x) == point.pair]
    for start in range(0, len(base[0].string), gf256.CHUNK_BYTES):
        if len(agreeing) < needed:
            return []
        piece = slice(start, start + gf256.CHUNK_BYTES)
        strings = [(point.x, point.string[piece]) for point in base]
        agreeing = [p for p in agreeing if shamir.join(strings, at=p.x) == p.string[piece]]
    return agreeing if len(agreeing) >= needed else []


# --- finding k good shares ------------------------------------------------------------------------


def _candidates(points: Sequence[_Point], k: int) -> Iterator[tuple[int, ...]]:
    """Sets of k xs worth trying: what decoding leaves first, then all of them, suspects last."""
    suspects = _suspects(points, k)
    order = [p.x for p in points if p.x not in suspects] + [p.x for p in points if p.x in suspects]
    if comb(len(order), k) <= limits.MAX_SUBSETS:
        yield from combinations(order, k)
    elif len(order) - len(suspects) >= k:
        yield tuple(order[:k])


def _suspects(points: Sequence[_Point], k: int) -> set[int]:
    """The xs of shares that decoding points at, column by column, until the others agree.

    A suspicion, no more: k - 1 colluders who know the key can turn it on an honest hub.
    """
    suspects: set[int] = set()
    while True:
        trusted = [point for point in points if point.x not in suspects]
        column = _odd_column(trusted[:k], trusted[k:]) if len(trusted) > k else None
        if column is None:
            return suspects
        field, offset = column
        values = [_value(point, field, offset) for point in points]
        errors = locate_errors(field, [point.x for point in points], values, k)
        if errors is None:
            return suspects
        # The column is odd among the trusted, so that at least one of them is newly suspected.
        suspects |= {points[index].x for index in errors}


def _odd_column(base: Sequence[_Point], others: Sequence[_Point]) -> tuple[Field, int] | None:
    """Field and byte offset of a column in which a share is off the polynomial through `base`."""
    pairs = [(point.x, point.pair) for point in base]
    for point in others:
        expected = gfp.join(pairs, at=point.x)
        for offset in range(0, PAIR_BYTES, gfp.ELEMENT_BYTES):
            if (
                expected[offset : offset + gfp.ELEMENT_BYTES]
                != point.pair[offset : offset + gfp.ELEMENT_BYTES]
            ):
                return GFP, offset
    for start in range(0, len(base[0].string), gf256.CHUNK_BYTES):
        piece = slice(start, start + gf256.CHUNK_BYTES)
        strings = [(point.x, point.string[piece]) for point in base]
        for point in others:
            difference = gf256.xor(shamir.join(strings, at=point.x), point.string[piece])
            rest = difference.lstrip(b"\0")
            if rest:
                return GF256, start + len(difference) - len(rest)
    return None


def _value(point: _Point, field: Field, offset: int) -> int:
    if field is GF256:
        return point.string[offset]
    return int.from_bytes(point.pair[offset : offset + gfp.ELEMENT_BYTES], "little")


# --- naming liars ---------------------------------------------------------------------------------


def _proven_wrong(terms: Terms, passed: Sequence[KeyShare], others: Sequence[KeyShare]) -> tuple[int, ...]:
    """The xs that are wrong in every explanation; `passed` are k shares that give the right secret.

    Explanations with at most k - 1 liars count; only if there is none, those with as few as `passed` needs.
    """
    base, candidates = _well_formed(terms, passed), _well_formed(terms, others)
    malformed = {share.x for share in others} - {point.x for point in candidates}
    agreed = {point.x for point in (*base, *_agreeing(base, candidates, 0))}
    wrong = {point.x for point in candidates} - agreed
    hubs = len(passed) + len(others)
    for liars in (terms.k - 1, len(wrong) + len(malformed)):
        needed = hubs - liars
        acquitted = _agreed_otherwise(terms.k, base, candidates, wrong, needed) if wrong else set()
        if len(agreed) >= needed:
            acquitted |= agreed
        if acquitted:
            return tuple(sorted({point.x for point in (*base, *candidates)} - acquitted | malformed))
    raise AssertionError("what passed is an explanation itself")


def _agreed_otherwise(
    k: int, base: Sequence[_Point], candidates: Sequence[_Point], wrong: set[int], needed: int
) -> set[int]:
    """All hubs that lie, with `needed` in all, on another polynomial through the secret than that of `base`.

    It meets the one of `base` in k - 2 hubs at most, so it needs the rest from `wrong`: often there are
    not so many, and else only polynomials through so many of them are tried. Where these are too many,
    all hubs are returned: nothing is proven.
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
    secret = _Point(
        0,
        shamir.join([(point.x, point.string) for point in base]),
        gfp.join([(point.x, point.pair) for point in base]),
    )
    agreed: set[int] = set()
    for some_wrong in combinations([point for point in points if point.x in wrong], fixed):
        others = [point for point in points if point not in some_wrong]
        for some_others in combinations(others, k - 1 - fixed):
            through = [*some_wrong, *some_others]
            rest = [point for point in others if point not in some_others]
            agreeing = _agreeing([secret, *through], rest, needed - len(through))
            if agreeing:
                agreed |= {point.x for point in (*through, *agreeing)}
    return agreed
