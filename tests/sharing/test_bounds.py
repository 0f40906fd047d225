"""Bounds and tolerances against numbers that were worked out anew here, in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, log2

import pytest

from dsked.sharing import bounds
from dsked.sharing.terms import Party, Terms

P = 170141183460469231731687303715884105727
SHORT_NAMES = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)


def message_bytes(terms: Terms) -> int:
    """proto/sharing.md, section 5."""
    parties = (terms.initiator, *terms.responders)
    names = sum(2 + len(party.client) + len(party.encryptor) for party in parties)
    key = 32 if terms.key_bytes > 1024 else terms.key_bytes
    return 4 + 1 + 1 + 1 + 16 + names + 2 + 8 + key


def longer(key_bytes: int) -> Terms:
    return SHORT_NAMES._replace(key_bytes=key_bytes)


@pytest.mark.parametrize("key_bytes", [1, 32, 44, 45, 1024, 1025, 2097152])
def test_a_candidate(key_bytes: int) -> None:
    terms = longer(key_bytes)
    blocks = 0
    while 15 * blocks < message_bytes(terms):
        blocks += 1
    expected = Fraction(blocks + 2, P)
    if key_bytes > 1024:
        expected += Fraction(8 * ((key_bytes + 15) // 16), 1 << 106)
    assert bounds.candidate_passes(terms) == expected


def test_keys_and_candidates_add_up() -> None:
    one = bounds.candidate_passes(SHORT_NAMES)
    assert bounds.wrong_key(SHORT_NAMES) == 10 * one
    assert bounds.wrong_key(SHORT_NAMES, 2**40) == 10 * 2**40 * one
    assert bounds.wrong_key(SHORT_NAMES, 7, candidates=3) == 21 * one
    assert bounds.failure_bound_log2(SHORT_NAMES, 7, 3) == pytest.approx(float(log2(21 * one)))


@pytest.mark.parametrize(
    ("n", "k", "candidates"),
    [(2, 2, 1), (5, 3, 10), (7, 4, 35), (16, 8, 12870), (20, 10, 16384 + 10), (255, 128, 16384 + 127)],
)
def test_candidates_end_at_the_search_limit(n: int, k: int, candidates: int) -> None:
    assert bounds.max_candidates(n, k) == candidates


def test_the_largest_frame_that_is_forged() -> None:
    # Nonce, direction, length prefix, 256 + 128 KiB, without the tag.
    assert bounds.MAX_TAGGED_BYTES == 16 + 1 + 4 + 393216 - 16
    assert bounds.forged_frame(1, 200) == Fraction(8 * 13, 2**106)
    assert bounds.log2_of(bounds.forged_frame(1, 200)) == pytest.approx(-99.3, abs=0.05)
    assert bounds.log2_of(bounds.forged_frame(1)) == pytest.approx(-88.4, abs=0.05)
    assert bounds.forged_frame(10**9) == 10**9 * bounds.forged_frame(1)


def test_key_ids_and_guesses() -> None:
    assert bounds.same_key_id(1) == 0
    assert bounds.same_key_id(2) == Fraction(1, 2**122)
    assert bounds.same_key_id(2**30) == Fraction(2**29 * (2**30 - 1), 2**122)
    assert bounds.guessed_key(32, 1024) == Fraction(1, 2**246)


def test_log2_of_what_no_float_can_hold() -> None:
    assert bounds.log2_of(bounds.guessed_key(2**21, 1)) == -(2**24)
    assert bounds.log2_of(Fraction(3, 2**2000)) == pytest.approx(log2(3) - 2000)


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (5, 3), (5, 5), (7, 3), (9, 5)])
def test_liars_that_are_found(n: int, k: int) -> None:
    """Decoding: two honest dealings are told apart by more than twice the liars. Search: k honest ones."""
    rows = list(bounds.tolerances(n, k))
    assert [row.answering for row in rows] == list(range(n, k - 1, -1))
    for row in rows:
        m = row.answering
        # Polynomials of degree < k meet in k - 1 places: words of m places differ in m - k + 1 at least.
        assert row.liars_decoded == max(b for b in range(k) if 2 * b + 1 <= m - k + 1)
        honest = [set(range(m)) - set(liars) for liars in combinations(range(m), row.liars_searched)]
        assert all(len(rest) >= k for rest in honest)
        assert row.liars_searched == k - 1 or m - (row.liars_searched + 1) < k


def test_no_search_where_there_are_too_many_subsets() -> None:
    rows = list(bounds.tolerances(20, 10))
    assert comb(16, 10) <= 2**14 < comb(17, 10)
    assert [row.liars_searched > 0 for row in rows] == [m <= 16 and m > 10 for m in range(20, 9, -1)]
    assert rows[0].liars_decoded == 5
