"""Finding k good shares among m of which some are wrong, a little at a time.

First decoding: up to floor((m - k) / 2) wrong shares are located, whatever m is, column by column over
GF(2^8) for key and r, and over GF(p) for x and f. What it points at is a suspicion only (k - 1 colluders who
know the key can turn it on an honest hub), so the first k of the others are one candidate and no more. Then,
while C(m, k) <= MAX_SUBSETS, all subsets of k of all m shares, suspects last. Each candidate must pass the
secret tag.

A share that comes later adds what it makes possible: the decoding of m + 1 shares, and the subsets that it
belongs to. No subset is searched twice. So the number of candidates of one key is at most
`bounds.max_candidates`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import combinations
from math import comb

from dsked import limits
from dsked.sharing import cost, gfp
from dsked.sharing.columns import OddColumns
from dsked.sharing.decode import GF256, GFP, Field, locate_errors
from dsked.sharing.points import Point, well_formed
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.shares import PAIR_BYTES, KeyShare
from dsked.sharing.terms import Terms

#: Work that is done piece by piece; each piece gives its cost (see `cost`).
Work = Generator[int, None, None]


class Search:
    """The search for one key. `add` shares as they come, and let `work` run until `key` is there or it ends.

    `key`, and the k shares that gave it, `passed`, once a candidate has passed the secret tag.
    """

    def __init__(self, terms: Terms, key_id: bytes) -> None:
        self.key: bytes | None = None
        self.passed: tuple[KeyShare, ...] = ()
        self.nr_tried = 0
        self._terms = terms
        self._key_id = key_id
        self._shares: dict[int, KeyShare] = {}  # by x
        self._new: list[Point] = []
        self._old: list[Point] = []
        self._pending: list[Iterator[Sequence[Point]]] = []  # subsets to be tried, the newest last

    def __repr__(self) -> str:
        return f"Search({len(self._shares)} shares, {self.nr_tried} tried)"

    def add(self, shares: Sequence[KeyShare]) -> None:
        """Those of `shares` that are new: the first share of a hub stands."""
        new = [share for share in shares if share.x not in self._shares]
        self._shares.update({share.x: share for share in new})
        self._new += well_formed(self._terms, new)

    @property
    def exhausted(self) -> bool:
        """True when only a further share can help."""
        return self.key is None and not self._new and not self._pending

    def work(self) -> Work:
        """Search until the key is there or the search is exhausted; to be called again after `add`."""
        while self.key is None and not self.exhausted:
            if self._new:
                yield from self._take_new()
                continue
            chosen = next(self._pending[-1], None)
            if chosen is None:
                self._pending.pop()
            else:
                yield self._try(chosen)

    def _take_new(self) -> Work:
        """Decode with all shares in hand, and lay out the subsets that have become possible."""
        new, self._new = self._new, []
        points, k = [*self._old, *new], self._terms.k
        suspects = yield from find_suspects(points, k)
        trusted = [point for point in points if point.x not in suspects]
        searched = comb(len(points), k) <= limits.MAX_SUBSETS
        if len(trusted) >= k and (suspects or not searched):
            yield self._try(trusted[:k])
        if searched:
            self._pending.append(_candidates(new, self._old, suspects, k))
        self._old = points

    def _try(self, chosen: Sequence[Point]) -> int:
        self.nr_tried += 1
        passed = tuple([self._shares[point.x] for point in chosen])
        [self.key] = rebuild(self._terms, [(self._key_id, passed)])
        if self.key is not None:
            self.passed = passed
        return cost.rebuilding(self._terms.k, self._terms.key_bytes)


def _candidates(
    new: Sequence[Point], old: Sequence[Point], suspects: set[int], k: int
) -> Iterator[Sequence[Point]]:
    """The subsets of k with a new point in them; those with fewer suspects first."""
    clean = [point for point in (*new, *old) if point.x not in suspects]
    suspected = [point for point in (*new, *old) if point.x in suspects]
    new_clean = sum(point.x not in suspects for point in new)
    for count in range(min(k, len(suspected)) + 1):
        for some in combinations(suspected, count):
            fresh = any(point in new for point in some)
            others = combinations(clean, k - count) if fresh else _with_one_of(clean, new_clean, k - count)
            yield from ((*others_of, *some) for others_of in others)


def _with_one_of(points: Sequence[Point], first: int, size: int) -> Iterator[Sequence[Point]]:
    """The subsets of `size` that hold at least one of the first so many points."""
    for i, point in enumerate(points[: first if size else 0]):
        for others in combinations(points[i + 1 :], size - 1):
            yield (point, *others)


def find_suspects(points: Sequence[Point], k: int) -> Generator[int, None, set[int]]:
    """The xs that decoding points at; all that are wrong, if they are floor((m - k) / 2) at most."""
    suspects: set[int] = set()
    if len(points) < k + 2:
        return suspects
    columns = OddColumns(points, k)
    while not columns.done:
        yield columns.step()
    xs = [point.x for point in points]
    for field, values in _words(points, columns.offsets):
        suspects |= {xs[index] for index in locate_errors(field, xs, values, k) or ()}
        yield cost.decoding(len(points))
    return suspects


def _words(points: Sequence[Point], offsets: Sequence[int]) -> Iterator[tuple[Field, list[int]]]:
    """The values of all points at these columns, and their x and f."""
    for offset in offsets:
        yield GF256, [point.string[offset] for point in points]
    for start in range(0, PAIR_BYTES, gfp.ELEMENT_BYTES):
        part = slice(start, start + gfp.ELEMENT_BYTES)
        yield GFP, [int.from_bytes(point.pair[part], "little") for point in points]
