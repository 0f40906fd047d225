"""docs/lying-hubs.md: its table is what the code promises, and the code keeps it, at every row's edge."""

from __future__ import annotations

import random
from math import comb
from pathlib import Path

import pytest

from dsked import limits
from dsked.sharing import cost
from dsked.sharing.bounds import tolerances
from dsked.sharing.cost import at_once
from dsked.sharing.search import Search

from .dealings import deal_one, terms

DOCUMENT = Path(__file__).parents[2] / "docs" / "lying-hubs.md"
USUAL = [
    (3, 2), (4, 2), (4, 3), (5, 2), (5, 3), (6, 3), (6, 4), (7, 3), (7, 4), (9, 3), (9, 5), (10, 5), (10, 7),
    (12, 5), (15, 8), (16, 7), (20, 7), (20, 10), (24, 9), (32, 4), (32, 11), (32, 16),
]  # fmt: skip


def time_of(n: int, k: int) -> str:
    """A search over all subsets, for a key of 256 bits."""
    if comb(n, k) > limits.MAX_SUBSETS:
        return "-"
    ms = comb(n, k) * cost.rebuilding(k, 32) / 1000
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"


def row(n: int, k: int) -> str:
    all_answer = next(iter(tolerances(n, k)))
    searched = all_answer.liars_searched if comb(n, k) <= limits.MAX_SUBSETS else "no search"
    return f"| {n} | {k} | {comb(n, k):,} | {all_answer.liars_decoded} | {searched} | {time_of(n, k)} |"


def test_the_table_is_true() -> None:
    """Paste what this expects where it is not."""
    _, table = DOCUMENT.read_text().split("tests/sharing/test_guarantees.py -->\n")
    rows = table.split("<!-- end -->")[0].splitlines()[2:]
    assert rows == [row(n, k) for n, k in USUAL]


@pytest.mark.parametrize(("n", "k"), USUAL)
def test_every_row_is_kept(n: int, k: int) -> None:
    """As many liars as the row allows, who lie in every column: the key."""
    rng = random.Random(1000 * n + k)
    of = terms(n, k, 32)
    key_id, key, hubs = deal_one(of, range(1, n + 1), n)
    told = next(iter(tolerances(n, k)))
    quick = comb(n, k) * cost.rebuilding(k, 32) < 300_000
    for number in {told.liars_decoded, max(told.liars_searched, told.liars_decoded) if quick else 0}:
        liars = {share.x for share in rng.sample(hubs, number)}
        search = Search(of, key_id)
        search.add([s._replace(share=rng.randbytes(32)) if s.x in liars else s for s in hubs])
        at_once(search.work())
        assert search.key == key, number


@pytest.mark.parametrize(("n", "k"), [(5, 3), (9, 5), (32, 16)])
def test_beyond_it_there_is_none(n: int, k: int) -> None:
    rng = random.Random(n)
    of = terms(n, k, 32)
    key_id, _, hubs = deal_one(of, range(1, n + 1), n)
    beyond = n - k + 1 if comb(n, k) <= limits.MAX_SUBSETS else (n - k) // 2 + 1
    search = Search(of, key_id)
    search.add([s._replace(share=rng.randbytes(32)) if s.x <= beyond else s for s in hubs])
    at_once(search.work())
    assert search.key is None
    assert search.exhausted


def test_the_limits_are_those_of_the_document() -> None:
    text = DOCUMENT.read_text()
    assert limits.MAX_SUBSETS == 2**14
    assert limits.MAX_SLICE_COST == 1000
    assert limits.MAX_SEARCH_DEBT / 1e6 == 2
    assert limits.SEARCH_COST_PER_S / 1e6 == 1 / 4
    assert limits.MAX_SEARCH_BYTES == 128 * 1024**2
    assert "for 10 s, doubled at each mismatch after that up to 10 min" in text
    assert (limits.SET_ASIDE_FIRST_S, limits.SET_ASIDE_MAX_S) == (10, 600)
    assert limits.EVIDENCE_WINDOW_S == 3600
    assert limits.FETCH_DEADLINE_S == 1.0
