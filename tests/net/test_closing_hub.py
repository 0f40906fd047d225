"""A hub that closes: its clients are told, and fetch what it holds, as long as the operator grants it."""

from __future__ import annotations

import asyncio

import pytest

from dsked.errors import RequestError
from dsked.net.client_node import ClientNode
from dsked.net.hub_node import HubNode
from tests.net.nodes import LIMIT_S, Nodes, free_port, get_by_id, get_keys

LONG_S = 60.0  # a hub that waited for its end would be noticed


async def both_clients(nodes: Nodes, *hubs: HubNode) -> tuple[ClientNode, ClientNode]:
    ports = {hub.name: hub.port for hub in hubs}
    clients = await nodes.client("carol", ports), await nodes.client("curtis", ports)
    await nodes.ready(*clients)
    for client in clients:
        await nodes.until(lambda client=client: len(client._engine.hubs.usable()) == len(hubs))  # type: ignore[misc]
    return clients


async def test_what_it_holds_is_fetched_and_then_it_is_gone(nodes: Nodes) -> None:
    hank, helen = await nodes.hub(shutdown_grace_s=LONG_S), await nodes.hub("helen")
    carol, curtis = await both_clients(nodes, hank, helen)
    keys = await get_keys(carol, "sam", "sunny")
    async with asyncio.timeout(LIMIT_S):
        closing = asyncio.create_task(nodes.close_node(hank))
        await nodes.until(lambda: carol._engine.hubs["hank"].drains and curtis._engine.hubs["hank"].drains)
        assert not closing.done()
        assert await get_by_id(curtis, "sunny", "sam", keys) == keys, "2 of 2 hubs are needed for it"
        await closing


async def test_a_hub_without_shares_closes_at_once(nodes: Nodes) -> None:
    hank = await nodes.hub(shutdown_grace_s=LONG_S)
    carol = await nodes.client("carol", {"hank": hank.port}, k=1)
    await nodes.ready(carol)
    async with asyncio.timeout(LIMIT_S):
        await nodes.close_node(hank)


async def test_shares_that_nobody_fetches_hold_it_up_for_a_grace_and_no_longer(nodes: Nodes) -> None:
    hank, helen = await nodes.hub(shutdown_grace_s=0.05), await nodes.hub("helen")
    carol, _ = await both_clients(nodes, hank, helen)
    await get_keys(carol, "sam", "sunny")
    async with asyncio.timeout(LIMIT_S):
        await nodes.close_node(hank)
    assert len(hank._engine.shares) == 1


async def test_shares_for_clients_that_are_all_gone_hold_it_up_no_longer(nodes: Nodes) -> None:
    hank, helen = await nodes.hub(shutdown_grace_s=LONG_S), await nodes.hub("helen")
    carol, curtis = await both_clients(nodes, hank, helen)
    await get_keys(carol, "sam", "sunny")
    async with asyncio.timeout(LIMIT_S):
        closing = asyncio.create_task(nodes.close_node(hank))
        await nodes.until(lambda: carol._engine.hubs["hank"].drains)
        await nodes.close_node(carol)
        await nodes.close_node(curtis)
        await closing


async def test_drained_by_its_operator_it_goes_on_listening(nodes: Nodes) -> None:
    hank, helen = await nodes.hub(shutdown_grace_s=LONG_S), await nodes.hub("helen")
    carol, curtis = await both_clients(nodes, hank, helen)
    keys = await get_keys(carol, "sam", "sunny")
    left, seconds = hank.drain()
    assert (left, 0 < seconds < 61) == (1, True)
    await nodes.close_node(curtis)
    curtis = await nodes.client("curtis", {"hank": hank.port, "helen": helen.port})
    await nodes.until(lambda: len(curtis._engine.hubs.usable()) == 2)
    assert curtis._engine.hubs["hank"].drains
    assert "1 of 2 hubs take new shares" in str(curtis.readiness())
    assert await get_by_id(curtis, "sunny", "sam", keys) == keys
    async with asyncio.timeout(LIMIT_S):
        await nodes.close_node(hank)


async def test_a_client_is_not_drained(nodes: Nodes) -> None:
    carol = await nodes.client("carol", {"hank": free_port(), "helen": free_port()})
    with pytest.raises(RequestError, match="client carol holds no shares: stop it"):
        carol.drain()
