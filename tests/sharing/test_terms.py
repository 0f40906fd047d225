"""The message of the secret tag: its bytes, that it is prefix-free, and what is refused."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing import shares
from dsked.sharing.terms import Party, Terms, message_frame, responder_clients, sort_parties

from .dealings import INITIATOR, RESPONDERS, terms

name = st.text(min_size=1, max_size=8)
party = st.builds(Party, name, name)
any_terms = st.builds(
    lambda n, k, initiator, responders, key_bytes: Terms(
        1, n, min(k, n), initiator, sort_parties(responders), key_bytes
    ),
    st.integers(2, 255),
    st.integers(2, 255),
    party,
    st.sets(party, min_size=1, max_size=4),
    st.integers(1, 40),
)


def test_message_of_a_short_key_byte_for_byte() -> None:
    of = Terms(1, 5, 3, Party("carol", "sam"), (Party("connie", "sofia"),), 4)
    message = shares.tag_message(of, bytes(range(16)), b"\xaa\xbb\xcc\xdd", b"")
    assert message == (
        b"DSKE" + b"\x01\x05\x03" + bytes(range(16)) + b"\x05carol\x03sam" + b"\x00\x01"
        b"\x06connie\x05sofia" + b"\x00\x00\x00\x00\x00\x00\x00\x04" + b"\xaa\xbb\xcc\xdd"
    )
    assert len(message) == shares.tag_message_bytes(of)


def test_message_of_a_long_key_ends_with_its_hash_and_the_unclamped_r() -> None:
    of = terms(key_bytes=1025)
    r, key = b"\xff" * 16, bytes(1025)
    message = shares.tag_message(of, bytes(16), key, r)
    # Zero blocks of Poly1305 still count: the hash of 1025 zero bytes is not zero.
    assert message[-16:] == r
    assert message[-32:-16] != bytes(16)
    assert message[-40:-32] == (1025).to_bytes(8, "big")
    assert len(message) == shares.tag_message_bytes(of)


@settings(deadline=None)
@given(any_terms, any_terms, st.data())
def test_no_message_is_the_beginning_of_another(a: Terms, b: Terms, data: st.DataObject) -> None:
    key_id = bytes(16)
    first = shares.tag_message(a, key_id, bytes(a.key_bytes), b"")
    second = shares.tag_message(b, key_id, bytes(b.key_bytes), b"")
    assert (first == second) == (a == b)
    if a != b:
        assert not first.startswith(second)
        assert not second.startswith(first)


def test_every_term_is_covered() -> None:
    base = terms()
    other = Party("someone", "else")
    changed = [
        base._replace(version=2),
        base._replace(n=6),
        base._replace(k=4),
        base._replace(initiator=other),
        base._replace(initiator=Party("carols", "am")),
        base._replace(responders=sort_parties({*RESPONDERS, other})),
        base._replace(responders=RESPONDERS[1:]),
        base._replace(key_bytes=33),
    ]
    assert len({message_frame(of) for of in [base, *changed]}) == 1 + len(changed)


def test_parties_are_sorted_by_their_bytes() -> None:
    # In UTF-8 U+FF5E comes before U+1F511; in UTF-16 it comes after.
    parties = [Party("a", "z"), Party("aa", "a"), Party("b", "\uff5e"), Party("b", "\U0001f511")]
    for order in permutations(parties):
        assert sort_parties(set(order)) == tuple(parties)


def test_responder_clients_are_unique() -> None:
    assert responder_clients(terms()) == ("celia", "connie")


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 1},
        {"k": 6},
        {"n": 256},
        {"responders": ()},
        {"responders": RESPONDERS[::-1]},
        {"responders": (RESPONDERS[0], RESPONDERS[0])},
        {"key_bytes": 0},
        {"initiator": Party("c" * 256, "s")},
        {"version": 256},
    ],
)
def test_terms_that_break_a_rule_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        message_frame(terms()._replace(**changes))


def test_names_of_the_longest_length() -> None:
    of = terms()._replace(initiator=Party("c" * 64, "s" * 128))
    assert INITIATOR.client.encode() not in message_frame(of)[1]
    assert b"\x40" + b"c" * 64 + b"\x80" + b"s" * 128 in message_frame(of)[1]
