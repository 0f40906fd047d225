"""The AMD code: against its definition, and its bound searched exhaustively in small fields."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from decoding import fields as naive
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsked.sharing import amd, gfp

element = st.one_of(st.sampled_from([0, 1, gfp.P - 1]), st.integers(0, gfp.P - 1))


@settings(deadline=None)
@given(element, st.binary(max_size=200))
@example(gfp.P - 1, b"\xff" * 15 * 75)
@example(0, b"")
def test_like_the_definition(x: int, message: bytes) -> None:
    assert amd.block_count(len(message)) == len(naive.message_blocks(message))
    assert amd.tag(x, message) == naive.amd_tag(x, naive.message_blocks(message))


@settings(deadline=None)
@given(st.data())
def test_tags_of_a_batch_are_those_of_each_message(data: st.DataObject) -> None:
    """Whatever the lengths: blocks begin and end anywhere in the parts that differ."""
    before, between = data.draw(st.binary(max_size=40)), data.draw(st.binary(min_size=15, max_size=60))
    first_bytes, last_bytes = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 60))
    firsts = st.binary(min_size=first_bytes, max_size=first_bytes)
    lasts = st.binary(min_size=last_bytes, max_size=last_bytes)
    messages = data.draw(st.lists(st.tuples(element, firsts, lasts), max_size=4))
    frame = amd.frame(before, first_bytes, between, last_bytes)
    tags = amd.tags(frame, *([message[i] for message in messages] for i in range(3)))
    whole = [(x, before + first + between + last) for x, first, last in messages]
    assert tags == [naive.amd_tag(x, naive.message_blocks(message)) for x, message in whole]


def _largest_number_of_passing_x(p: int, d: int, message: tuple[int, ...]) -> int:
    """Over all differences of (x, message, f) but none: how many x let the changed one pass, at most.

    For one (Dx, changed message) every x lets exactly one Df pass: the most frequent counts.
    """
    most = 0
    for shift, changed in product(range(p), product(range(p), repeat=d)):
        wanted = Counter(
            (naive.amd_tag((x + shift) % p, changed, p) - naive.amd_tag(x, message, p)) % p for x in range(p)
        )
        if shift == 0 and changed == message:
            assert wanted == {0: p}  # nothing changed but f: only Df = 0 passes
            continue
        most = max(most, *wanted.values())
    return most


@pytest.mark.parametrize(
    ("p", "d", "message"),
    [
        (31, 0, ()),
        (31, 1, (0,)),
        (31, 1, (17,)),
        (7, 2, (3, 0)),
        (11, 2, (0, 0)),
        (13, 2, (5, 12)),
    ],
)
def test_bound_in_small_fields(p: int, d: int, message: tuple[int, ...]) -> None:
    """At most d + 1 of p: the polynomial f(x + Dx; m') - f(x; m) - Df has a degree of at most d + 1."""
    assert 0 < _largest_number_of_passing_x(p, d, message) <= d + 1


@pytest.mark.parametrize(("p", "d"), [(3, 1), (5, 3)])
def test_why_d_plus_2_must_not_vanish(p: int, d: int) -> None:
    """Where p divides d + 2 the bound breaks: a shift of x passes for every x. 2^127 - 1 is out of reach."""
    assert _largest_number_of_passing_x(p, d, (0,) * d) == p


def test_a_plain_polynomial_hash_is_broken_by_shifting() -> None:
    """Without x^(d+2) a liar who knows the message moves x and corrects the message: always accepted.

    The same difference against the AMD code fails. This is why the exponent d + 2 stands there.
    """
    m1, m2, shift, x = 1234567, 7654321, 2**90 + 1, 2**100 + 12345

    def plain(x: int, a: int, b: int) -> int:
        return (a * x * x + b * x) % gfp.P

    changed = (m1, (m2 - 2 * m1 * shift) % gfp.P)
    difference = (m2 * shift - m1 * shift * shift) % gfp.P
    for secret_x in (x, x * x % gfp.P, 5):
        assert plain(secret_x + shift, *changed) == (plain(secret_x, m1, m2) + difference) % gfp.P
        moved = (secret_x + shift) % gfp.P
        assert naive.amd_tag(moved, changed) != (naive.amd_tag(secret_x, (m1, m2)) + difference) % gfp.P


def test_key_hash_is_poly1305_without_its_mask() -> None:
    """RFC 8439, section 2.5.2: the tag there minus s is the polynomial part."""
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = bytes.fromhex("a8061dc1305136c6c22b8baf0c0127a9")
    s = int.from_bytes(key[16:], "little")
    wanted = (int.from_bytes(tag, "little") - s) % 2**128
    assert amd.key_hash(key[:16], b"Cryptographic Forum Research Group") == wanted.to_bytes(16, "little")
