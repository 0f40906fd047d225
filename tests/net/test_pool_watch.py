from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dsked.net import pool_watch
from dsked.net.pool_watch import PoolWatch
from dsked.psrd.forecast import DAY_S


def pair(name: str, position: int, window: int | None = 16384) -> dict[str, Any]:
    pools = {
        f"{owner}_pool": {"owner": owner, "position": position, "nr_unused_bytes": 1000, "window": window}
        for owner in ("local", "peer")
    }
    return {"hub_name": name, **pools}


def test_pools_get_their_forecast() -> None:
    now = [0.0]
    watch = PoolWatch(lambda first: [], "hub_name", lambda: now[0])
    for now[0] in (0.0, DAY_S):
        pairs = [pair("hank", int(now[0])), pair("simulated", int(now[0]), window=None)]
        watch.add_to(pairs)
        if not now[0]:
            assert pairs[0]["local_pool"]["days_left"] is None
    assert pairs[0]["local_pool"]["bytes_per_day"] == DAY_S
    assert pairs[0]["peer_pool"]["days_left"] == 1000 / DAY_S
    assert pairs[1]["local_pool"]["bytes_per_day"] is pairs[1]["local_pool"]["days_left"] is None


def test_a_page_is_looked_at_at_a_time() -> None:
    asked: list[int] = []
    pages = {0: [pair("a", 1), pair("b", 1)], 2: [pair("c", 1)]}

    def pairs(first: int) -> list[dict[str, Any]]:
        asked.append(first)
        return pages.get(first, [])

    watch = PoolWatch(pairs, "hub_name", lambda: 0.0)
    for _ in range(5):
        watch.look()
    assert asked == [0, 2, 3, 0, 2]


async def test_it_looks_again_and_again_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_watch, "WATCH_POOLS_S", 0.0)
    thrice, looked = asyncio.Event(), []

    def pairs(first: int) -> list[dict[str, Any]]:
        looked.append(first)
        if len(looked) == 3:
            thrice.set()
        return []

    watch = PoolWatch(pairs, "hub_name", lambda: 0.0)
    watch.start()
    await thrice.wait()
    watch.close()
    seen = len(looked)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(looked) == seen
