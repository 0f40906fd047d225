from __future__ import annotations

import random

import pytest

from dsked.client.refill import Refill, RefillSettings
from dsked.limits import MAX_SIMULATED_BLOCK_BYTES, MAX_SIMULATED_POOL_BYTES, REFILL_LOOKBACK_S

GUIDE = RefillSettings(start=500, stop=2000, block=1000)
NOW = 1000.0


def ask(refill: Refill, unused: int, *, used: int = 0, wanted: int = 0, now: float = NOW) -> list[int]:
    return list(refill.sizes_to_ask(unused=unused, used=used, wanted=wanted, now=now))


@pytest.mark.parametrize(
    ("unused", "blocks"),
    [
        (0, 3),  # 3000 is the first that is above 2000
        (1, 2),
        (499, 2),
        (500, 0),  # not below the start threshold
        (2000, 0),
        (10_000, 0),
    ],
)
def test_the_guides_default_file(unused: int, blocks: int) -> None:
    """Below 500 bytes, blocks of 1000 bytes until the pool holds more than 2000."""
    assert ask(Refill(GUIDE), unused) == [1000] * blocks


def test_what_is_on_its_way_counts_as_held() -> None:
    refill = Refill(GUIDE)
    assert ask(refill, 0) == [1000] * 3
    assert refill.nr_asked == 3
    assert ask(refill, 0) == []
    refill.arrived()
    assert refill.nr_asked == 2
    assert ask(refill, 1000) == []
    refill.arrived()
    refill.arrived()
    assert refill.nr_asked == 0
    assert ask(refill, 3000) == []
    assert ask(refill, 400, used=2600, now=NOW + 60) == [1000, 1000]


def test_blocks_that_come_unasked_are_no_answer() -> None:
    refill = Refill(GUIDE)
    refill.arrived()
    assert refill.nr_asked == 0
    assert len(ask(refill, 0)) == 3


def test_a_request_that_needs_more_is_asked_for_at_once() -> None:
    sizes = ask(Refill(GUIDE), 3000, wanted=10_000)
    assert sizes[0] == 9000
    assert sum(sizes) + 3000 > 12_000, "above the stop threshold after it"
    assert ask(Refill(GUIDE), 10_500, wanted=10_000) == []
    assert sum(ask(Refill(GUIDE), 10_499, wanted=10_000)) > 0


def test_large_needs_take_large_blocks() -> None:
    sizes = ask(Refill(GUIDE), 0, wanted=1_000_000)
    assert sizes[:3] == [MAX_SIMULATED_BLOCK_BYTES] * 3
    assert max(sizes) == MAX_SIMULATED_BLOCK_BYTES
    assert sum(sizes) > 1_002_000


def test_the_pool_is_capped() -> None:
    sizes = ask(Refill(GUIDE), 0, wanted=10 * MAX_SIMULATED_POOL_BYTES)
    assert MAX_SIMULATED_POOL_BYTES < sum(sizes) <= MAX_SIMULATED_POOL_BYTES + GUIDE.block
    assert ask(Refill(GUIDE), MAX_SIMULATED_POOL_BYTES + 1, wanted=10 * MAX_SIMULATED_POOL_BYTES) == []


def test_what_is_kept_ahead_grows_with_use_and_shrinks_again() -> None:
    refill = Refill(GUIDE)
    ask(refill, 3000, used=0)
    assert ask(refill, 3000, used=2000, now=NOW + 0.1) == [], "2000 bytes used: 3000 still cover it"
    sizes = ask(refill, 3000, used=40_000, now=NOW + 1)
    assert sum(sizes) + 3000 > 80_000, "twice what was used lately"
    later = NOW + 1 + 2 * REFILL_LOOKBACK_S
    for _ in sizes:
        refill.arrived()
    ask(refill, 3000, used=40_000, now=later)
    assert ask(refill, 500, used=40_000, now=later + 1) == []


def test_few_samples_are_kept_however_often_it_is_asked() -> None:
    refill = Refill(GUIDE)
    for step in range(10_000):
        ask(refill, 3000, now=NOW + step / 1000)
    assert len(refill._samples) <= 12


def test_thresholds_that_lie_together() -> None:
    assert ask(Refill(RefillSettings(start=1, stop=1, block=1)), 0) == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_a_pool_under_any_load_is_never_asked_beyond_its_cap(seed: int) -> None:
    rng = random.Random(seed)
    refill, now, unused, used = Refill(GUIDE), NOW, 0, 0
    on_the_way: list[int] = []
    for _ in range(500):
        now += rng.expovariate(50)
        on_the_way += ask(refill, unused, used=used, wanted=rng.choice([0, 0, 5000, 400_000]), now=now)
        assert refill.nr_asked == len(on_the_way)
        assert unused + sum(on_the_way) <= MAX_SIMULATED_POOL_BYTES + GUIDE.block
        while on_the_way and rng.random() < 0.7:
            unused += on_the_way.pop(0)
            refill.arrived()
        spent = rng.randrange(unused + 1)
        unused, used = unused - spent, used + spent
