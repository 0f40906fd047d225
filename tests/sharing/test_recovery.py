"""Recovering a key among lies, and naming the liars: every pattern, malformed shares, long keys."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import pytest
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked import limits
from dsked.errors import ReconstructionError
from dsked.sharing import dealing, gf256
from dsked.sharing.dealing import KeyShare

from .dealings import add, deal_one, terms
from .recovering import mismatches, recover

LIES: dict[str, Callable[[KeyShare], KeyShare]] = {
    "key": lambda s: add(s, key=b"\0\1"),
    "last key byte": lambda s: add(s, key=bytes(len(s.share) - 1) + b"\x80"),
    "x": lambda s: add(s, x=1),
    "f": lambda s: add(s, f=2**126),
    "all": lambda s: s._replace(share=bytes(len(s.share)), code=bytes(len(s.code))),
    "x of p": lambda s: s._replace(code=b"\xff" * 15 + b"\x7f" + s.code[16:]),
    "f above p": lambda s: s._replace(code=s.code[:16] + b"\xff" * 16 + s.code[32:]),
    "short share": lambda s: s._replace(share=s.share[:-1]),
    "empty code": lambda s: s._replace(code=b""),
}
#: The same with other differences: two liars who add the same one may cancel each other at 0.
OTHER_LIES = LIES | {
    "key": lambda s: add(s, key=b"\0\x35"),
    "last key byte": lambda s: add(s, key=bytes(len(s.share) - 1) + b"\x35"),
    "x": lambda s: add(s, x=2**90 + 1234),
    "f": lambda s: add(s, f=2**100 + 12345),
}
LONG_LIES = LIES | {"r": lambda s: add(s, r=b"\x10")}


@pytest.mark.parametrize(
    ("key_bytes", "lie"), [*((32, lie) for lie in LIES), *((1025, lie) for lie in LONG_LIES)]
)
def test_one_liar_of_five_is_named(key_bytes: int, lie: str) -> None:
    of = terms(key_bytes=key_bytes)
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 1)
    for liar in range(5):
        seen = [LONG_LIES[lie](s) if i == liar else s for i, s in enumerate(hubs)]
        assert recover(of, key_id, seen)[:2] == (key, (liar + 1,))


@pytest.mark.parametrize("first", LIES)
@pytest.mark.parametrize("second", OTHER_LIES)
def test_two_liars_of_five_are_named(first: str, second: str) -> None:
    """Beyond unique decoding: found by the search, the key by three honest hubs."""
    of = terms()
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 2)
    for a, b in combinations(range(5), 2):
        seen = list(hubs)
        seen[a], seen[b] = LIES[first](hubs[a]), OTHER_LIES[second](hubs[b])
        assert recover(of, key_id, seen)[:2] == (key, (a + 1, b + 1))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_liars(data: st.DataObject) -> None:
    """At most k - 1 liars, k honest: the key is recovered, and nobody honest is named."""
    n = data.draw(st.integers(3, 8))
    k = data.draw(st.integers(2, n - 1))
    of = terms(n, k, data.draw(st.sampled_from([16, 1030])))
    xs = data.draw(st.lists(st.integers(1, 255), min_size=n, max_size=n, unique=True))
    key_id, key, hubs = deal_one(of, xs, data.draw(st.integers(0, 2**32)))
    liars = data.draw(st.sets(st.sampled_from(xs), max_size=min(k - 1, n - k)))
    seen = [LIES[data.draw(st.sampled_from(sorted(LIES)))](s) if s.x in liars else s for s in hubs]
    seen = data.draw(st.permutations(seen))[: data.draw(st.integers(k + len(liars), n))]
    recovered = recover(of, key_id, seen)
    assert recovered.key == key
    assert dealing.rebuild(of, [(key_id, recovered.passed)]) == [key]
    assert set(recovered.wrong) <= liars
    met = len(liars & {s.x for s in seen})
    if met == 1 and len(seen) >= 2 * k - 1:
        assert set(recovered.wrong) == liars & {s.x for s in seen}


@pytest.mark.parametrize("place", [0, gf256.CHUNK_BYTES - 1, gf256.CHUNK_BYTES, 3 * gf256.CHUNK_BYTES + 16])
def test_long_keys_wherever_the_lie_is(place: int) -> None:
    of = terms(key_bytes=3 * gf256.CHUNK_BYTES + 17)
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 4)
    for liar in (0, 4):
        seen = list(hubs)
        seen[liar] = add(hubs[liar], key=bytes(place) + b"\1")
        assert recover(of, key_id, seen)[:2] == (key, (liar + 1,))


def test_decoding_where_a_search_is_out_of_reach() -> None:
    """10 of 20 has 184,756 subsets: five liars, each in another column, are found by decoding.

    So many good shares are not enough to prove more than what the malformed one proves by itself.
    """
    of = terms(20, 10, 40)
    assert comb(20, 10) > limits.MAX_SUBSETS
    key_id, key, hubs = deal_one(of, range(1, 21), 6)
    lies = {
        0: add(hubs[0], key=b"\1"),
        3: add(hubs[3], key=bytes(39) + b"\1"),
        9: add(hubs[9], x=1),
        12: add(hubs[12], f=1),
        19: LIES["x of p"](hubs[19]),
    }
    seen = [lies.get(i, s) for i, s in enumerate(hubs)]
    assert recover(of, key_id, seen)[:2] == (key, (20,))
    two = [lies[i] if i in (3, 12) else s for i, s in enumerate(hubs)]
    assert recover(of, key_id, two)[:2] == (key, (4, 13))


def test_too_many_liars_where_a_search_is_out_of_reach() -> None:
    of = terms(20, 10, 40)
    key_id, _, hubs = deal_one(of, range(1, 21), 6)
    rng = random.Random(3)
    seen = [s._replace(share=rng.randbytes(40)) if s.x <= 6 else s for s in hubs]
    with pytest.raises(ReconstructionError, match="no 10 of the 20 shares"):
        recover(of, key_id, seen)


def test_fewer_than_k_right_is_an_error_without_secrets() -> None:
    of = terms()
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 7)
    for seen in ([*hubs[:2], add(hubs[2], x=1)], hubs[:2], [*hubs[:2], LIES["empty code"](hubs[2])], []):
        with pytest.raises(ReconstructionError) as error:
            recover(of, key_id, seen)
        assert str(error.value).count("share") == 1
        assert all(secret.hex() not in str(error.value) for secret in (key, hubs[0].share))


def test_one_share_per_hub() -> None:
    _, _, hubs = deal_one(terms(), [1, 2, 3, 4, 5], 7)
    with pytest.raises(ValueError, match="distinct"):
        mismatches(terms(), [(hubs[:3], [hubs[2]])])


# --- mismatches -----------------------------------------------------------------------------------


def test_mismatches_of_a_batch() -> None:
    """Entries that agree, entries that do not, and entries with other hubs, in one call."""
    of = terms(key_bytes=20)
    dealt = [deal_one(of, [1, 2, 3, 4, 5], seed)[2] for seed in range(6)]
    batch = [(hubs[:3], hubs[3:]) for hubs in dealt]
    assert mismatches(of, batch) == [()] * 6
    batch[1] = (dealt[1][:3], [dealt[1][3], add(dealt[1][4], f=5)])
    batch[2] = (dealt[2][2:], [add(dealt[2][0], key=b"\1"), add(dealt[2][1], key=b"\2")])
    batch[3] = (dealt[3][:3], [LIES["x of p"](dealt[3][3])])
    batch[4] = (dealt[4][:3], [])
    assert mismatches(of, batch) == [(), (5,), (1, 2), (4,), (), ()]
    assert mismatches(of, []) == []


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_named_are_those_in_every_explanation(data: st.DataObject) -> None:
    """Against the definition: all sets of at most k - 1 hubs whose absence leaves one polynomial."""
    n, k = data.draw(st.sampled_from([(3, 2), (5, 2), (5, 3), (6, 3), (7, 4)]))
    of = terms(n, k, 1)
    key_id, key, hubs = deal_one(of, range(1, n + 1), data.draw(st.integers(0, 50)))
    # Few values, so that liars agree and cancel often.
    alphabet = st.sampled_from([0, 0, 1, 2, 3, 5])
    seen = [add(s, key=bytes([data.draw(alphabet)])) if s.x < k else s for s in hubs]
    seen = data.draw(st.permutations(seen))[: data.draw(st.integers(k, n))]
    for passed in combinations(seen, k):
        if dealing.rebuild(of, [(key_id, passed)]) == [key]:
            others = [s for s in seen if s not in passed]
            [named] = mismatches(of, [(passed, others)])
            assert set(named) == _in_every_explanation(seen, k, key[0])
            assert set(named) <= set(range(1, k))


def _in_every_explanation(seen: Sequence[KeyShare], k: int, secret: int) -> set[int]:
    everywhere = {s.x for s in seen}
    for count in range(k):
        for left_out in combinations(seen, count):
            points = [(0, secret), *((s.x, s.share[0]) for s in seen if s not in left_out)]
            if all(naive.gf256_interpolate(points[:k], x) == y for x, y in points[k:]):
                everywhere &= {s.x for s in left_out}
    return everywhere


def test_nothing_is_proven_with_too_few_shares() -> None:
    """3 of 5, four in hand: one differs from three that passed, but two of the three may be the liars."""
    of = terms()
    _, _, hubs = deal_one(of, [1, 2, 3, 4, 5], 11)
    assert mismatches(of, [(hubs[:3], [add(hubs[3], key=b"\1")])]) == [()]
    assert mismatches(of, [(hubs[:3], [add(hubs[3], key=b"\1"), hubs[4]])]) == [(4,)]


def test_liars_are_named_even_among_the_shares_that_passed() -> None:
    """3 of 6: two differences that cancel at 0 pass with hub 3, but three honest hubs more tell."""
    of = terms(6, 3)
    key_id, key, hubs = deal_one(of, range(1, 7), 13)
    passed = [add(hubs[0], key=b"\7"), add(hubs[1], key=b"\7"), hubs[2]]
    assert dealing.rebuild(of, [(key_id, passed)]) == [key]
    assert mismatches(of, [(passed, hubs[3:])]) == [(1, 2)]
    assert mismatches(of, [(passed, hubs[3:5])]) == [()]


def test_more_broken_hubs_than_k_minus_1_are_named_if_they_do_not_agree() -> None:
    """2 of 7, three of them broken: no other polynomial explains as many shares."""
    of = terms(7, 2)
    key_id, key, hubs = deal_one(of, range(1, 8), 12)
    rng = random.Random(1)
    seen = [s._replace(share=rng.randbytes(32)) if s.x in (1, 4, 6) else s for s in hubs]
    assert recover(of, key_id, seen)[:2] == (key, (1, 4, 6))
