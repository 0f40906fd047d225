from __future__ import annotations

import pytest

from dsked.client.deal import Deal
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
    n: int = 5, k: int = 3, number: int = 1, *, counted: int | None = None
) -> tuple[Deal, list[Outcome]]:
    """A deal that has been scattered to n hubs of which `counted` count."""
    outcomes: list[Outcome] = []
    terms = Terms(1, n, k, Party("carol", "sam"), (Party("curtis", "sunny"),), 32)
    deal = Deal(terms, [Key(bytes(16), bytes(32))] * number, outcomes.append)
    for hub in range(n):
        deal.unacked[hub] = number
        deal.shares[hub] = []
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
    deal, _ = new_deal(number=3)
    assert [deal.acknowledge(0, NOW) for _ in range(3)] == [False, False, True]
    assert deal.acked == {0}
    assert 0 not in deal.shares, "what has arrived is not kept"
    assert 1 in deal.shares


def test_the_grace_begins_with_the_kth_acknowledgement() -> None:
    deal, _ = new_deal()
    for hub, after in enumerate((0.0, 0.1, 0.2, 0.24)):
        assert deal.within_grace(NOW + after)
        deal.acknowledge(hub, NOW + after)
    assert deal.k_at == NOW + 0.2
    assert deal.within_grace(NOW + 0.2 + ACK_GRACE_S)
    assert not deal.within_grace(NOW + 0.201 + ACK_GRACE_S)


def test_a_hub_that_refused_one_key_has_not_acknowledged() -> None:
    deal, _ = new_deal(number=2)
    deal.acknowledge(0, NOW)
    deal.fail(0, ErrorCode.CONFLICT)
    assert not deal.acknowledge(0, NOW)
    assert deal.acked == set()
    assert deal.possible == {1, 2, 3, 4}
    assert 0 not in deal.shares


def test_success_hands_the_keys_over_once_and_keeps_none() -> None:
    deal, outcomes = new_deal()
    deal.timer = Timers().at(NOW, lambda now: pytest.fail("cancelled"))
    keys = deal.keys
    for hub in range(4):
        deal.acknowledge(hub, NOW)
    deal.succeed()
    assert outcomes == [keys]
    assert deal.answered
    assert not deal.abandoned
    assert deal.keys == []
    assert deal.timer is None
    assert list(deal.shares) == [4], "the last hub's share still goes out"


def test_a_failed_request_keeps_no_key_and_no_share() -> None:
    deal, outcomes = new_deal()
    error = TooFewHubsError("no")
    deal.give_up(error)
    assert outcomes == [error]
    assert deal.answered
    assert deal.abandoned
    assert deal.keys == []
    assert not deal.shares


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
    for hub, code in enumerate(codes):
        deal.fail(hub, code)
    error = deal.refusal()
    assert type(error) is kind
    assert text in str(error)
