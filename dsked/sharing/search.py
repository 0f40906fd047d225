"""Finding k good shares among m of which some are wrong, a little at a time.

First decoding: up to floor((m - k) / 2) wrong shares are located, whatever m is, column by column over
GF(2^8) for key and r, and over GF(p) for x and f. What it points at is a suspicion only (k - 1 colluders who
know the key can turn it on an honest hub), so the first k of the others are one candidate and no more. Then,
while C(m, k) <= MAX_SUBSETS, all subsets of k of all m shares, suspects last. Each candidate must pass the
secret tag.

A share that comes later adds what it makes possible: the decoding of m + 1 shares, and the subsets that it
belongs to. No subset is searched twice.

Liars stay the same from key to key, and some cannot be named. So what passed for the initiator's last key
that had to be searched is tried before anything else, and the order of the subsets follows it: those with
the fewest other hubs first. It is an order of candidates, no more: while C(m, k) <= MAX_SUBSETS all subsets
may be tried, this one among them. Beyond that it is tried at most once for a key. `bounds.max_candidates` has
room for it: one for each share after the k-th, of which the first brings no more than k + 1 subsets.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import combinations
from math import comb

from dsked import limits
from dsked.sharing import cost, gfp
from dsked.sharing.columns import OddColumns
from dsked.sharing.decode import GF256, GFP, Field, locate_errors
from dsked.sharing.points import Point, gather
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.shares import PAIR_BYTES, KeyShare
from dsked.sharing.terms import Terms

#: Work that is done piece by piece; each piece gives its cost (see `cost`).
Work = Generator[int, None, None]


class LastPassed:
    """The hubs whose shares gave the last key of one initiator that had to be searched; none at first."""

    def __init__(self) -> None:
        self.xs: tuple[int, ...] = ()


class Search:
    """The search for one key. `add` shares as they come, and let `work` run until `key` is there or it ends.

    `key`, and the k shares that gave it, `passed`, once a candidate has passed the secret tag. `last` is
    common to all searches of the initiator: what one finds serves those that are under way as well. When
    `work` is over nothing is kept but the shares themselves, as they were given.
    """

    def __init__(self, terms: Terms, key_id: bytes, last: LastPassed | None = None) -> None:
        self.key: bytes | None = None
        self.passed: tuple[KeyShare, ...] = ()
        self.nr_tried = 0
        self._terms = terms
        self._key_id = key_id
        self._last = last or LastPassed()
        self._shares: dict[int, KeyShare] = {}  # by x
        self._new: list[int] = []  # xs
        self._old: list[int] = []
        self._pending: list[Iterator[Sequence[int]]] = []  # subsets to be tried, the newest last
        self._out_of_turn: set[frozenset[int]] = set()  # those that were tried before theirs
        self._may_trust_last = True

    def __repr__(self) -> str:
        return f"Search({len(self._shares)} shares, {self.nr_tried} tried)"

    def add(self, shares: Sequence[KeyShare]) -> None:
        """Those of `shares` that are new: the first share of a hub stands."""
        new = {share.x: share for share in shares if share.x not in self._shares}
        self._shares.update(new)
        self._new += new
        if new and _all_may_be_tried(len(self._shares), self._terms.k):
            self._may_trust_last = True

    @property
    def exhausted(self) -> bool:
        """True when only a further share can help."""
        return self.key is None and not self._new and not self._pending

    def work(self) -> Work:
        """Search until the key is there or the search is exhausted; to be called again after `add`."""
        while self.key is None and not self.exhausted:
            if self._last_fits():
                self._may_trust_last = False
                yield self._try_out_of_turn(self._last.xs)
            elif self._new:
                yield from self._take_new()
            else:
                chosen = next(self._pending[-1], None)
                if chosen is None:
                    self._pending.pop()
                elif frozenset(chosen) not in self._out_of_turn:
                    yield self._try(chosen)

    def _last_fits(self) -> bool:
        """True when what passed last can be tried for this key: once for each number of shares."""
        xs = frozenset(self._last.xs)
        return (
            self._may_trust_last
            and len(xs) == self._terms.k
            and xs <= self._shares.keys()
            and xs not in self._out_of_turn
        )

    def _take_new(self) -> Work:
        """Decode with all shares in hand, and lay out the subsets that have become possible."""
        new, self._new = self._new, []
        k = self._terms.k
        points = yield from gather(self._terms, [self._shares[x] for x in (*self._old, *new)])
        suspects = yield from find_suspects(points, k)
        xs = [point.x for point in points]
        trusted = [x for x in xs if x not in suspects][:k]
        searched = _all_may_be_tried(len(xs), k)
        fresh, self._old = [x for x in new if x in xs], xs
        if searched:
            doubted = {x for x in xs if x not in self._last.xs} if len(self._last.xs) == k else suspects
            old = xs[: len(xs) - len(fresh)]
            self._pending.append(_candidates(fresh, old, doubted, k))
        if len(trusted) == k and (suspects or not searched) and frozenset(trusted) not in self._out_of_turn:
            yield self._try_out_of_turn(trusted)

    def _try_out_of_turn(self, chosen: Sequence[int]) -> int:
        self._out_of_turn.add(frozenset(chosen))
        return self._try(chosen)

    def _try(self, chosen: Sequence[int]) -> int:
        self.nr_tried += 1
        passed = tuple([self._shares[x] for x in chosen])
        [self.key] = rebuild(self._terms, [(self._key_id, passed)])
        if self.key is not None:
            self.passed = passed
            self._last.xs = tuple(chosen)
        return cost.rebuilding(self._terms.k, self._terms.key_bytes)


def _all_may_be_tried(shares: int, k: int) -> bool:
    return comb(shares, k) <= limits.MAX_SUBSETS


def _candidates(new: Sequence[int], old: Sequence[int], doubted: set[int], k: int) -> Iterator[Sequence[int]]:
    """The subsets of k with a new x in them; those with fewer doubted hubs first."""
    clean = [x for x in (*new, *old) if x not in doubted]
    suspected = [x for x in (*new, *old) if x in doubted]
    new_clean = sum(x not in doubted for x in new)
    for count in range(min(k, len(suspected)) + 1):
        for some in combinations(suspected, count):
            fresh = any(x in new for x in some)
            others = combinations(clean, k - count) if fresh else _with_one_of(clean, new_clean, k - count)
            yield from ((*others_of, *some) for others_of in others)


def _with_one_of(xs: Sequence[int], first: int, size: int) -> Iterator[Sequence[int]]:
    """The subsets of `size` that hold at least one of the first so many xs."""
    for i, x in enumerate(xs[: first if size else 0]):
        for others in combinations(xs[i + 1 :], size - 1):
            yield (x, *others)


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
