"""When a pair on media runs low, when it is used up, and that it is said once."""

from __future__ import annotations

import pytest

from dsked.limits import USED_UP_BYTES, WINDOW_PING_RESERVE_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.supply import LowWater, Supply

from ..wire.sides import SIZE, WIN, media_streams


@pytest.mark.parametrize(
    ("levels", "low"),
    [
        ([100, 99, 99, 150, 200, 201], [False, True, True, True, True, False]),
        ([50, 300, 150, 99, 0], [True, False, False, True, True]),
    ],
)
def test_a_level_is_low_from_below_one_threshold_until_above_the_other(
    levels: list[int], low: list[bool]
) -> None:
    water = LowWater(100, 200)
    changes = []
    for level, expected in zip(levels, low, strict=True):
        before = water.low
        changes.append(water.update(level))
        assert water.low is expected
        assert changes[-1] is (water.low is not before)


@pytest.mark.parametrize("owner", Side)
def test_the_emptier_pool_counts(owner: Side) -> None:
    streams = media_streams(Side.CLIENT)
    streams.local.held_end = SIZE
    a_supply = Supply(streams)
    if owner is Side.CLIENT:
        streams.local.next = SIZE - 5000
    else:
        streams.peer.mark = SIZE - 5000
    assert a_supply.left == 5000 - WINDOW_PING_RESERVE_BYTES
    assert a_supply.update()
    assert a_supply.low
    assert a_supply.warning == "its PSRD runs low: 3976 bytes are left; deliver new blocks"
    assert not a_supply.update()


@pytest.mark.parametrize(
    ("start", "stop", "least", "enough"),
    [(500, 2000, 4 * WIN, 8 * WIN), (5 * WIN, 9 * WIN, 5 * WIN, 9 * WIN)],
)
def test_thresholds_are_windows_at_least(start: int, stop: int, least: int, enough: int) -> None:
    streams = media_streams(Side.CLIENT)
    streams.local.held_end = SIZE
    a_supply = Supply(streams, start, stop)
    seen = []
    for left in (least, least - 1, enough, enough + 1):
        streams.local.next = SIZE - WINDOW_PING_RESERVE_BYTES - left
        a_supply.update()
        seen.append(a_supply.low)
    assert seen == [False, True, True, False]


@pytest.mark.parametrize(
    ("left", "problem"),
    [
        (USED_UP_BYTES, ""),
        (USED_UP_BYTES - 1, "its PSRD is used up: 1023 bytes are left; deliver new blocks"),
    ],
)
def test_a_pair_is_used_up_before_its_last_byte(left: int, problem: str) -> None:
    streams = media_streams(Side.CLIENT)
    streams.local.held_end = SIZE
    streams.local.next = SIZE - WINDOW_PING_RESERVE_BYTES - left
    assert Supply(streams).problem == problem
