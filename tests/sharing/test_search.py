"""The search in pieces: what is guaranteed, in what order, each subset once, and what a later share adds."""

from __future__ import annotations

import random
import tracemalloc
from itertools import combinations
from math import comb

import pytest

from dsked import limits
from dsked.sharing import search as module
from dsked.sharing.bounds import max_candidates
from dsked.sharing.cost import at_once
from dsked.sharing.search import LastPassed, Search
from dsked.sharing.shares import KeyShare

from .dealings import add, deal_one, terms


def tried(search: Search, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The xs of every candidate that is tried from now on."""
    xs: list[tuple[int, ...]] = []
    rebuild = module.rebuild

    def noted(of, batch):
        xs.append(tuple(share.x for share in batch[0][1]))
        return rebuild(of, batch)

    monkeypatch.setattr(module, "rebuild", noted)
    return xs


def lie(share: KeyShare, rng: random.Random) -> KeyShare:
    kind = rng.randrange(5)
    if kind == 0:
        return share._replace(share=rng.randbytes(len(share.share)))
    if kind == 1:
        return add(share, x=rng.randrange(1, 2**127 - 1))
    if kind == 2:
        return add(share, f=rng.randrange(1, 2**127 - 1))
    if kind == 3:
        return share._replace(code=b"\xff" * len(share.code))
    return add(share, key=bytes(rng.randrange(len(share.share))) + bytes([rng.randrange(1, 256)]))


@pytest.mark.parametrize("n", [5, 9, 16, 24, 32])
def test_half_of_the_redundancy_may_lie_at_any_n(n: int) -> None:
    """floor((m - k) / 2) liars among m shares, each in a way of its own, for every k and many m."""
    rng = random.Random(n)
    for k in {2, 3, n // 3 + 1, n // 2, max(n - 4, 2), n - 2}:
        m = rng.randint(min(k + 2, n), n)
        of = terms(n, k, 40)
        key_id, key, hubs = deal_one(of, range(1, n + 1), rng.randrange(2**32))
        seen = rng.sample(hubs, m)
        liars = {share.x for share in rng.sample(seen, (m - k) // 2)}
        search = Search(of, key_id)
        search.add([lie(share, rng) if share.x in liars else share for share in seen])
        at_once(search.work())
        assert search.key == key, (n, k, m)
        assert search.nr_tried <= 2, "decoding leads to it, no search"


def test_all_subsets_once_those_without_suspects_first(monkeypatch: pytest.MonkeyPatch) -> None:
    of = terms(8, 3)
    key_id, _, hubs = deal_one(of, range(1, 9), 1)
    search = Search(of, key_id)
    search.add([hubs[0], hubs[1], *(add(s, x=s.x**5, f=1 + s.x**3) for s in hubs[2:])])
    xs = tried(search, monkeypatch)
    at_once(search.work())
    assert search.exhausted
    assert search.key is None
    assert len(xs) == search.nr_tried
    assert {frozenset(chosen) for chosen in xs} == set(map(frozenset, combinations(range(1, 9), 3)))
    assert len(xs) == comb(8, 3)


def test_suspects_are_tried_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding points at 1 and 2; were that a false trail, all others are tried before them."""
    of = terms(8, 3)
    hubs = deal_one(of, range(1, 9), 1)[2]
    monkeypatch.setattr(module, "find_suspects", lambda points, k: (yield 1) or {1, 2})
    search = Search(of, bytes(16))
    search.add(hubs)
    xs = tried(search, monkeypatch)
    at_once(search.work())
    clean = [not {1, 2} & set(chosen) for chosen in xs]
    assert clean.count(True) == comb(6, 3)
    assert clean == sorted(clean, reverse=True)


def test_a_later_share_adds_only_the_subsets_that_it_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    of = terms(9, 4)
    key_id, key, hubs = deal_one(of, range(1, 10), 2)
    search = Search(of, key_id)
    seen = [add(s, x=3 * s.x**7, f=s.x**11) if s.x <= 5 else s for s in hubs]
    xs = tried(search, monkeypatch)
    for number, share in enumerate(seen, 1):
        before = len(xs)
        search.add(seen[:number])  # what is known already counts once
        at_once(search.work())
        new = xs[before:]
        assert all(share.x in chosen for chosen in new) or number == 9
        if number < 9:
            assert search.exhausted
            assert len(new) == comb(number - 1, 3)
    assert search.key == key
    assert len(set(map(frozenset, xs))) <= max_candidates(9, 4)


def test_shares_that_come_while_it_runs_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    of = terms(16, 7)
    key_id, key, hubs = deal_one(of, range(1, 17), 3)
    search = Search(of, key_id)
    search.add([add(s, x=s.x, f=s.x**9) if s.x <= 4 else s for s in hubs[:10]])
    work = search.work()
    for _ in range(20):
        assert next(work) > 0
    assert search.key is None
    search.add(hubs)
    for _ in range(40):
        next(work, None)
    assert search.key == key, "decoding of 16 shares finds it; 120 subsets of 10 were still to come"


def test_beyond_the_limit_only_what_decoding_leaves_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SUBSETS", 500)
    of = terms(16, 5)
    key_id, key, hubs = deal_one(of, range(1, 17), 4)
    rng = random.Random(5)
    search = Search(of, key_id)
    seen = [s._replace(share=rng.randbytes(32)) if s.x <= 8 else s for s in hubs]
    for number in range(5, 17):
        search.add(seen[:number])
        at_once(search.work())
    assert search.key is None, "8 liars of 16 are too many for decoding, and C(16, 5) for a search"
    assert comb(11, 5) <= search.nr_tried <= max_candidates(16, 5) < comb(12, 5)
    repaired = Search(of, key_id)
    repaired.add([*hubs[:3], *seen[3:]])
    at_once(repaired.work())
    assert repaired.key == key


def test_it_does_not_show_what_it_holds() -> None:
    of = terms()
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 7)
    search = Search(of, key_id)
    search.add(hubs)
    at_once(search.work())
    assert search.key == key
    assert repr(search) == "Search(5 shares, 1 tried)"


def test_shares_that_are_malformed_leave_nothing_to_suspect_and_the_rest_is_tried() -> None:
    """4 of 32, three malformed: 29 are too many for a search, and agree."""
    of = terms(32, 4)
    key_id, key, hubs = deal_one(of, range(1, 33), 8)
    search = Search(of, key_id)
    search.add([s._replace(code=b"") if s.x <= 3 else s for s in hubs])
    at_once(search.work())
    assert search.key == key


def test_what_passed_last_is_tried_first_for_the_next_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """7 of 16 who mislead the decoding: thousands of subsets for the first key, one for those after it."""
    of = terms(16, 8)
    last = LastPassed()
    monkeypatch.setattr(module, "find_suspects", lambda points, k: (yield 1) or set(range(10, 17)))
    tries = []
    for seed in range(3):
        key_id, key, hubs = deal_one(of, range(1, 17), seed)
        search = Search(of, key_id, last)
        search.add([add(s, x=s.x**9, f=seed + 1) if s.x <= 7 else s for s in hubs])
        at_once(search.work())
        assert search.key == key
        tries.append(search.nr_tried)
    assert tries[0] > 1000
    assert tries[1:] == [1, 1]


def test_what_one_search_finds_serves_those_that_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    of = terms(9, 5)
    last = LastPassed()
    searches = []
    for seed in range(2):
        key_id, _, hubs = deal_one(of, range(1, 10), seed)
        search = Search(of, key_id, last)
        search.add([add(s, x=s.x**9, f=s.x) if s.x <= 4 else s for s in hubs])
        searches.append((search, search.work()))
    while searches[1][0].nr_tried < 3:
        next(searches[1][1])
    at_once(searches[0][1])
    tried_before = searches[1][0].nr_tried
    at_once(searches[1][1])
    assert searches[1][0].key is not None
    assert searches[1][0].nr_tried == tried_before + 1


def test_where_one_of_those_that_passed_last_is_away_the_others_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    """9 good ones of 16, the last time 9 to 16 passed: without 16, 8 takes its place."""
    of = terms(16, 8)
    last = LastPassed()
    last.xs = tuple(range(9, 17))
    monkeypatch.setattr(module, "find_suspects", lambda points, k: (yield 1) or set())
    key_id, key, hubs = deal_one(of, range(1, 17), 1)
    search = Search(of, key_id, last)
    search.add([add(s, x=s.x**9, f=3) if s.x <= 7 else s for s in hubs[:15]])
    at_once(search.work())
    assert search.key == key
    assert search.nr_tried <= 8
    assert set(last.xs) == set(range(8, 16))


def test_a_memory_that_is_wrong_costs_one_candidate_and_no_subset_is_tried_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = terms(8, 3)
    last = LastPassed()
    last.xs = (1, 2, 3)
    key_id, _, hubs = deal_one(of, range(1, 9), 1)
    search = Search(of, key_id, last)
    seen = [hubs[0], hubs[1], *(add(s, x=s.x**5, f=1 + s.x**3) for s in hubs[2:])]
    xs = tried(search, monkeypatch)
    for number in range(3, 9):
        search.add(seen[:number])
        at_once(search.work())
    assert search.key is None
    assert xs[0] == (1, 2, 3)
    assert len(xs) == len(set(map(frozenset, xs))) == comb(8, 3)


def test_beyond_the_limit_what_passed_last_is_one_candidate_more_for_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_SUBSETS", 500)
    of = terms(16, 5)
    key_id, key, hubs = deal_one(of, range(1, 17), 4)
    rng = random.Random(5)
    last = LastPassed()
    search = Search(of, key_id, last)
    xs = tried(search, monkeypatch)
    seen = [s._replace(share=rng.randbytes(32)) if s.x <= 8 else s for s in hubs]
    for number in range(5, 17):
        search.add(seen[:number])
        last.xs = (*rng.sample(range(1, 12), 3), 12, 13)  # of shares that come beyond the limit
        at_once(search.work())
    assert search.key is None
    assert len(xs) <= max_candidates(16, 5)
    assert len([chosen for chosen in xs if {12, 13} <= set(chosen)]) == 1
    other = Search(of, key_id, last)
    last.xs = (9, 10, 11, 12, 13)
    other.add(seen)
    at_once(other.work())
    assert (other.key, other.nr_tried) == (key, 1), "8 liars of 16 are beyond decoding and search"


def test_a_search_that_failed_keeps_no_copy_of_its_shares() -> None:
    of = terms(5, 3, 1_000_000)
    key_id, _, hubs = deal_one(of, range(1, 6), 1)
    search = Search(of, key_id)
    tracemalloc.start()
    try:
        search.add([add(share, f=share.x**3) for share in hubs[:2]] + hubs[2:4])
        before, _ = tracemalloc.get_traced_memory()
        at_once(search.work())
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert search.exhausted
    assert search.key is None
    assert after - before < 50_000
