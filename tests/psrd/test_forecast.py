from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.psrd.forecast import DAY_S, UNKNOWN, WATCHED_S, Consumption, Forecasts, to_order

LEFT = 10_000_000


def test_nothing_is_said_before_a_pool_was_watched_for_a_while() -> None:
    pool = Consumption(0.0, 500)
    pool.observe(WATCHED_S - 1, 10_000)
    assert pool.forecast(LEFT) == UNKNOWN


@given(st.lists(st.floats(1.0, DAY_S), min_size=1, max_size=50), st.integers(1, 1000))
def test_a_steady_rate_is_found_whenever_one_looks(pauses: list[float], per_second: int) -> None:
    now, pool = 0.0, Consumption(0.0, 7)
    for pause in [WATCHED_S, *pauses]:
        now += pause
        pool.observe(now, 7 + int(now * per_second))
    found = pool.forecast(LEFT)
    assert found.bytes_per_day == pytest.approx(per_second * DAY_S, rel=0.01)
    assert found.days_left == pytest.approx(LEFT / (per_second * DAY_S), rel=0.01)


def test_a_pool_that_is_not_used_lasts() -> None:
    pool = Consumption(0.0, 500)
    pool.observe(DAY_S, 500)
    assert pool.forecast(LEFT) == (0.0, None)


def test_a_new_load_counts_more_from_day_to_day() -> None:
    pool, position, rates = Consumption(0.0, 0), 0, []
    for day in range(1, 20):
        position += 100 if day < 10 else 1000
        pool.observe(day * DAY_S, position)
        rates.append(pool.forecast(LEFT).bytes_per_day or 0.0)
    assert rates[8] == pytest.approx(100)
    assert rates[8:] == sorted(rates[8:])
    assert 400 < rates[9] < 600
    assert rates[-1] > 950


def test_new_streams_begin_anew() -> None:
    pool = Consumption(0.0, 1_000_000)
    pool.observe(DAY_S, 2_000_000)
    pool.observe(2 * DAY_S, 100)
    assert pool.forecast(LEFT) == UNKNOWN
    pool.observe(3 * DAY_S, 1100)
    assert pool.forecast(LEFT).bytes_per_day == pytest.approx(1000)


def test_a_clock_that_stands_changes_nothing() -> None:
    pool = Consumption(0.0, 0)
    pool.observe(DAY_S, 1000)
    before = pool.forecast(LEFT)
    pool.observe(DAY_S, 1000)
    assert pool.forecast(LEFT) == before


def test_pools_are_told_apart() -> None:
    forecasts = Forecasts()
    for now in (0.0, DAY_S):
        for number, place in enumerate([("hank", "local"), ("hank", "peer"), ("helen", "local")], 1):
            found = forecasts.observe(now, *place, position=int(now) * number, left=LEFT)
            assert now == 0.0 or found.bytes_per_day == pytest.approx(DAY_S * number)


@pytest.mark.parametrize(
    ("left", "days", "ordered"), [(0, 10, 1000), (400, 10, 600), (1000, 10, 0), (5000, 10, 0)]
)
def test_what_to_order(left: int, days: float, ordered: int) -> None:
    assert to_order(100.0, left, days) == ordered
