"""Shamir secret sharing over GF(2^8), on strings of bytes (Shamir, CACM 22(11), 1979).

Every byte of the secret is the value at 0 of a polynomial of its own, of degree < k, and a hub's share
is the string of the values at the hub's x-coordinate. A batch of secrets is split as one string: the
bytes do not know of each other. Any k shares give the secret; k - 1 are independent of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from dsked.sharing import gf256


def split(secret: bytes, xs: Sequence[int], k: int, random: Callable[[int], bytes]) -> list[bytes]:
    """One share per x-coordinate, in the order of `xs`, each as long as the secret.

    `xs` are distinct, 1..255; any k shares give the secret. `random(n)` returns n uniform bytes and is
    called once. The sharing is systematic: the first k - 1 shares are the random bytes themselves, which
    together with the secret fix the polynomial; this gives the same distribution as random coefficients,
    with fewer products. Raises ValueError for k or xs outside their range.
    """
    rows = _split_rows(tuple(xs), k)
    length = len(secret)
    drawn = random(length * (k - 1))
    shares = [drawn[i * length : (i + 1) * length] for i in range(k - 1)]
    return shares + gf256.combine_each(rows, [secret, *shares])


@lru_cache(maxsize=256)
def _split_rows(xs: tuple[int, ...], k: int) -> list[tuple[int, ...]]:
    """Coefficients of the secret and the first k - 1 shares, for each of the others. Checks xs and k."""
    check_points(xs, k)
    return [gf256.lagrange((0, *xs[: k - 1]), x) for x in xs[k - 1 :]]


def join(shares: Sequence[tuple[int, bytes]], at: int = 0) -> bytes:
    """The string at `at` (0: the secret) of the polynomials through `shares`, pairs of (x, string).

    The number of shares given is k. Nothing is checked but lengths and x-coordinates (ValueError):
    whether the shares are right is for the secret tag to say.
    """
    return join_each(shares, [at])[0]


def join_each(shares: Sequence[tuple[int, bytes]], ats: Sequence[int]) -> list[bytes]:
    """As `join`, at each of `ats`."""
    xs = tuple([x for x, _ in shares])
    return gf256.combine_each([gf256.lagrange(xs, at) for at in ats], [string for _, string in shares])


def check_points(xs: tuple[int, ...], k: int) -> None:
    """Raise ValueError unless 1 <= k <= len(xs) and the xs are distinct numbers 1..255."""
    if not 1 <= k <= len(xs):
        raise ValueError("k is between 1 and the number of x-coordinates")
    if len(set(xs)) != len(xs) or not all(1 <= x <= 255 for x in xs):
        raise ValueError("x-coordinates are distinct numbers 1..255")
