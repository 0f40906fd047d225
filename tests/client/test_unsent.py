from __future__ import annotations

import pytest

from dsked.client import unsent as module
from dsked.client.put_frames import PutItem
from dsked.client.unsent import Unsent
from dsked.timers import Timers
from tests.client.test_put_frames import NOW, new_item

ALL = float("inf")


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def unsent(timers: Timers) -> Unsent:
    return Unsent(timers)


def abandoned() -> PutItem:
    item = new_item()
    item.deal.requests.clear()
    assert item.deal.abandoned
    return item


def test_the_oldest_are_taken_first_and_no_more_than_fits(unsent: Unsent) -> None:
    items = [new_item(number) for number in (1, 2, 3)]
    unsent.add(0, items)
    room = items[0].pad_bytes + items[1].pad_bytes
    assert unsent.take(0, room - 1, NOW, one=False) == items[:1]
    assert unsent.take(0, room, NOW, one=False) == items[1:2]
    assert unsent.take(1, room, NOW, one=True) == []
    assert unsent.take(0, ALL, NOW, one=False) == items[2:]
    assert not unsent


def test_one_is_taken_where_nothing_else_is_under_way_though_it_does_not_fit(unsent: Unsent) -> None:
    items = [new_item(), new_item()]
    unsent.add(0, items)
    assert unsent.take(0, 0, NOW, one=False) == []
    assert unsent.take(0, 0, NOW, one=True) == items[:1]


def test_what_is_not_worth_sending_takes_nobodys_place(unsent: Unsent) -> None:
    wanted = new_item()
    unsent.add(0, [abandoned(), new_item(ttl_s=1.0), wanted, abandoned()])
    assert unsent.take(0, wanted.pad_bytes, NOW + 1.0, one=False) == [wanted]
    assert unsent.take(0, ALL, NOW + 1.0, one=True) == []
    assert not unsent


def test_what_has_expired_is_forgotten_though_nobody_asks(unsent: Unsent, timers: Timers) -> None:
    later = new_item(ttl_s=30.0)
    unsent.add(0, [new_item(ttl_s=1.0), later])
    unsent.add(1, [new_item(ttl_s=2.0)])
    timers.run_due(NOW + 3.0)
    timers.run_due(NOW + 4.0)
    assert (unsent.of(0), unsent.of(1)) == ([later], [])
    timers.run_due(NOW + 31.0)
    assert not unsent and timers.next_deadline() is None
    unsent.add(0, [new_item(ttl_s=60.0)])
    timers.run_due(NOW + 61.0)
    assert not unsent, "and the next time as well"


def test_of_too_many_the_oldest_go(unsent: Unsent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNSENT_SHARES_PER_HUB", 5)
    items = [new_item(number) for number in (2, 2, 3)]
    unsent.add(0, items[:2])
    unsent.add(0, items[2:])
    assert unsent.of(0) == items[1:]
    unsent.add(0, [new_item(6)])
    assert not unsent
