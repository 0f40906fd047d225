from __future__ import annotations

from dataclasses import dataclass

import pytest

from dsked.hub import parking
from dsked.hub.parking import Parked, ParkingLot, Wanted
from dsked.timers import Timers

FIRST, SECOND, THIRD = (bytes([number]) * 16 for number in range(3))


@dataclass(eq=False)
class FakeConnection:
    client: str = "curtis"


@pytest.fixture
def lot() -> ParkingLot:
    return ParkingLot()


def park(
    lot: ParkingLot, *key_ids: bytes, connection: FakeConnection | None = None, offset: int = 0
) -> Parked:
    parked = Parked(connection or FakeConnection(), 7, 0.0)
    assert lot.park(parked, Wanted("carol", b"".join(key_ids), offset)) == b""
    return parked


def is_empty(lot: ParkingLot) -> bool:
    return not any(vars(lot).values())


def test_what_arrives_is_answerable_once(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, SECOND)
    lot.arrived("carol", FIRST)
    lot.arrived("carol", THIRD)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [Wanted("carol", FIRST, 0)]
    assert lot.take_answerable() == []
    lot.arrived("carol", FIRST)
    assert lot.take_answerable() == []
    lot.arrived("carol", SECOND)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [Wanted("carol", SECOND, 0)]
    assert is_empty(lot)


def test_what_arrives_together_is_answered_together_in_the_order_of_its_arrival(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, SECOND, THIRD)
    lot.arrived("carol", THIRD + SECOND)
    lot.arrived("carol", FIRST)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [Wanted("carol", THIRD + SECOND + FIRST, 0)]
    assert is_empty(lot)


def test_what_is_wanted_from_an_offset_on_stands_alone(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, offset=5)
    assert lot.park(parked, Wanted("carol", SECOND + THIRD, 0)) == b""
    lot.arrived("carol", FIRST + SECOND + THIRD)
    assert lot.take_arrived(parked) == [Wanted("carol", FIRST, 5), Wanted("carol", SECOND + THIRD, 0)]
    assert is_empty(lot)


def test_keys_of_another_initiator_are_other_keys(lot: ParkingLot) -> None:
    parked = park(lot, FIRST)
    assert lot.park(parked, Wanted("celia", FIRST, 0)) == b""
    lot.arrived("cindy", FIRST)
    assert lot.take_answerable() == []
    lot.arrived("celia", FIRST)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [Wanted("celia", FIRST, 0)]
    assert parked.keys == {"carol": {FIRST: 0}}


def test_a_share_that_arrives_twice_in_one_turn_is_answered_once(lot: ParkingLot) -> None:
    """An initiator may put one key twice in one frame."""
    parked = park(lot, FIRST)
    lot.arrived("carol", FIRST + FIRST)
    lot.arrived("carol", FIRST)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [Wanted("carol", FIRST, 0)]
    assert is_empty(lot)


def test_several_frames_wait_for_one_share(lot: ParkingLot) -> None:
    frames = [
        park(lot, FIRST),
        park(lot, FIRST, SECOND, connection=FakeConnection("celia")),
        park(lot, THIRD, FIRST),
    ]
    lot.remove(frames[2])
    lot.arrived("carol", FIRST)
    assert lot.take_answerable() == frames[:2]
    for parked in frames[:2]:
        assert lot.take_arrived(parked) == [Wanted("carol", FIRST, 0)]
    assert list(frames[1].keys["carol"]) == [SECOND]
    lot.arrived("carol", SECOND)
    assert lot.take_arrived(frames[1]) == [Wanted("carol", SECOND, 0)]
    assert is_empty(lot)


def test_a_key_is_parked_once_per_frame(lot: ParkingLot) -> None:
    parked = Parked(FakeConnection(), 7, 0.0)
    assert lot.park(parked, Wanted("carol", FIRST + SECOND + FIRST, 0)) == FIRST
    assert lot.park(parked, Wanted("carol", SECOND + THIRD, 0)) == SECOND
    lot.remove(parked)
    assert is_empty(lot)


def test_the_limit_is_per_client_and_frees_itself(lot: ParkingLot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED_KEYS_PER_CLIENT", 2)
    connection = FakeConnection()
    first = park(lot, FIRST, connection=connection)
    over = Parked(FakeConnection(), 8, 0.0)
    assert lot.park(over, Wanted("carol", SECOND + THIRD, 0)) == THIRD, "what there is room for waits"
    assert lot.park(over, Wanted("carol", THIRD, 0)) == THIRD
    park(lot, THIRD, connection=FakeConnection("celia"))
    lot.remove(first)
    assert lot.park(over, Wanted("carol", THIRD, 0)) == b""


def test_who_may_not_wait_leaves_nothing_behind(lot: ParkingLot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED_KEYS_PER_CLIENT", 0)
    over = Parked(FakeConnection(), 8, 0.0)
    assert lot.park(over, Wanted("carol", FIRST, 0)) == FIRST
    assert not over.keys and is_empty(lot)


def test_when_its_time_is_out_nothing_of_a_frame_waits(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, SECOND)
    lot.arrived("carol", FIRST)
    lot.remove(parked)
    assert lot.take_answerable() == []
    assert is_empty(lot)
    lot.remove(parked)


def test_a_lost_connection_takes_its_frames_along_and_their_timers(lot: ParkingLot) -> None:
    timers = Timers()
    connection, other = FakeConnection(), FakeConnection()
    frames = [park(lot, FIRST, connection=connection), park(lot, SECOND, connection=connection)]
    for parked in frames:
        parked.timer = timers.at(1.0, lambda now: pytest.fail("its frame is gone"))
    stays = park(lot, FIRST, connection=other)
    lot.forget(connection)
    timers.run_due(2.0)
    lot.arrived("carol", FIRST + SECOND)
    assert lot.take_answerable() == [stays]
    lot.take_arrived(stays)
    assert is_empty(lot)
    lot.forget(connection)
