from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.counters import REQUEST_BOUNDS_S, Histogram, Tally
from dsked.errors import PoolExhaustedError, TooFewHubsError
from dsked.keys import Key, Outcome


@given(st.lists(st.one_of(st.sampled_from(REQUEST_BOUNDS_S), st.floats(0, 10))))
def test_a_histogram_counts_what_is_not_above_each_bound(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    in_order = sorted(values)
    expected = [bisect_right(in_order, bound) for bound in REQUEST_BOUNDS_S]
    assert histogram.cumulated() == [*expected, len(values)]
    assert histogram.total == pytest.approx(sum(values))  # sum() rounds once since Python 3.12


def test_the_bounds_reach_as_far_as_requests_last() -> None:
    assert list(REQUEST_BOUNDS_S) == sorted(set(REQUEST_BOUNDS_S))
    assert REQUEST_BOUNDS_S[-1] > 2.0  # the deadline of a fetch


def test_a_tally_counts_keys_and_errors_and_passes_them_on() -> None:
    tally, got = Tally(), list[Outcome]()
    outcomes: list[Outcome] = [
        [Key(bytes([number]) * 16, bytes(16)) for number in range(3)],
        TooFewHubsError("two of five"),
        PoolExhaustedError("empty"),
        TooFewHubsError("two of five"),
        [],
    ]
    for outcome in outcomes:
        tally.counting(got.append)(outcome)
    assert got == outcomes
    assert tally.report() == {"nr_keys": 3, "failures": {"too_few_hubs": 2, "pool_exhausted": 1}}
