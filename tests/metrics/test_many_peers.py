"""A hub with ten thousand clients: few series, small slices, and all of them counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dsked import limits
from dsked.config.node import ControlSettings, HubSettings
from dsked.metrics import of_hub
from dsked.metrics.families import Scrape
from dsked.net.hub_node import HubNode
from dsked.psrd.pair import simulated_streams
from tests.metrics.scraping import Scraped, scrape, serving

NR_CLIENTS = 10_000


def crowded(directory: Path, number: int) -> HubNode:
    """A hub that knows so many clients, each with some PSRD."""
    names = [f"client{i}" for i in range(number)]
    hub = HubNode(
        HubSettings(
            name="hank", host="127.0.0.1", port=0, share_timeout_s=60.0, simulated=True, state_dir=directory,
            owners={name: (f"of-{name}",) for name in names}, gate_keys={name: bytes(32) for name in names},
            control=ControlSettings(path=directory / "control.sock"),
        ),
        lambda: None,
    )  # fmt: skip
    for i, pair in enumerate(hub._engine.pairs.values()):
        pair.streams = simulated_streams(bytes(16), bytes(16))
        pair.streams.peer.store.append(bytes(16), bytes(100 + i))
    return hub


async def test_a_crowd_is_told_of_together_while_other_work_goes_on(tmp_path: Path) -> None:
    """Between two turns of the loop there is never more than a small part of the scrape."""
    hub = crowded(tmp_path, NR_CLIENTS)
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with serving() as server:
        server.watch_hub(hub)
        task = asyncio.create_task(other_work())
        scraped = Scraped((await server._metrics()).decode())
        assert turns > NR_CLIENTS / limits.PEERS_PER_SCRAPE_SLICE
        task.cancel()
    assert scraped("peers") == NR_CLIENTS
    assert scraped("peers_listed") == 0
    assert scraped.series("pool_unused_bytes") == 0
    assert scraped("pools_unused_bytes", pool="peer") == sum(range(100, 100 + NR_CLIENTS))
    assert scraped("pools_least_unused_bytes", pool="peer") == 100
    assert len(scraped.samples) < 100
    await hub.close()


@pytest.mark.parametrize("beyond", [0, 1])
async def test_each_has_series_up_to_a_limit(tmp_path: Path, beyond: int) -> None:
    number = limits.MAX_PEERS_WITH_SERIES + beyond
    hub = crowded(tmp_path, number)
    async with serving() as server:
        server.watch_hub(hub)
        scraped = await scrape(server)
    listed = 0 if beyond else number
    assert scraped("peers") == number
    assert scraped("peers_listed") == scraped.series("peer_registered") == listed
    assert scraped.series("pool_unused_bytes") == 2 * listed
    await hub.close()


async def test_clients_may_come_and_go_between_the_slices_of_a_scrape(tmp_path: Path) -> None:
    number = 10 * limits.PEERS_PER_SCRAPE_SLICE
    hub = crowded(tmp_path, number)
    slices = 0
    for _ in of_hub.gather(hub, Scrape()):
        slices += 1
        hub._engine.pairs.pop(f"client{slices}")
    assert slices >= 10
    await hub.close()
