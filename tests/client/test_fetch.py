from __future__ import annotations

import pytest

from dsked.client.fetch import Fetch, usable_terms
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    NotNamedError,
    ReconstructionError,
    UnknownKeyError,
)
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Party, Terms

TERMS = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)
OTHER = TERMS._replace(n=4)
SHARE, CODE = bytes(range(32)), b"c" * 32


@pytest.fixture
def fetch() -> Fetch:
    return Fetch(("carol", bytes(16)), 1000.0)


def take(
    fetch: Fetch, x: int, terms: Terms = TERMS, share: bytes = SHARE, code: bytes = CODE
) -> Terms | None:
    return fetch.take(x, terms, 0, share, code)


def test_whole_shares_are_grouped_by_their_terms(fetch: Fetch) -> None:
    assert take(fetch, 1) == TERMS
    assert take(fetch, 4) == TERMS
    assert take(fetch, 2, OTHER) == OTHER
    assert [share.x for share in fetch.group(TERMS)] == [1, 4]
    assert [share.x for share in fetch.group(OTHER)] == [2]
    assert fetch.group(TERMS._replace(k=4)) == []
    assert fetch.largest_group == 2
    assert fetch.has_answered(1)
    assert not fetch.has_answered(3)


def test_pieces_make_a_share(fetch: Fetch) -> None:
    assert fetch.take(1, TERMS, 0, SHARE[:10], CODE) is None
    assert fetch.offset(1) == 10
    assert not fetch.has_answered(1)
    assert fetch.take(1, TERMS, 10, SHARE[10:20], b"") is None
    assert fetch.take(1, TERMS, 15, SHARE[15:], b"") == TERMS
    assert fetch.group(TERMS) == [KeyShare(1, SHARE, CODE)]
    assert fetch.offset(2) == 0


def test_the_first_share_of_a_hub_stands(fetch: Fetch) -> None:
    """A different one later is a mismatch, and liars get no second try."""
    take(fetch, 1)
    for later in (
        (TERMS, 0, SHARE[::-1], CODE), (TERMS, 0, SHARE, b"d" * 32), (OTHER, 0, SHARE, CODE),
        (TERMS, 32, b"more", b""), (TERMS, 40, b"more", b""),
    ):  # fmt: skip
        assert fetch.take(1, *later) is None
    assert fetch.group(TERMS) == [KeyShare(1, SHARE, CODE)]
    assert fetch.group(OTHER) == []


@pytest.mark.parametrize(
    ("terms", "offset", "share", "code"),
    [
        (OTHER, 10, SHARE[10:], b""),
        (TERMS, 0, SHARE, b"d" * 32),
        (TERMS, 0, SHARE[::-1], CODE),
        (TERMS, 9, SHARE[10:], b""),
        (TERMS, 11, SHARE[11:], b""),
    ],
)
def test_a_piece_that_contradicts_is_evidence_once_the_key_is_known(
    fetch, terms, offset, share, code
) -> None:
    fetch.take(1, TERMS, 0, SHARE[:10], CODE)
    assert fetch.take(1, terms, offset, share, code) is None
    fetch.take(1, TERMS, 10, SHARE[10:], b"")
    fetch.succeed(TERMS, bytes(32), [])
    [evidence] = fetch.others()
    assert evidence == KeyShare(1, b"", b""), "a malformed share counts as wrong"


def test_a_repetition_of_the_same_is_none(fetch: Fetch) -> None:
    take(fetch, 1)
    assert take(fetch, 1) is None
    assert len(fetch.group(TERMS)) == 1
    fetch.succeed(TERMS, bytes(32), [])
    assert fetch.others() == [KeyShare(1, SHARE, CODE)]


def test_a_later_piece_without_a_first_is_dropped(fetch: Fetch) -> None:
    assert fetch.take(1, TERMS, 10, SHARE[10:], b"") is None
    assert fetch.offset(1) == 0
    assert take(fetch, 1) == TERMS


def test_the_evidence_is_about_all_but_those_that_passed(fetch: Fetch) -> None:
    for x in (1, 2, 3, 4):
        take(fetch, x)
    take(fetch, 5, OTHER)
    fetch.succeed(TERMS, bytes(32), fetch.group(TERMS)[1:])
    assert fetch.others() == [KeyShare(1, SHARE, CODE), KeyShare(5, b"", b"")]


def test_terms_that_may_not_be_tried_count_against_their_hub(fetch: Fetch) -> None:
    fetch.take_unusable(1)
    assert fetch.has_answered(1)
    assert fetch.largest_group == 0
    assert take(fetch, 1) is None, "nor a proper share after them"
    fetch.succeed(TERMS, bytes(32), [])
    assert fetch.others() == [KeyShare(1, b"", b"")]


def test_unusable_terms_after_a_good_share_contradict_it(fetch: Fetch) -> None:
    take(fetch, 1)
    fetch.take_unusable(1)
    fetch.succeed(TERMS, bytes(32), [])
    assert fetch.others() == [KeyShare(1, b"", b"")]


@pytest.mark.parametrize(
    ("code", "final"),
    [
        (ErrorCode.DONE, True),
        (ErrorCode.DELIVERED, True),
        (ErrorCode.NOT_NAMED, True),
        (ErrorCode.UNKNOWN_KEY, False),
        (ErrorCode.LIMIT, False),
        (200, False),
    ],
)
def test_which_refusals_are_final(fetch: Fetch, code: int, final: bool) -> None:
    """`Unknown key` is not: the initiator answered before the last hubs had their share."""
    for x in (1, 2, 3):
        fetch.missing[x] = code
    assert fetch.has_answered(1) is final
    assert fetch.impossible(5, 3) is final
    assert not fetch.impossible(6, 3)


def test_a_key_that_is_there_is_not_impossible(fetch: Fetch) -> None:
    fetch.missing.update(dict.fromkeys((1, 2, 3), int(ErrorCode.DONE)))
    fetch.succeed(TERMS, bytes(32), [])
    assert not fetch.impossible(5, 3)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([], UnknownKeyError),
        ([ErrorCode.UNKNOWN_KEY] * 3, UnknownKeyError),
        ([ErrorCode.NOT_NAMED] * 3, NotNamedError),
        ([ErrorCode.DONE] * 3, AlreadyDeliveredError),
        ([ErrorCode.DELIVERED] * 3, AlreadyDeliveredError),
        ([ErrorCode.UNKNOWN_KEY, ErrorCode.UNKNOWN_KEY, ErrorCode.DONE], UnknownKeyError),
        ([200] * 3, UnknownKeyError),
    ],
)
def test_why_there_is_no_key(fetch: Fetch, codes: list[int], kind: type[DskedError]) -> None:
    fetch.missing.update(dict(enumerate(map(int, codes), 1)))
    assert type(fetch.failure()) is kind


def test_a_failed_check_is_told_before_all_else(fetch: Fetch) -> None:
    for x in (1, 2, 3, 4):
        take(fetch, x)
    fetch.failed_check = True
    fetch.missing[5] = int(ErrorCode.DONE)
    error = fetch.failure()
    assert isinstance(error, ReconstructionError)
    assert "no k of the 4 shares in hand" in str(error)


@pytest.mark.parametrize(
    ("terms", "code", "usable"),
    [
        (TERMS, CODE, True),
        (TERMS, b"", True),  # a later piece
        (None, CODE, False),
        (TERMS._replace(k=2), CODE, False),  # k is never taken from a hub
        (TERMS._replace(k=4), CODE, True),
        (TERMS._replace(responders=(Party("celia", "serena"),)), CODE, False),
        (TERMS, CODE + b"r" * 16, False),
        (TERMS._replace(key_bytes=1025), CODE + b"r" * 16, True),
        (TERMS._replace(key_bytes=1025), CODE, False),
    ],
)
def test_which_terms_may_be_tried(terms: Terms | None, code: bytes, usable: bool) -> None:
    assert usable_terms(terms, code, "curtis", 3) is usable


def test_no_secret_in_its_repr(fetch: Fetch) -> None:
    take(fetch, 1, share=b"secret" * 5 + b"!!", code=b"secret" * 5 + b"!!")
    fetch.succeed(TERMS, b"secret key", fetch.group(TERMS))
    assert "secret" not in repr(fetch)
