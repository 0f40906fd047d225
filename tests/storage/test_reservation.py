"""How far a mark runs ahead: about a second of use."""

from __future__ import annotations

import pytest

from dsked.limits import MIN_RESERVATION_BYTES, RESERVATION_S
from dsked.storage.reservation import Reservation


def test_the_first_ask_gets_the_least() -> None:
    assert Reservation().ahead(10**9, now=5.0) == MIN_RESERVATION_BYTES


@pytest.mark.parametrize("rate", [10, 1000, 50_000, 10**6, 10**8])
def test_it_follows_use(rate: int) -> None:
    """Who uses so many bytes a second, and asks when half is gone, soon asks about twice a second."""
    reservation, now, used = Reservation(), 0.0, 0
    asked = 0
    while now < 20.0:
        ahead = reservation.ahead(used, now)
        step = max(ahead / 2 / rate, 0.001)
        now, used, asked = now + step, used + int(step * rate), asked + 1
    assert ahead == pytest.approx(max(rate * RESERVATION_S, MIN_RESERVATION_BYTES), rel=0.02)
    assert asked < 20 * 2 / RESERVATION_S + 40


def test_it_falls_again_when_use_does() -> None:
    reservation = Reservation()
    reservation.ahead(0, now=0.0)
    assert reservation.ahead(10**6, now=1.0) == 10**6
    assert reservation.ahead(10**6 + 10, now=11.0) == MIN_RESERVATION_BYTES


def test_two_asks_at_one_moment_are_no_endless_rate() -> None:
    reservation = Reservation()
    reservation.ahead(0, now=1.0)
    assert reservation.ahead(1000, now=1.0) == 20_000
