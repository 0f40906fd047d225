"""Lying hubs at the sharing itself: every set of liars among up to 7 hubs, and random ones among up to 32.

Each case deals a key, lets the liars replace their shares, and looks for the key as a responder does. It must
come while it is guaranteed (docs/lying-hubs.md), and otherwise it or nothing; another one never. Fewer than k
liars know the key and fit their lies to each other; k and more do not collude, for they would have every key.
Nobody honest may be named while fewer than k lie.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, islice, repeat
from math import comb
from typing import NamedTuple

from attacking.attack import Broken, Figures, Told
from attacking.lies import KINDS, Dealt
from dsked import limits
from dsked.sharing import cost
from dsked.sharing.bounds import max_candidates
from dsked.sharing.cost import at_once
from dsked.sharing.dealing import deal
from dsked.sharing.proof import prove_wrong
from dsked.sharing.search import Search
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Party, Terms

ALL_UP_TO = 7
RANDOM_UP_TO = 32
SHORT_BYTES, LONG_BYTES = 32, 1040
#: What searching all subsets may cost (units of sharing/cost.py), and in which part of the random cases.
_QUICK, _SLOW, _SLOWEST = 10_000, 500_000, 10_000_000
_PARTS = {_QUICK: 1.0, _SLOW: 0.004, _SLOWEST: 0.0002}


class Case(NamedTuple):
    """`liars`: xs of the hubs that lie, 1 to n; `silent`: of those that give nothing."""

    n: int
    k: int
    key_bytes: int
    kind: str
    liars: tuple[int, ...]
    silent: tuple[int, ...] = ()

    @property
    def m(self) -> int:
        """Shares in hand."""
        return self.n - len(self.silent)

    @property
    def guaranteed(self) -> bool:
        """Whether the key must be found."""
        lying, spare = len(set(self.liars) - set(self.silent)), self.m - self.k
        searched = comb(self.m, self.k) <= limits.MAX_SUBSETS
        return spare >= 0 and 2 * lying <= (2 * spare if searched else spare)


def possible(kind: str, k: int, key_bytes: int, liars: Sequence[int]) -> bool:
    """Whether so many liars can do this: colluders are fewer than k, and some lies need two, or an r."""
    return (
        KINDS[kind].least <= len(liars)
        and (len(liars) < k or not KINDS[kind].collude)
        and (key_bytes > limits.AMD_DIRECT_KEY_BYTES or not KINDS[kind].needs_r)
    )


def every_case() -> Iterator[Case]:
    """All sets of liars, all kinds, all k, n from 2 to 7; all hubs answer."""
    for n in range(2, ALL_UP_TO + 1):
        for k in range(2, n + 1):
            for number in range(n + 1):
                for liars in combinations(range(1, n + 1), number):
                    for key_bytes in (SHORT_BYTES, LONG_BYTES):
                        kinds = (kind for kind in KINDS if possible(kind, k, key_bytes, liars))
                        yield from (Case(n, k, key_bytes, kind, liars) for kind in kinds)


def random_case(rng: random.Random) -> Case:
    """Up to 32 hubs of which some give nothing; about half as many liars as decoding finds, or more."""
    while True:
        n = rng.randint(2, RANDOM_UP_TO)
        k = rng.randint(2, n)
        silent = tuple(rng.sample(range(1, n + 1), rng.choice((0, 0, rng.randint(0, n - k)))))
        spare = n - len(silent) - k
        liars = tuple(rng.sample(range(1, n + 1), rng.randint(0, rng.choice((spare // 2, spare, n)))))
        key_bytes, kind = rng.choice((SHORT_BYTES, SHORT_BYTES, LONG_BYTES)), rng.choice(list(KINDS))
        case = Case(n, k, key_bytes, kind, liars, silent)
        if possible(kind, k, key_bytes, liars) and rng.random() < _part(case):
            return case


def _part(case: Case) -> float:
    """How many of such cases are worth their time."""
    subsets = comb(case.m, case.k)
    if 2 * len(case.liars) <= case.m - case.k or subsets > limits.MAX_SUBSETS:
        return 1.0  # decoding, or nothing
    work = subsets * cost.rebuilding(case.k, case.key_bytes)
    return next((part for limit, part in _PARTS.items() if work <= limit), 0.0)


def _all_searches(case: Case) -> int:
    """What it may cost to search at every number of shares."""
    subsets = [comb(m, case.k) for m in range(case.k, case.m + 1)]
    return max((n for n in subsets if n <= limits.MAX_SUBSETS), default=0) * cost.rebuilding(
        case.k, case.key_bytes
    )


def run_case(case: Case, rng: random.Random) -> Counter[str]:
    """Deal, lie, search, judge. Raises Broken."""
    terms = Terms(1, case.n, case.k, Party("carol", "sam"), (Party("curtis", "sunny"),), case.key_bytes)
    key_id, key = rng.randbytes(16), rng.randbytes(case.key_bytes)
    xs = sorted(rng.sample(range(1, 256), case.n))
    hubs = deal([(key_id, key)], terms, xs, rng.randbytes)
    shares = {x: KeyShare(x, hub[0].share, hub[0].codes[0]) for x, hub in zip(xs, hubs, strict=True)}
    liars = [xs[liar - 1] for liar in case.liars]
    shares.update(KINDS[case.kind].lie(Dealt(terms, key_id, key, shares, liars), rng))
    seen = [share for number, share in enumerate(shares.values(), 1) if number not in case.silent]
    rng.shuffle(seen)
    return _outcome(case, terms, key_id, key, seen, set(liars), rng)


def _outcome(
    case: Case, terms: Terms, key_id: bytes, key: bytes, seen: list[KeyShare], liars: set[int],
    rng: random.Random,
) -> Counter[str]:  # fmt: skip
    search = Search(terms, key_id)
    one_by_one = rng.random() < (0.3 if _all_searches(case) <= _QUICK else 0.3 * _PARTS[_SLOW])
    for number in range(case.k, case.m + 1) if one_by_one else [case.m]:
        search.add(seen[:number])
        at_once(search.work())
    tried = {"tried": search.nr_tried}
    if search.nr_tried > max_candidates(case.n, case.k) + case.n:
        raise Broken(f"{case}: {search.nr_tried} candidates tried")
    if search.key is None:
        if case.guaranteed:
            raise Broken(f"{case}: the key is not found")
        return Counter(tried | {"clear_failures": 1})
    if search.key != key:
        raise Broken(f"{case}: A WRONG KEY")
    return Counter(tried | {"right_keys": 1}) + _named(case, terms, search, seen, liars)


def _named(case: Case, terms: Terms, search: Search, seen: list[KeyShare], liars: set[int]) -> Counter[str]:
    passed = {share.x for share in search.passed}
    named = set(
        at_once(prove_wrong(terms, search.passed, [share for share in seen if share.x not in passed]))
    )
    if len(liars) < case.k and not named <= liars:
        raise Broken(f"{case}: honest hubs at {named - liars} are named")
    return Counter(liars_named=len(named & liars))


class Subsets:
    """The attack. Its first piece begins with every case of up to 7 hubs."""

    name = "subsets"
    what = "lying hubs: all sets of up to 7 hubs, random ones of up to 32: the right key or none, none framed"
    unit = "cases"
    full = 21_000  # 20,855 with up to 7 hubs
    long = 121_000
    piece = 21_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """One piece."""
        rng = random.Random(seed)  # noqa: S311  repeatable on purpose
        first = every_case() if seed.endswith(".0") else ()
        cases = chain(first, (random_case(rng) for _ in repeat(None)))
        found: Counter[str] = Counter(cases=0, right_keys=0, clear_failures=0, liars_named=0, tried=0)
        slowest = 0.0
        for number, case in enumerate(islice(cases, amount)):
            begin = time.perf_counter()
            found.update(run_case(case, rng))
            found["cases"] += 1
            slowest = max(slowest, time.perf_counter() - begin)
            if number % 100 == 0:
                told(number)
        return {**found, "wrong_keys": 0, "honest_hubs_named": 0, "ms_max": round(1000 * slowest, 1)}


ATTACK = Subsets()
