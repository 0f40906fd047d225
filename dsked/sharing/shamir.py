"""Shamir secret sharing over GF(2^8), on strings of bytes (Shamir, CACM 22(11), 1979).

Every byte of the secret is the value at 0 of a polynomial of its own, of degree < k, and a hub's share
is the string of the values at the hub's x-coordinate. A batch of secrets is split as one string: the
bytes do not know of each other. Any k shares give the secret; k - 1 are independent of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from math import comb

from dsked.sharing import gf256

#: Ways to interpolate one value that are looked at, to find the one with the fewest products.
_MAX_CHOICES = 64


def split(secret: bytes, xs: Sequence[int], k: int, random: Callable[[int], bytes]) -> list[bytes]:
    """One share per x-coordinate, in the order of `xs`, each as long as the secret.

    `xs` are distinct, 1..255; any k shares give the secret. `random(n)` returns n uniform bytes and is
    called once. The sharing is systematic: the first k - 1 shares are the random bytes themselves, which
    together with the secret fix the polynomial; this gives the same distribution as random coefficients,
    with fewer products. Raises ValueError for k or xs outside their range.
    """
    check_points(tuple(xs), k)
    length = len(secret)
    drawn = random(length * (k - 1))
    shares = [drawn[i * length : (i + 1) * length] for i in range(k - 1)]
    rows = interpolation((0, *xs[: k - 1]), tuple(xs[k - 1 :]))
    return shares + gf256.combine_each(rows, [secret, *shares])


def join(shares: Sequence[tuple[int, bytes]], at: int = 0) -> bytes:
    """The string at `at` (0: the secret) of the polynomials through `shares`, pairs of (x, string).

    The number of shares given is k. Nothing is checked but lengths and x-coordinates (ValueError):
    whether the shares are right is for the secret tag to say.
    """
    return join_each(shares, [at])[0]


def join_each(shares: Sequence[tuple[int, bytes]], ats: Sequence[int]) -> list[bytes]:
    """As `join`, at each of `ats`."""
    rows = interpolation(tuple([x for x, _ in shares]), tuple(ats))
    return gf256.combine_each(rows, [string for _, string in shares])


@lru_cache(maxsize=1024)
def interpolation(xs: tuple[int, ...], ats: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Rows for `gf256.combine_each`: the values at each of `ats` of the polynomials of degree < len(xs).

    Each from len(xs) of the values that are known by then: those at `xs`, and those at the `ats` before it.
    Any will do, and some take far fewer products than others: the values at four numbers that are an affine
    subspace over GF(2), such as 0, 1, 4 and 5, of a polynomial of degree 2 or less add up to 0.
    """
    rows = []
    for number, at in enumerate(ats):
        known = (*xs, *ats[:number])
        choices: Iterable[tuple[int, ...]] = combinations(range(len(known)), len(xs))
        if comb(len(known), len(xs)) > _MAX_CHOICES:
            choices = [tuple(range(len(xs)))]
        rows.append(min((_row(known, places, at) for places in choices), key=gf256.nr_products))
    return rows


def _row(known: tuple[int, ...], places: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Coefficients for all that is known, zero but at `places`."""
    row = [0] * len(known)
    coefficients = gf256.lagrange(tuple([known[place] for place in places]), at)
    for place, coefficient in zip(places, coefficients, strict=True):
        row[place] = coefficient
    return tuple(row)


def check_points(xs: tuple[int, ...], k: int) -> None:
    """Raise ValueError unless 1 <= k <= len(xs) and the xs are distinct numbers 1..255."""
    if not 1 <= k <= len(xs):
        raise ValueError("k is between 1 and the number of x-coordinates")
    if len(set(xs)) != len(xs) or not all(1 <= x <= 255 for x in xs):
        raise ValueError("x-coordinates are distinct numbers 1..255")
