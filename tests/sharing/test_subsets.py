"""The attack with every set of liars notices what it is there to notice."""

from __future__ import annotations

import random
from collections.abc import Generator
from itertools import islice

import pytest
from attacking import subsets
from attacking.attack import Broken
from attacking.subsets import ATTACK, Case, every_case, random_case, run_case

from dsked.sharing import search
from dsked.sharing.decode import GF256


def test_the_full_amount_holds_every_case() -> None:
    cases = list(every_case())
    assert len(set(cases)) == len(cases) <= ATTACK.full <= ATTACK.piece
    assert {case.n for case in cases} == set(range(2, 8))


def run(number: int, first: int = 0) -> None:
    rng = random.Random(1)
    for case in islice(every_case(), first, first + number):
        run_case(case, rng)


def test_naming_whoever_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def whoever_differs(terms, passed, others) -> Generator[int, None, tuple[int, ...]]:
        yield 1
        return tuple(share.x for share in others)

    monkeypatch.setattr(subsets, "prove_wrong", whoever_differs)
    with pytest.raises(Broken, match="honest hubs at"):
        run(300)


def test_a_secret_tag_that_is_ignored_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsked.sharing.rebuilding.hmac.compare_digest", lambda a, b: True)
    with pytest.raises(Broken, match="A WRONG KEY"):
        run(100)


def test_columns_that_are_not_decoded_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liars who touch x and f only, where a search is out of reach."""
    words = search._words
    monkeypatch.setattr(search, "_words", lambda *of: (w for w in words(*of) if w[0] is GF256))
    with pytest.raises(Broken, match="the key is not found"):
        for seed in range(20):
            run_case(Case(24, 9, 32, "f", (1, 2, 3, 4, 5)), random.Random(seed))


def test_a_search_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_candidates", lambda *of: iter(()))
    with pytest.raises(Broken, match="the key is not found"):
        run(300)


def test_random_cases_are_cheap_and_of_all_kinds() -> None:
    rng = random.Random(2)
    cases = [random_case(rng) for _ in range(2000)]
    assert {case.kind for case in cases} == set(subsets.KINDS)
    assert {case.guaranteed for case in cases} == {True, False}
    assert any(case.n > 30 and case.guaranteed and case.liars for case in cases)
