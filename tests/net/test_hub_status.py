"""Status of a hub with ten thousand clients: page by page, each small and quickly made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dsked.delivery.access import AccessRules
from dsked.delivery.control import ControlServer
from dsked.delivery.control_client import ControlClient
from dsked.limits import MAX_CONTROL_FRAME_BYTES, STATUS_PEERS
from dsked.net.hub_node import HubNode
from dsked.psrd.pair import simulated_streams
from dsked.psrd.store import in_memory
from tests.metrics.test_many_peers import NR_CLIENTS, crowded


async def test_each_page_is_small_and_all_together_hold_every_client(tmp_path: Path) -> None:
    hub = crowded(tmp_path, NR_CLIENTS)
    pages = [hub.status(first) for first in range(0, NR_CLIENTS, STATUS_PEERS)]
    assert [page["first_peer_client"] for page in pages] == list(range(0, NR_CLIENTS, STATUS_PEERS))
    assert {page["nr_peer_clients"] for page in pages} == {NR_CLIENTS}
    assert {len(page["peer_clients"]) for page in pages} == {STATUS_PEERS}
    names = [client["client_name"] for page in pages for client in page["peer_clients"]]
    assert names == [f"client{number}" for number in range(NR_CLIENTS)]
    assert hub.status(NR_CLIENTS)["peer_clients"] == []
    await hub.close()


async def test_a_page_of_pools_with_thousands_of_blocks_fits_into_a_reply(tmp_path: Path) -> None:
    hub = crowded(tmp_path, STATUS_PEERS)
    for pair in hub._engine.pairs.values():
        pair.streams = simulated_streams(bytes(16), bytes(16))
        for pool in (pair.streams.local, pair.streams.peer):
            for number in range(1000):
                in_memory(pool.store).append(number.to_bytes(16, "big"), bytes(10))
    status = hub.status()
    assert status["peer_clients"][0]["local_pool"]["nr_blocks"] == 1000
    assert len(json.dumps(status)) < MAX_CONTROL_FRAME_BYTES / 4
    await hub.close()


@contextlib.asynccontextmanager
async def asked(hub: HubNode, directory: Path) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """Asks for the whole status over a control socket of the hub's own."""
    path = directory / "hank.sock"
    server = ControlServer(hub, None, AccessRules(os.getuid(), {}, {}))
    await server.start(path)

    def ask() -> dict[str, Any]:
        with ControlClient(path) as connection:
            status: dict[str, Any] = connection.whole_status()["status"]
            return status

    yield lambda: asyncio.to_thread(ask)
    await server.close()
    await hub.close()


@pytest.mark.parametrize("number", [0, 1, STATUS_PEERS, 2 * STATUS_PEERS + 1])
async def test_the_client_puts_pages_together(tmp_path: Path, number: int) -> None:
    async with asked(crowded(tmp_path, number), tmp_path) as ask:
        clients = (await ask())["peer_clients"]
    assert [client["client_name"] for client in clients] == [f"client{i}" for i in range(number)]


async def test_clients_that_go_while_pages_are_asked_for_end_the_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = crowded(tmp_path, 3 * STATUS_PEERS)
    page = hub.status

    def and_then_they_go(first: int = 0) -> dict[str, Any]:
        status = page(first)
        if first:
            hub._engine.pairs.clear()
        return status

    monkeypatch.setattr(hub, "status", and_then_they_go)
    async with asked(hub, tmp_path) as ask:
        status = await ask()
    assert status["nr_peer_clients"] == 3 * STATUS_PEERS
    names = [client["client_name"] for client in status["peer_clients"]]
    assert names == [f"client{number}" for number in range(2 * STATUS_PEERS)]
