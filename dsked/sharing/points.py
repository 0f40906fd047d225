"""Shares as points: a string over GF(2^8), and x | f over GF(p), at the hub's x-coordinate."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, NoReturn

from dsked.errors import FrameError
from dsked.secrecy import no_pickle
from dsked.sharing import cost, gf256, gfp, shamir
from dsked.sharing.rebuilding import join_columns
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms


class Point(NamedTuple):
    """A well-formed share: its bytes over GF(2^8), r included, and x | f."""

    x: int
    string: bytes
    pair: bytes

    def __repr__(self) -> str:
        return f"Point(x={self.x})"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


def well_formed(terms: Terms, shares: Sequence[KeyShare]) -> list[Point]:
    """Those shares that could be right: proper lengths, and values below p."""
    points = []
    for share in shares:
        try:
            [string], [pair] = join_columns(terms, [[share]])
        except FrameError:
            continue
        if gfp.is_canonical(pair):
            points.append(Point(share.x, string, pair))
    return points


def gather(terms: Terms, shares: Sequence[KeyShare]) -> Generator[int, None, list[Point]]:
    """As `well_formed`, in pieces: gives the cost of each. Points of long keys are copies of their shares."""
    points: list[Point] = []
    for share in shares:
        points += well_formed(terms, [share])
        yield cost.combining(1, terms.key_bytes)
    return points


def secret_point(base: Sequence[Point]) -> Point:
    """The value at 0 of the polynomials through k points."""
    return Point(
        0,
        shamir.join([(point.x, point.string) for point in base]),
        gfp.join([(point.x, point.pair) for point in base]),
    )


def agreeing(base: Sequence[Point], others: Sequence[Point], needed: int) -> list[Point]:
    """Those of `others` that lie on the polynomials through the k points of `base`.

    Nothing as soon as fewer than `needed` are left: long shares are compared piece by piece.
    """
    pairs = [(point.x, point.pair) for point in base]
    found = [point for point in others if gfp.join(pairs, at=point.x) == point.pair]
    for start in range(0, len(base[0].string), gf256.CHUNK_BYTES):
        if len(found) < needed:
            return []
        piece = slice(start, start + gf256.CHUNK_BYTES)
        strings = [(point.x, point.string[piece]) for point in base]
        found = [p for p in found if shamir.join(strings, at=p.x) == p.string[piece]]
    return found if len(found) >= needed else []
