from __future__ import annotations

import pytest

from dsked.client.columns import Column
from dsked.client.fetch import Batch, Fetch, Inquiry, usable_terms
from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Party, Terms

TERMS = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)
OTHER = TERMS._replace(n=4)
SHARE, CODE = bytes(range(32)), b"c" * 32
IDS = [bytes([number]) * KEY_ID_BYTES for number in range(8)]


def batch_of(*key_ids: bytes) -> Batch:
    batch = Batch("carol")
    for key_id in key_ids:
        batch.fetches[key_id] = Fetch(("carol", key_id), batch, "sunny", 1000.0)
    return batch


@pytest.fixture
def batch() -> Batch:
    return batch_of(IDS[0])


def column(x: int, *key_ids: bytes, terms: Terms = TERMS) -> Column:
    """Shares and codes of which each tells its hub and its key."""
    shares = b"".join([bytes([x]) + key_id + b"s" * (terms.key_bytes - 17) for key_id in key_ids])
    return Column(x, terms, b"".join(key_ids), shares, b"".join([b"c" * 16 + key_id for key_id in key_ids]))


def take(batch: Batch, *xs: int, terms: Terms = TERMS) -> None:
    for x in xs:
        batch.take(column(x, *batch.fetches, terms=terms))


def fetches(batch: Batch, *key_ids: bytes) -> list[Fetch]:
    return [batch.fetches[key_id] for key_id in key_ids]


# --- shares ---


def test_whole_shares_are_grouped_by_their_terms(batch: Batch) -> None:
    take(batch, 4, 1)
    take(batch, 2, terms=OTHER)
    assert [of.x for of in batch.group(TERMS)] == [4, 1], "in the order in which they came"
    assert [of.x for of in batch.group(OTHER)] == [2]
    assert batch.group(TERMS._replace(k=4)) == []
    assert batch.largest_group == 2
    assert batch.has_answered(1)
    assert not batch.has_answered(3)


def test_pieces_make_a_share(batch: Batch) -> None:
    assert not batch.take_piece(1, TERMS, 0, SHARE[:10], CODE)
    assert batch.offset(1) == 10
    assert not batch.has_answered(1)
    assert not batch.take_piece(1, TERMS, 10, SHARE[10:20], b"")
    assert batch.held_bytes(1) == 20 + len(CODE)
    assert batch.take_piece(1, TERMS, 15, SHARE[15:], b"")
    assert batch.rows(IDS[0], [1]) == [KeyShare(1, SHARE, CODE)]
    assert batch.has_answered(1)
    assert batch.offset(1) == batch.offset(2) == 0
    assert batch.held_bytes(1) == len(SHARE) + len(CODE)


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
    batch: Batch, terms: Terms, offset: int, share: bytes, code: bytes
) -> None:
    """The first share of a hub stands: liars get no second try."""
    batch.take_piece(1, TERMS, 0, SHARE[:10], CODE)
    assert not batch.take_piece(1, terms, offset, share, code)
    batch.succeed(TERMS, ())
    assert batch.others() == ([], [1]), "before it is whole"
    batch.take_piece(1, TERMS, 10, SHARE[10:], b"")
    assert batch.rows(IDS[0], [1]) == [KeyShare(1, SHARE, CODE)]
    assert batch.others() == ([], [1])


def test_a_repetition_of_the_same_is_no_contradiction(batch: Batch) -> None:
    for _ in range(2):
        batch.take_piece(1, TERMS, 0, SHARE[:10], CODE)
    batch.take_piece(1, TERMS, 10, SHARE[10:], b"")
    batch.succeed(TERMS, ())
    assert batch.others() == ([1], [])


def test_a_later_piece_without_a_first_is_dropped(batch: Batch) -> None:
    assert not batch.take_piece(1, TERMS, 10, SHARE[10:], b"")
    assert batch.offset(1) == 0
    assert batch.xs() == ()


def test_the_evidence_is_about_all_but_those_that_passed(batch: Batch) -> None:
    take(batch, 4, 3, 2, 1)
    take(batch, 5, terms=OTHER)
    batch.succeed(TERMS, (3, 2, 1))
    assert batch.others() == ([4], [5])


def test_a_part_of_a_share_says_nothing_against_its_hub_unless_its_terms_are_others(batch: Batch) -> None:
    batch.take_piece(4, TERMS, 0, SHARE[:10], CODE)
    batch.take_piece(5, OTHER, 0, SHARE[:10], CODE)
    batch.succeed(TERMS, ())
    assert batch.others() == ([], [5])


def test_shares_that_may_not_be_tried_count_against_their_hub(batch: Batch) -> None:
    batch.take_unusable(1)
    assert batch.has_answered(1)
    assert batch.largest_group == 0
    batch.succeed(TERMS, ())
    assert batch.others() == ([], [1])


def test_a_part_and_then_what_may_not_be_tried(batch: Batch) -> None:
    batch.take_piece(1, TERMS, 0, SHARE[:10], CODE)
    batch.take_unusable(1)
    assert batch.offset(1) == 10, "it may go on"
    batch.succeed(TERMS, ())
    assert batch.others() == ([], [1])


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
def test_which_refusals_are_final(batch: Batch, code: int, final: bool) -> None:
    """`Unknown key` is not: the initiator answered before the last hubs had their share."""
    batch.take_missing(1, code)
    assert batch.has_answered(1) is final


# --- batches ---


def test_a_split_takes_a_history_along() -> None:
    batch = batch_of(*IDS[:6])
    batch.take_missing(4, int(ErrorCode.UNKNOWN_KEY))
    batch.take_unusable(5)
    take(batch, 1, 2)
    batch.succeed(TERMS, (1, 2))
    inquiry = Inquiry([batch])
    batch.ask(3, inquiry)
    other = batch.split(fetches(batch, IDS[4], IDS[1]))
    for part, ids in ((other, [IDS[4], IDS[1]]), (batch, [IDS[0], IDS[2], IDS[3], IDS[5]])):
        assert part.key_ids == b"".join(ids)
        assert all(fetch.batch is part for fetch in part.fetches.values())
        assert [part.column(x).shares for x in (1, 2)] == [column(x, *ids).shares for x in (1, 2)]
        assert (part.missing, part.unusable) == ({4: ErrorCode.UNKNOWN_KEY}, {5})
        assert (part.terms, part.passed, part.asked) == (TERMS, (1, 2), {3: inquiry})
    assert list(inquiry.batches) == [batch, other]


def test_the_parts_of_a_split_go_their_own_ways() -> None:
    batch = batch_of(*IDS[:4])
    batch.ask(3, Inquiry([batch]))
    other = batch.split(fetches(batch, *IDS[:2]))
    take(other, 1)
    other.take_missing(2, 6)
    other.answered(3)
    assert (batch.xs(), dict(batch.missing)) == ((), {})
    assert other.settled
    assert not batch.settled


def test_a_split_of_all_keys_is_the_batch_itself() -> None:
    batch = batch_of(*IDS[:3])
    assert batch.split(fetches(batch, *reversed(IDS[:3]))) is batch
    assert list(batch.fetches) == IDS[:3]


def test_a_hub_that_gives_keys_in_another_order() -> None:
    batch = batch_of(*IDS[:4])
    batch.take(column(1, *reversed(IDS[:4])))
    take(batch, 2)
    for x in (1, 2):
        assert batch.column(x).shares == column(x, *IDS[:4]).shares
        assert batch.column(x).codes == column(x, *IDS[:4]).codes


def test_of_a_key_that_stands_twice_in_a_column_the_first_share_stands() -> None:
    twice = Column(1, TERMS, IDS[0] + IDS[1] + IDS[0], b"a" * 32 + b"b" * 32 + b"c" * 32, b"x" * 96)
    assert twice.of(IDS[1] + IDS[0]).shares == b"b" * 32 + b"a" * 32


def test_few_keys_that_are_left_do_not_keep_the_shares_of_all() -> None:
    batch = batch_of(*IDS)
    take(batch, 1)
    batch.drop(fetches(batch, *IDS[:3]))
    assert batch.columns[1].number == 8
    batch.drop(fetches(batch, IDS[4]))
    assert batch.columns[1].number == 4
    assert batch.column(1).shares == column(1, IDS[3], *IDS[5:]).shares
    assert batch.held_bytes(1) == 4 * 64


def test_with_its_last_key_a_batch_forgets_everything() -> None:
    batch = batch_of(*IDS[:2])
    take(batch, 1)
    inquiry = Inquiry([batch])
    batch.ask(2, inquiry)
    batch.drop(fetches(batch, *IDS[:2]))
    assert (batch.xs(), batch.settled, inquiry.batches) == ((), True, {})


def test_asking_again_forgets_that_a_hub_had_nothing() -> None:
    batch = batch_of(IDS[0])
    batch.take_missing(1, int(ErrorCode.UNKNOWN_KEY))
    batch.take_missing(2, int(ErrorCode.UNKNOWN_KEY))
    batch.ask(1, Inquiry([batch]))
    assert batch.missing == {2: ErrorCode.UNKNOWN_KEY}


@pytest.mark.parametrize(
    ("terms", "usable"),
    [
        (TERMS, True),
        (None, False),
        (TERMS._replace(k=2), False),  # k is never taken from a hub
        (TERMS._replace(k=4), True),
        (TERMS._replace(responders=(Party("celia", "serena"),)), False),
    ],
)
def test_which_terms_may_be_tried(terms: Terms | None, usable: bool) -> None:
    assert usable_terms(terms, "curtis", 3) is usable


def test_no_secret_in_a_repr(batch: Batch) -> None:
    batch.take_piece(1, TERMS, 0, b"secret" * 3, b"secret" * 5 + b"!!")
    take(batch, 2)
    [fetch] = batch.fetches.values()
    fetch.key = b"secret"
    for holder in (fetch, batch, batch.pieces[1], batch.columns[2]):
        assert "secret" not in repr(holder)
