"""The clients of bench_clients.py: they register, come back to a hub that was started again, have keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from crowd.asking import Asked
from crowd.crowd import Crowd, own_address
from crowd.member import LEAST_POOL, ORDINARY_POOL

from tests.net.nodes import LIMIT_S, OWNERS, Nodes, gate_key

HUBS = ("hank", "helen")


@pytest.fixture
async def nodes(tmp_path: Path):
    made = Nodes(tmp_path)
    yield made
    await made.close()


def crowd_of(ports: dict[str, int], *, ordinary: bool = True) -> Crowd:
    keys = {(client, hub): gate_key(client, hub) for client in OWNERS for hub in ports}
    return Crowd(OWNERS.items(), ports, keys, ordinary=ordinary, together=False)


@pytest.mark.parametrize("ordinary", [True, False])
async def test_they_register_from_addresses_of_their_own_and_come_back(nodes: Nodes, ordinary: bool) -> None:
    hub = await nodes.hub()
    crowd = crowd_of({"hank": hub.port}, ordinary=ordinary)
    await crowd.dial()
    await crowd.until(2, LIMIT_S)
    assert {protocol.peer for protocol in hub._server._protocols.values()} == {own_address(0), own_address(1)}
    pool = ORDINARY_POOL if ordinary else LEAST_POOL
    held = [pair["peer_pool"]["nr_unused_bytes"] for pair in hub.status()["peer_clients"]]
    assert all(pool.stop - 2 * pool.block <= size <= pool.stop + pool.block for size in held)
    port, dials = hub.port, crowd.nr_dials
    await nodes.close_node(hub)
    gone = await crowd.until(0, LIMIT_S)
    await nodes.hub(port=port)
    assert await crowd.until(2, LIMIT_S) > gone
    assert crowd.nr_dials >= dials + 2
    assert gone < crowd.first_connected_at


async def test_modest_and_greedy_ones_have_key_pairs(nodes: Nodes) -> None:
    crowd = crowd_of({name: (await nodes.hub(name)).port for name in HUBS})
    await crowd.dial()
    await crowd.until(2, LIMIT_S)
    asked = Asked(crowd.members, asyncio.get_running_loop().time() + 0.2)
    await asked.modestly(per_s=100.0)
    assert all(asked.pairs)
    assert len(asked.get_key_s) == len(asked.by_id_s) == sum(asked.pairs)
