from __future__ import annotations

from dataclasses import dataclass

import pytest

from dsked.hub import parking
from dsked.hub.parking import Parked, ParkingLot
from dsked.timers import Timers

FIRST, SECOND, THIRD = (("carol", bytes([number]) * 16) for number in range(3))


@dataclass(eq=False)
class FakeConnection:
    client: str = "curtis"


@pytest.fixture
def lot() -> ParkingLot:
    return ParkingLot()


def park(lot: ParkingLot, *share_ids, connection: FakeConnection | None = None, offset: int = 0) -> Parked:
    parked = Parked(connection or FakeConnection(), 7)
    for share_id in share_ids:
        assert lot.park(parked, share_id, offset, limited=True)
    return parked


def is_empty(lot: ParkingLot) -> bool:
    return not any(vars(lot).values())


def test_what_arrives_is_answerable_once(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, SECOND, offset=5)
    lot.arrived(FIRST)
    lot.arrived(THIRD)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [(FIRST, 5)]
    assert lot.take_answerable() == []
    lot.arrived(FIRST)
    assert lot.take_answerable() == []
    lot.arrived(SECOND)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [(SECOND, 5)]
    assert is_empty(lot)


def test_a_share_that_arrives_twice_in_one_turn_is_answered_once(lot: ParkingLot) -> None:
    """An initiator may put one key twice in one frame."""
    parked = park(lot, FIRST)
    lot.arrived(FIRST)
    lot.arrived(FIRST)
    assert lot.take_answerable() == [parked]
    assert lot.take_arrived(parked) == [(FIRST, 0)]
    assert is_empty(lot)


def test_several_frames_wait_for_one_share(lot: ParkingLot) -> None:
    frames = [park(lot, FIRST), park(lot, FIRST, SECOND, connection=FakeConnection("celia"))]
    lot.arrived(FIRST)
    assert lot.take_answerable() == frames
    for parked in frames:
        assert lot.take_arrived(parked) == [(FIRST, 0)]
    assert list(frames[1].keys) == [SECOND]


def test_a_key_is_parked_once_per_frame(lot: ParkingLot) -> None:
    parked = park(lot, FIRST)
    assert not lot.park(parked, FIRST, 0, limited=True)


def test_a_client_that_does_not_want_to_wait_is_not_parked(lot: ParkingLot) -> None:
    assert not lot.park(Parked(FakeConnection(), 1), FIRST, 0, limited=False)
    assert is_empty(lot)


def test_the_limit_is_per_client_and_frees_itself(lot: ParkingLot, monkeypatch) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED_KEYS_PER_CLIENT", 2)
    connection = FakeConnection()
    first = park(lot, FIRST, connection=connection)
    park(lot, SECOND, connection=FakeConnection())
    over = Parked(connection, 8)
    assert not lot.park(over, THIRD, 0, limited=True)
    assert not over.keys
    park(lot, THIRD, connection=FakeConnection("celia"))
    lot.remove(first)
    assert lot.park(over, THIRD, 0, limited=True)


def test_when_its_time_is_out_nothing_of_a_frame_waits(lot: ParkingLot) -> None:
    parked = park(lot, FIRST, SECOND)
    lot.arrived(FIRST)
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
    lot.arrived(FIRST)
    lot.arrived(SECOND)
    assert lot.take_answerable() == [stays]
    lot.take_arrived(stays)
    assert is_empty(lot)
    lot.forget(connection)
