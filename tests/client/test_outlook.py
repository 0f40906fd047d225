from __future__ import annotations

import pytest

from dsked.client.fetch import Batch
from dsked.client.outlook import failure, hopeless
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    LimitError,
    NotNamedError,
    ReconstructionError,
    UnknownKeyError,
)
from tests.client.test_fetch import IDS, TERMS, batch_of, take


@pytest.fixture
def batch() -> Batch:
    return batch_of(IDS[0])


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
def test_three_of_five_refusals_for_good_leave_no_hope(batch: Batch, code: int, final: bool) -> None:
    for x in (1, 2, 3):
        assert not hopeless(batch, 5, 3)
        batch.take_missing(x, code)
    assert hopeless(batch, 5, 3) is final
    assert not hopeless(batch, 6, 3)


def test_a_key_that_is_there_is_not_hopeless(batch: Batch) -> None:
    for x in (1, 2, 3):
        batch.take_missing(x, int(ErrorCode.DONE))
    batch.succeed(TERMS, ())
    assert not hopeless(batch, 5, 3)


def test_shares_that_do_not_pass_leave_no_hope_once_all_hubs_have_answered(batch: Batch) -> None:
    take(batch, 1, 2, 3)
    batch.failed_check = True
    batch.take_missing(4, int(ErrorCode.DONE))
    assert not hopeless(batch, 5, 3)
    batch.take_missing(5, int(ErrorCode.UNKNOWN_KEY))
    assert not hopeless(batch, 5, 3), "it may come yet"
    batch.take_unusable(5)
    assert hopeless(batch, 5, 3)
    batch.search_put_off = True
    assert not hopeless(batch, 5, 3)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([], UnknownKeyError),
        ([ErrorCode.UNKNOWN_KEY] * 3, UnknownKeyError),
        ([ErrorCode.NOT_NAMED] * 3, NotNamedError),
        ([ErrorCode.DONE] * 3, AlreadyDeliveredError),
        ([ErrorCode.DELIVERED] * 3, AlreadyDeliveredError),
        ([ErrorCode.UNKNOWN_KEY, ErrorCode.UNKNOWN_KEY, ErrorCode.DONE], UnknownKeyError),
        ([ErrorCode.LIMIT] * 3, LimitError),
        ([200] * 3, UnknownKeyError),
    ],
)
def test_why_there_is_no_key(batch: Batch, codes: list[int], kind: type[DskedError]) -> None:
    for x, code in enumerate(codes, 1):
        batch.take_missing(x, int(code))
    assert type(failure(batch, 3)) is kind


def test_too_little_psrd_at_the_hubs_is_named(batch: Batch) -> None:
    for x in (1, 2, 3):
        batch.take_missing(x, int(ErrorCode.LIMIT))
    assert "PSRD" in str(failure(batch, 3))


def test_a_failed_check_is_told_before_all_else(batch: Batch) -> None:
    take(batch, 1, 2, 3, 4)
    batch.failed_check = True
    batch.take_missing(5, int(ErrorCode.DONE))
    error = failure(batch, 3)
    assert isinstance(error, ReconstructionError)
    assert "no k of the 4 shares in hand" in str(error)
