"""Many keys at once, and large ones, on the default thresholds of 500, 2000 and 1000 bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.laboratory import Laboratory

from .support import key_pair, many_pairs, wait_for_hubs

MBIT = 1024 * 1024


@pytest.mark.parametrize("concurrency", [8, 64, 256])
def test_concurrent_requests(lab: Laboratory, concurrency: int) -> None:
    for _ in range(2):
        assert many_pairs(lab, concurrency) == concurrency


def test_batches(lab: Laboratory) -> None:
    assert many_pairs(lab, 8, number=128) == 1024
    key_pair(lab, number=128, size=256)
    key_pair(lab, number=128, size=131_072)  # as much as one request may ask for


@pytest.mark.parametrize("size", [32, 40, 8 * 1024, 8 * 1024 + 8, MBIT, 16 * MBIT])
def test_sizes(lab: Laboratory, size: int) -> None:
    key_pair(lab, "sam", "serena", size=size)


def test_large_keys_at_once(lab: Laboratory) -> None:
    assert many_pairs(lab, 4, size=MBIT) == 4


def test_a_large_key_does_not_hold_up_small_ones(lab: Laboratory) -> None:
    with ThreadPoolExecutor() as pool:
        large = pool.submit(key_pair, lab, "sam", "serena", size=16 * MBIT)
        for _ in range(10):
            key_pair(lab, "sofia", "sunny")
        large.result()


def test_both_directions_at_once(lab: Laboratory) -> None:
    pairs = [("sam", "sunny"), ("sunny", "sam"), ("serena", "susan"), ("susan", "sam"), ("sam", "serena")]
    with ThreadPoolExecutor(32) as pool:
        for done in [pool.submit(key_pair, lab, *pair, number=4) for pair in pairs * 8]:
            done.result()


def test_large_keys_right_after_the_start(lab: Laboratory) -> None:
    lab.stop("carol", "curtis")
    lab.start("carol", "curtis")  # with pools of a few kilobytes
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(key_pair, lab, size=size) for size in (MBIT, 16 * MBIT, 128)]:
            done.result()
    wait_for_hubs(lab, "carol", "curtis")  # so that the tests behind this one have all hubs


@pytest.mark.full
def test_for_a_while(lab: Laboratory) -> None:
    for _ in range(50):
        assert many_pairs(lab, 64) == 64
        assert many_pairs(lab, 2, number=128) == 256
        key_pair(lab, size=MBIT)
