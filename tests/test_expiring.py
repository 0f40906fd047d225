from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.expiring import ExpiringKeyIds

NOW = 1000.0
CURTIS, CELIA = ("carol", "curtis"), ("carol", "celia")


def key_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_what_is_added_is_there_for_its_group_alone() -> None:
    memory = ExpiringKeyIds()
    memory.add(CURTIS, [key_id(1)], NOW, 60)
    assert memory.among(CURTIS, [key_id(1)])
    assert not memory.among(CELIA, [key_id(1)])
    assert not memory.among(CURTIS, [key_id(2)])
    assert len(memory) == 1


def test_many_are_added_and_looked_up_at_once() -> None:
    memory = ExpiringKeyIds()
    memory.add(CURTIS, [key_id(1), key_id(2)], NOW, 60)
    memory.add(CELIA, [], NOW, 1)
    assert memory.among(CURTIS, [key_id(2), key_id(3), key_id(2)]) == {key_id(2)}
    assert memory.among(CELIA, [key_id(1)]) == set()
    assert (len(memory), memory.next_expiry()) == (2, NOW + 60)


def test_what_a_later_batch_holds_stays_when_an_earlier_one_is_forgotten() -> None:
    memory = ExpiringKeyIds()
    memory.add(CURTIS, [key_id(1), key_id(2)], NOW, 60)
    memory.add(CURTIS, [key_id(3)], NOW + 30, 60)
    assert list(memory.forget_expired(NOW + 60)) == [(CURTIS, 2)]
    assert memory.among(CURTIS, [key_id(number) for number in range(5)]) == {key_id(3)}
    assert list(memory.forget_expired(NOW + 90)) == [(CURTIS, 1)]
    assert not any(map(len, (memory, memory._known, memory._batches)))


@pytest.mark.parametrize("again", [[key_id(1)], [key_id(2), key_id(2)]])
def test_what_is_remembered_is_not_added_again(again: list[bytes]) -> None:
    """The first batch would be forgotten in time, and with it what the second should keep."""
    memory = ExpiringKeyIds()
    memory.add(CURTIS, [key_id(1)], NOW, 60)
    with pytest.raises(AssertionError, match="remembered already"):
        memory.add(CURTIS, again, NOW + 30, 60)


def test_what_is_forgotten_is_told_by_group() -> None:
    memory = ExpiringKeyIds()
    for number in range(3):
        memory.add(CURTIS, [key_id(number)], NOW, 60)
    memory.add(CELIA, [key_id(1)], NOW, 60)
    assert memory.next_expiry() == NOW + 60
    assert not list(memory.forget_expired(NOW + 59.9))
    assert dict(memory.forget_expired(NOW + 60)) == {CURTIS: 3, CELIA: 1}
    assert (len(memory), memory.next_expiry()) == (0, None)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 9)), max_size=60))
def test_nothing_is_forgotten_early_and_nothing_stays_much_longer(steps: list[tuple[float, int]]) -> None:
    memory, now, until = ExpiringKeyIds(), NOW, dict[int, float]()
    for pause, number in steps:
        now += pause
        for _ in memory.forget_expired(now):
            pass
        for known, deadline in until.items():
            assert memory.among(CURTIS, [key_id(known)]) or deadline <= now
            assert not memory.among(CURTIS, [key_id(known)]) or now < deadline + 12 / 12 + 1e-6
        if not memory.among(CURTIS, [key_id(number)]):
            memory.add(CURTIS, [key_id(number)], now, 12)
            until[number] = now + 12
        assert len(memory) == len(memory.among(CURTIS, [key_id(one) for one in range(10)]))


def test_a_minute_of_many_is_kept_in_few_batches() -> None:
    memory = ExpiringKeyIds()
    for number in range(6000):
        memory.add(CURTIS, [key_id(number)], NOW + number / 100, 60)
    assert len(memory._batches) <= 13
