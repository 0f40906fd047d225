from __future__ import annotations

import pytest

from dsked.client.deal import Deal, KeyRequest
from dsked.errors import (
    ConflictError,
    DskedError,
    ErrorCode,
    LimitError,
    NotOwnerError,
    PoolExhaustedError,
    TooFewHubsError,
)
from dsked.keys import Key, Outcome
from dsked.limits import ACK_GRACE_S
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers

NOW = 1000.0


def new_deal(
    n: int = 5, k: int = 3, numbers: tuple[int, ...] = (1,), *, counted: int | None = None
) -> tuple[Deal, list[list[Outcome]]]:
    """A dealing for requests of so many keys, scattered to n hubs of which `counted` count."""
    outcomes: list[list[Outcome]] = [[] for _ in numbers]
    terms = Terms(1, n, k, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)
    requests = [KeyRequest(number, got.append) for number, got in zip(numbers, outcomes, strict=True)]
    total = sum(numbers)
    ids = b"".join(number.to_bytes(16, "big") for number in range(total))
    deal = Deal(terms, requests, ids, b"".join(bytes([number]) * 32 for number in range(total)), range(n))
    deal.scattered(NOW + 60, set(range(n)), frozenset(range(n if counted is None else counted)))
    return deal, outcomes


@pytest.mark.parametrize(
    ("n", "k", "counted", "needed"),
    [
        (5, 3, 5, 4),  # k + floor((n - k) / 2)
        (5, 3, 4, 4),
        (5, 3, 3, 3),  # two hubs down, late or set aside: those that count
        (5, 3, 2, 3),  # never fewer than k
        (5, 3, 0, 3),
        (3, 3, 3, 3),
        (3, 2, 3, 2),
        (4, 2, 4, 3),
        (7, 3, 7, 5),
        (9, 5, 9, 7),
        (9, 5, 6, 6),
        (255, 128, 255, 191),
    ],
)
def test_how_many_acknowledgements_a_request_waits_for(n: int, k: int, counted: int, needed: int) -> None:
    deal, _ = new_deal(n, k, counted=counted)
    assert deal.needed == needed


def test_a_hub_has_acknowledged_once_all_keys_are_there() -> None:
    deal, _ = new_deal(numbers=(2, 1))
    assert [deal.answered_by(0, 1, 1, NOW) for _ in range(3)] == [False, False, True]
    assert deal.acked == {0}


def test_the_grace_begins_with_the_kth_acknowledgement() -> None:
    deal, _ = new_deal()
    for hub, after in enumerate((0.0, 0.1, 0.2, 0.24)):
        assert deal.within_grace(NOW + after)
        deal.answered_by(hub, 1, 1, NOW + after)
    assert deal.k_at == NOW + 0.2
    assert deal.within_grace(NOW + 0.2 + ACK_GRACE_S)
    assert not deal.within_grace(NOW + 0.201 + ACK_GRACE_S)


def test_a_hub_that_refused_one_key_of_a_request_counts_for_the_others_only() -> None:
    deal, _ = new_deal(numbers=(2, 3, 1))
    first, second, third = deal.requests
    deal.refuse(0, ErrorCode.CONFLICT, 4, 1)  # the last key of the second request
    assert deal.answered_by(0, 6, 5, NOW)
    assert [deal.nr_acked(request) for request in (first, second, third)] == [1, 0, 1]
    deal.refuse(1, ErrorCode.LIMIT, 1, 2)  # on both sides of a border
    assert deal.answered_by(1, 6, 4, NOW)
    assert [deal.nr_acked(request) for request in (first, second, third)] == [1, 0, 2]


def test_a_hub_that_took_nothing_has_not_acknowledged() -> None:
    deal, _ = new_deal(numbers=(2,))
    deal.refuse(0, ErrorCode.LIMIT, 0, 2)
    assert not deal.answered_by(0, 2, 0, NOW)
    assert deal.acked == set()


def test_a_request_is_hopeless_once_too_few_hubs_have_not_refused_it() -> None:
    deal, _ = new_deal(numbers=(1, 1))
    first, second = deal.requests
    for hub in range(3):
        assert not deal.is_hopeless(first)
        deal.refuse(hub, ErrorCode.CONFLICT, 0, 1)
    assert deal.is_hopeless(first)
    assert not deal.is_hopeless(second)


def test_success_hands_its_keys_to_each_request_once_and_keeps_none() -> None:
    deal, outcomes = new_deal(numbers=(2, 1))
    deal.timer = Timers().at(NOW, lambda now: pytest.fail("cancelled"))
    for hub in range(4):
        deal.answered_by(hub, 3, 3, NOW)
    first, second = deal.requests
    deal.succeed(second)
    assert outcomes == [[], [[Key((2).to_bytes(16, "big"), bytes([2]) * 32)]]]
    assert deal.timer is not None
    deal.succeed(first)
    assert outcomes[0] == [[Key(number.to_bytes(16, "big"), bytes([number]) * 32) for number in range(2)]]
    assert not deal.abandoned
    assert deal.keys == b""
    assert deal.timer is None


def test_a_failed_request_keeps_no_key() -> None:
    deal, outcomes = new_deal()
    [request] = deal.requests
    error = TooFewHubsError("no")
    deal.give_up(request, error)
    assert outcomes == [[error]]
    assert deal.abandoned
    assert deal.keys == b""


def test_a_dealing_whose_every_request_was_refused_is_abandoned_whatever_else_hubs_took() -> None:
    deal, _ = new_deal(numbers=(1, 1))
    first, second = deal.requests
    for hub in range(5):  # two or three refuse each of the requests, and take the other
        deal.refuse(hub, ErrorCode.CONFLICT, hub % 2, 1)
        deal.answered_by(hub, 2, 1, NOW)
    assert len(deal.acked) == 5
    deal.give_up(first, TooFewHubsError("no"))
    deal.give_up(second, TooFewHubsError("no"))
    assert deal.abandoned


def test_a_dealing_is_not_abandoned_while_one_of_its_requests_waits() -> None:
    deal, _ = new_deal(numbers=(1, 1))
    deal.give_up(next(iter(deal.requests)), TooFewHubsError("no"))
    assert not deal.abandoned


@pytest.mark.parametrize(
    ("codes", "kind", "text"),
    [
        ([ErrorCode.CONFLICT] * 3, ConflictError, "0 of 5 hubs took the key's shares, 3 are needed: 3 hubs"),
        ([ErrorCode.LIMIT] * 3, LimitError, "the limit of pending shares"),
        ([ErrorCode.NOT_OWNER] * 3, NotOwnerError, "calling encryptor"),
        ([ErrorCode.POOL_EXHAUSTED] * 3, PoolExhaustedError, "no unused PSRD"),
        ([ErrorCode.BAD_REQUEST] * 3, TooFewHubsError, "0 of 5 hubs took"),
        ([ErrorCode.LIMIT, ErrorCode.LIMIT, ErrorCode.CONFLICT], LimitError, "2 hubs have reached"),
        ([200, 200, 201], TooFewHubsError, "0 of 5"),  # codes of a later version, or of a liar
        ([], TooFewHubsError, "0 of 5"),
    ],
)
def test_the_commonest_refusal_is_told(codes: list[int], kind: type[DskedError], text: str) -> None:
    deal, _ = new_deal()
    [request] = deal.requests
    for hub, code in enumerate(codes):
        deal.refuse(hub, code, 0, 1)
    error = deal.refusal(request, "5 hubs")
    assert type(error) is kind
    assert text in str(error)
