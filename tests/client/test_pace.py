from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dsked.client.pace import Pace, Room, free_pads, windows_waiting
from dsked.limits import PACE_LIMIT_S, WINDOW_MIN_BYTES

WIN = WINDOW_MIN_BYTES


@dataclass
class FakePool:
    window: int | None = WIN
    left: int = WIN

    def available(self) -> int:
        return self.left


@dataclass
class FakeStreams:
    local: FakePool = field(default_factory=FakePool)


@dataclass
class FakeSession:
    pads_wanted: int = 0
    streams: FakeStreams = field(default_factory=FakeStreams)


def paced(seconds: float) -> Pace:
    pace = Pace()
    pace.acknowledged(seconds, 0.0)
    return pace


def most(room: Room) -> int:
    """The largest number of pads that fits behind those that have just filled the window."""
    room.take(room.free + 1)
    return max((pads for pads in range(0, 64 * WIN, WIN // 64) if room.fits(pads)), default=0)


def test_what_waits_is_what_is_queued_beyond_what_can_leave() -> None:
    session = FakeSession(pads_wanted=WIN + 10)
    assert free_pads(session) == -10
    assert windows_waiting(session) == 10 / WIN
    session.pads_wanted = 10
    assert (free_pads(session), windows_waiting(session)) == (WIN - 10, 0.0)
    session.streams.local.window = None
    session.pads_wanted = 10 * WIN
    assert windows_waiting(session) == 0.0


@pytest.mark.parametrize(
    ("round_trip_s", "windows"), [(0.01, 59), (0.1, 5), (0.2, 2), (0.3, 1), (0.4, 0.5), (0.6, 0), (2.0, 0)]
)
def test_so_many_windows_may_wait_as_come_through_in_time(round_trip_s: float, windows: float) -> None:
    assert most(paced(round_trip_s).room(FakeSession())) == pytest.approx(windows * WIN, abs=WIN // 64)


def test_who_finds_nobody_waiting_is_let_in_however_much_it_is() -> None:
    room = paced(PACE_LIMIT_S).room(FakeSession(pads_wanted=WIN))
    assert room.free == 0 and room.fits(100 * WIN)
    room.take(100 * WIN)
    assert not room.fits(1)


def test_as_long_as_no_acknowledgement_has_come_everybody_is_let_in() -> None:
    room = Pace().room(FakeSession())
    room.take(100 * WIN)
    assert room.fits(100 * WIN)


def test_a_pool_without_a_window_lets_everybody_in() -> None:
    room = paced(10.0).room(FakeSession(streams=FakeStreams(FakePool(window=None, left=0)), pads_wanted=WIN))
    assert room.fits(100 * WIN)


def test_what_was_queued_behind_others_tells_the_same_round_trip() -> None:
    pace = paced(0.2)
    for windows in (0.5, 1.0, 2.0):
        pace.acknowledged(0.2 * (1 + windows), windows)
    assert most(pace.room(FakeSession())) == pytest.approx(2 * WIN, abs=WIN // 64)


def test_one_late_acknowledgement_does_not_shut_everybody_out_and_many_do() -> None:
    pace = paced(0.1)
    pace.acknowledged(0.7, 0.0)
    assert most(pace.room(FakeSession())) > WIN
    for _ in range(10):
        pace.acknowledged(0.7, 0.0)
    assert most(pace.room(FakeSession())) == 0
    for _ in range(20):
        pace.acknowledged(0.1, 0.0)
    assert most(pace.room(FakeSession())) > 4 * WIN
