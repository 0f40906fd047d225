"""Nodes on real sockets, and what their metrics say of what they do."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from dsked.config.node import StoredKeys
from dsked.delivery.service import KeyService
from dsked.errors import DskedError
from dsked.metrics.families import ALL
from dsked.metrics.server import MetricsServer
from dsked.net.client_node import ClientNode
from dsked.net.hub_node import HubNode
from tests.metrics.scraping import Scraped, promtool, scrape, serving
from tests.net.nodes import Nodes, get_by_id, get_keys


@dataclass
class Network:
    """Three hubs, k = 2, carol with sam and curtis with sunny, and a listener for each node's metrics."""

    nodes: Nodes
    hubs: list[HubNode]
    carol: ClientNode
    curtis: ClientNode
    keys: dict[str, KeyService]  # by client: what its interfaces ask
    servers: dict[str, MetricsServer]  # by node

    async def of(self, node: str) -> Scraped:
        return await scrape(self.servers[node])


@pytest.fixture
async def network(nodes: Nodes):
    hubs = [await nodes.hub(name) for name in ("hank", "helen", "hilary")]
    ports = {hub.name: hub.port for hub in hubs}
    stored = (StoredKeys(initiator="sunny", responder="sam", count=3),)
    carol = await nodes.client("carol", ports)
    curtis = await nodes.client("curtis", ports, stored_keys=stored)
    for client in (carol, curtis):  # one that is ready may still lack the third
        await nodes.until(lambda client=client: all(not hub.trouble for hub in client._engine.hubs.peers))
    async with AsyncExitStack() as stack:
        servers = {node.name: await stack.enter_async_context(serving()) for node in (*hubs, carol, curtis)}
        for hub in hubs:
            servers[hub.name].watch_hub(hub)
        keys = {client.name: servers[client.name].watch_client(client) for client in (carol, curtis)}
        yield Network(nodes, hubs, carol, curtis, keys, servers)


async def test_keys_are_counted_at_both_ends(network: Network) -> None:
    for _ in range(3):
        made = await get_keys(network.keys["carol"], "sam", "sunny")
    await get_by_id(network.keys["curtis"], "sunny", "sam", made)
    with pytest.raises(DskedError):
        await get_by_id(network.keys["curtis"], "sunny", "sam", made)  # once is all that there is
    carol, curtis = await network.of("carol"), await network.of("curtis")
    assert (carol("keys_established_total"), carol("keys_delivered_total")) == (3, 0)
    assert (curtis("keys_established_total"), curtis("keys_delivered_total")) == (0, 1)
    assert curtis("key_request_failures_total", half="responder", reason="delivered") == 1
    assert carol("key_request_duration_seconds_count", half="initiator") == 3
    assert curtis("key_request_duration_seconds_count", half="responder") == 1
    assert 0 < carol("key_request_duration_seconds_sum", half="initiator") < 3 * 2.5
    assert carol("key_request_duration_seconds_bucket", half="initiator", le="+Inf") == 3


async def test_a_hub_tells_of_its_shares_and_clients(network: Network) -> None:
    made = await get_keys(network.keys["carol"], "sam", "sunny")
    before = await network.of("hank")
    await get_by_id(network.keys["curtis"], "sunny", "sam", made)
    assert before("peers") == before("peers_connected") == before("peers_registered") == 2
    assert before("peers_listed") == 2
    assert before("shares_stored_total") >= 1
    assert before("shares") >= before("peer_shares", peer="carol") == 1
    assert before("share_bytes") >= before("peer_share_bytes", peer="carol") > 32
    assert before("connections", interface="dske") == 2
    assert before("sessions_total") == 2


@pytest.mark.parametrize("node", ["hank", "carol"])
async def test_pools_are_told_of_by_peer_and_direction(network: Network, node: str) -> None:
    peer = "carol" if node == "hank" else "hank"
    before = await network.of(node)
    await get_keys(network.keys["carol"], "sam", "sunny")
    after = await network.of(node)
    for pool in ("local", "peer"):
        labels = {"peer": peer, "pool": pool}
        end = after("pool_end_bytes", **labels)
        assert after("pool_used_bytes_total", **labels) + after("pool_unused_bytes", **labels) == end
        assert after("pool_used_bytes_total", **labels) > before("pool_used_bytes_total", **labels)
        assert after("pool_window_bytes", **labels) == 0  # simulated
        assert 0 < after("pools_least_unused_bytes", pool=pool) <= after("pools_unused_bytes", pool=pool)


async def test_what_both_sides_say_of_a_pool_agrees(network: Network) -> None:
    await get_keys(network.keys["carol"], "sam", "sunny")
    hank, carol = await network.of("hank"), await network.of("carol")
    assert carol("pool_used_bytes_total", peer="hank", pool="local") == hank(
        "pool_used_bytes_total", peer="carol", pool="peer"
    )


async def test_a_client_tells_of_its_hubs(network: Network) -> None:
    carol = await network.of("carol")
    assert (carol("hubs_needed"), carol("hubs_usable"), carol("peers")) == (2, 3, 3)
    assert carol("peer_usable", peer="hank") == 1
    assert carol("peer_sessions_total", peer="hank") == 1
    await network.nodes.close_node(network.hubs[0])
    await network.nodes.until(lambda: bool(network.carol._engine.hubs["hank"].trouble))
    carol = await network.of("carol")
    assert (carol("hubs_usable"), carol("peer_usable", peer="hank")) == (2, 0)
    assert carol("peer_registered", peer="hank") == 0
    assert carol("connections", interface="dske") == 2


async def test_a_hub_that_drains_is_told_of_by_both_sides(network: Network) -> None:
    network.hubs[0].drain()
    await network.nodes.until(lambda: network.carol._engine.hubs["hank"].drains)
    hank, carol = await network.of("hank"), await network.of("carol")
    assert (hank("draining"), carol("peer_draining", peer="hank")) == (1, 1)
    assert (carol("peer_usable", peer="hank"), carol("hubs_usable")) == (0, 2)
    assert carol("peer_registered", peer="hank") == 1


async def test_a_hub_that_lies_is_told_of(network: Network) -> None:
    engine = network.carol._engine
    now = network.carol._dialer.turns.now()
    engine._evidence.mismatch("curtis", "hank", now)
    engine._evidence.mismatch("celia", "hank", now)
    carol = await network.of("carol")
    assert carol("peer_mismatches_total", peer="hank") == 2
    assert carol("peer_set_aside", peer="hank") == 1
    assert carol("peer_set_aside_initiators", peer="hank") == 2
    assert carol("peer_set_aside", peer="helen") == 0


async def test_stored_keys_are_told_of(network: Network) -> None:
    labels = {"initiator": "sunny", "responder": "sam", "size_bits": "128"}
    await network.nodes.until(lambda: network.curtis.limits("sunny", "sam").stored_key_count == 3)
    curtis = await network.of("curtis")
    assert curtis("stored_keys", **labels) == curtis("stored_keys_wanted", **labels) == 3


async def test_whom_a_hub_does_not_believe_is_counted_by_fixed_reasons(network: Network) -> None:
    hank = network.hubs[0]
    for garbage in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x05hello"):
        raw = await network.nodes.connect(hank.port)
        await raw.greeting()
        raw.writer.write(garbage)
        assert await raw.rest() == b""
    scraped = await network.of("hank")
    labels = {"interface": "dske", "reason": "malformed"}
    assert scraped("authentication_failures_total", **labels) == 2
    assert scraped.series("authentication_failures_total") == 8


async def test_promtool_has_nothing_to_say(network: Network) -> None:
    made = await get_keys(network.keys["carol"], "sam", "sunny")
    await get_by_id(network.keys["curtis"], "sunny", "sam", made)
    with pytest.raises(DskedError):
        await get_by_id(network.keys["curtis"], "sunny", "sam", made)
    for node in ("hank", "curtis"):
        checked = promtool("check", "metrics", text=(await network.of(node)).text)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_promtool_would_find_a_bad_name() -> None:
    checked = promtool("check", "metrics", text="# TYPE dsked_keys counter\ndsked_keys 1\n")
    assert checked.returncode != 0


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_names_follow_the_rules(family) -> None:
    assert re.fullmatch(r"dsked(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") == (family.kind.name == "COUNTER")
    assert not set(family.labels) & {"le", "quantile", "job", "instance"}
    assert family.text.endswith(".")
