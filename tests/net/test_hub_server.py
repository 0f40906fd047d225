from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

import pytest

from dsked.errors import ConfigurationError, LimitError
from dsked.hub.engine import HubEngine
from dsked.limits import MAX_UNAUTHENTICATED_PER_ADDRESS
from dsked.net import hub_server
from dsked.net.hub_node import HubNode
from dsked.net.strangers import Strangers
from dsked.psrd.pair import Pair, Side
from dsked.wire.connection import HubConnection
from dsked.wire.handshake_client import ClientHandshake
from tests.net.nodes import LIMIT_S, Nodes, gate_key, get_keys
from tests.wire.sides import media_streams


def strangers(hub: HubNode) -> dict[str, int]:
    return hub._server._strangers.numbers()


async def test_a_connection_is_greeted_with_m0(nodes: Nodes) -> None:
    hub = await nodes.hub()
    raw = await nodes.connect(hub.port)
    assert b"DSKE" in await raw.greeting()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",  # the length that this is would be 1.2 GB
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x02\x01",  # one byte more than a handshake message has
        b"\x00\x00\x00\x05hello",
        b"\x00\x00\x00\x01\x97",
        b"\x00\x00\x00\x03\x97\x08\xce",
    ],
)
async def test_garbage_gets_silence(nodes: Nodes, garbage: bytes, caplog) -> None:
    hub = await nodes.hub()
    raw = await nodes.connect(hub.port)
    await raw.greeting()
    raw.writer.write(garbage)
    assert await raw.rest() == b""
    again = await nodes.connect(hub.port)
    assert await again.greeting()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().split(":")[0] for record in lines] == ["closing the connection of 127.0.0.1"]
    assert all(record.exc_info is None for record in lines)


async def test_a_connection_cut_in_the_middle_is_forgotten(nodes: Nodes) -> None:
    hub = await nodes.hub()
    raw = await nodes.connect(hub.port)
    await raw.greeting()
    raw.writer.write(b"\x00\x00\x01\x00half")
    raw.writer.write_eof()
    await raw.rest()
    assert strangers(hub) == {}
    assert not hub._server._protocols
    assert not hub._server._timeouts


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest stranger makes room at once."""
    monkeypatch.setattr(hub_server, "STRANGER_PATIENCE_S", 0.0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stranger makes room for as long as a test takes."""
    monkeypatch.setattr(hub_server, "STRANGER_PATIENCE_S", 1000.0)


async def test_unauthenticated_connections_are_limited_per_address(
    nodes: Nodes, impatient: None, caplog
) -> None:
    hub = await nodes.hub(max_unauthenticated_per_address=2)
    first, second = [await nodes.connect(hub.port) for _ in range(2)]
    assert await first.greeting()
    assert await second.greeting()
    assert await (await nodes.connect(hub.port, "127.0.0.2")).greeting(), "others are served on"
    assert await (await nodes.connect(hub.port)).greeting(), "the newest is let in"
    assert await first.rest() == b"", "the oldest of its address makes room"
    assert strangers(hub) == {"127.0.0.1": 2, "127.0.0.2": 1}
    warning = "too many unauthenticated connections: the oldest, from 127.0.0.1, was dropped"
    assert caplog.messages.count(warning) == 1


async def test_a_new_stranger_keeps_its_place_before_its_neighbours(
    nodes: Nodes, patient: None, caplog
) -> None:
    """Else many clients behind one address, connecting at once, would push each other out."""
    hub = await nodes.hub(max_unauthenticated_per_address=2)
    first, second = [await nodes.connect(hub.port) for _ in range(2)]
    assert await first.greeting() and await second.greeting()
    assert await (await nodes.connect(hub.port)).greeting() == b""
    assert await (await nodes.connect(hub.port, "127.0.0.2")).greeting(), "others are served on"
    assert strangers(hub) == {"127.0.0.1": 2, "127.0.0.2": 1}
    [problem] = [line for line in caplog.messages if "dropped" in line]
    assert "2 new unauthenticated connections of one address: one more, from 127.0.0.1" in problem


async def test_where_all_places_are_new_the_next_waits_and_comes_when_one_is_free(
    nodes: Nodes, patient: None
) -> None:
    hub = await nodes.hub(max_unauthenticated_connections=2)
    first, second = [await nodes.connect(hub.port, f"127.0.0.{number}") for number in (2, 3)]
    assert await first.greeting() and await second.greeting()
    client = await nodes.client("carol", {"hank": hub.port})
    third = await nodes.connect(hub.port, "127.0.0.4")
    assert strangers(hub) == {"127.0.0.2": 1, "127.0.0.3": 1}
    first.close()
    second.close()
    assert await third.greeting()
    await nodes.until(lambda: bool(client._engine.hubs.usable()))
    assert strangers(hub) == {"127.0.0.4": 1}


async def test_a_client_that_shows_its_gate_key_lets_the_next_in(nodes: Nodes, patient: None) -> None:
    hub = await nodes.hub(max_unauthenticated_connections=1)
    for name in ("carol", "curtis"):
        client = await nodes.client(name, {"hank": hub.port})
        await nodes.until(lambda client=client: bool(client._engine.hubs.usable()))  # type: ignore[misc]
    assert await (await nodes.connect(hub.port)).greeting()


async def test_unauthenticated_connections_are_limited_in_all(nodes: Nodes, impatient: None) -> None:
    hub = await nodes.hub(max_unauthenticated_connections=2)
    oldest = await nodes.connect(hub.port, "127.0.0.2")
    assert await oldest.greeting()
    assert await (await nodes.connect(hub.port, "127.0.0.3")).greeting()
    assert await (await nodes.connect(hub.port, "127.0.0.4")).greeting()
    assert await oldest.rest() == b""
    assert strangers(hub) == {"127.0.0.3": 1, "127.0.0.4": 1}


async def test_what_has_come_already_is_read_before_a_stranger_makes_room(
    nodes: Nodes, impatient: None
) -> None:
    """However long a turn takes: a busy hub does not close those whose M1 lies before it."""
    hub = await nodes.hub(max_unauthenticated_connections=1)
    pair = Pair("carol", "hank", Side.CLIENT, gate_key("carol", "hank"), simulated=True)
    handshake = ClientHandshake(pair, b"b" * 16, b"n" * 16)
    with socket.create_connection(("127.0.0.1", hub.port), LIMIT_S) as client:
        hello = handshake.greet(await asyncio.to_thread(client.recv, 1000))
        with socket.create_connection(("127.0.0.1", hub.port), LIMIT_S) as next_one:
            client.send(hello)  # both wait for the hub now
            handshake.answer(await asyncio.to_thread(client.recv, 1000))
            assert await asyncio.to_thread(next_one.recv, 1000)


async def test_idle_strangers_hold_up_the_next_no_longer_than_a_round_trip(nodes: Nodes) -> None:
    hub = await nodes.hub(max_unauthenticated_connections=1)
    idle = await nodes.connect(hub.port, "127.0.0.2")
    assert await idle.greeting()
    assert await (await nodes.connect(hub.port, "127.0.0.3")).greeting()
    assert await idle.rest() == b""


async def test_a_client_gets_in_past_a_crowd_of_idle_strangers(nodes: Nodes) -> None:
    hub = await nodes.hub()
    crowd = [await nodes.connect(hub.port) for _ in range(MAX_UNAUTHENTICATED_PER_ADDRESS)]
    assert all([await stranger.greeting() for stranger in crowd])
    client = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(client._engine.hubs.usable()))


@pytest.mark.parametrize("limit", ["max_unauthenticated_connections", "max_connections"])
async def test_strangers_do_not_push_out_who_has_shown_a_gate_key(
    nodes: Nodes, impatient: None, limit: str
) -> None:
    """It may have sent M3 already: each time it were cut off then would cost its client 48 pad bytes."""
    hub = await nodes.hub(**{limit: 2})
    client = await nodes.connect(hub.port)
    pair = Pair("carol", "hank", Side.CLIENT, gate_key("carol", "hank"), simulated=True)
    handshake = ClientHandshake(pair, b"b" * 16, b"n" * 16)
    client.writer.write(handshake.greet(await client.greeting()))
    assert await client.greeting(), "M2"
    crowd = [await nodes.connect(hub.port, f"127.0.0.{number}") for number in range(2, 8)]
    assert all([await stranger.greeting() for stranger in crowd])
    assert await crowd[0].rest() == b"", "a stranger makes room"
    assert client.writer.get_extra_info("sockname")[1] in {
        protocol.transport.get_extra_info("peername")[1] for protocol in hub._server._protocols.values()
    }


def test_an_ipv6_network_is_one_origin() -> None:
    found = Strangers()
    for address in ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1", "fe80::1%eth0", "192.0.2.1"):
        found.add(cast(HubConnection, object()), address, 0.0)
    assert found.numbers() == {"2001:db8::/64": 2, "2001:db8:0:1::/64": 1, "fe80::/64": 1, "192.0.2.1": 1}


async def test_connections_are_limited_in_all(nodes: Nodes) -> None:
    hub = await nodes.hub(max_connections=1)
    stranger = await nodes.connect(hub.port)
    assert await stranger.greeting()
    client = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(client._engine.hubs.usable()))
    assert await stranger.rest() == b"", "the oldest stranger makes room"
    assert await (await nodes.connect(hub.port)).greeting() == b"", "a client does not"
    assert hub.status()["nr_connections"] == 1
    assert hub.status()["limits"]["max_connections"] == 1


async def test_clients_do_not_count_as_strangers_and_are_not_timed_out(nodes: Nodes) -> None:
    hub = await nodes.hub(max_unauthenticated_per_address=1)
    client = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(client._engine.hubs.usable()))
    assert strangers(hub) == {}
    assert not hub._server._timeouts
    assert await (await nodes.connect(hub.port)).greeting()


async def test_strangers_that_fill_the_limit_leave_clients_unharmed(nodes: Nodes) -> None:
    hub = await nodes.hub(max_unauthenticated_connections=1)
    client = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(client._engine.hubs.usable()))
    for _ in range(3):
        assert await (await nodes.connect(hub.port)).greeting()
    assert hub.status()["peer_clients"][0]["connected"] is True
    assert client._engine.hubs.usable()


async def test_who_does_not_authenticate_in_time_is_cut_off(nodes: Nodes, caplog) -> None:
    hub = await nodes.hub(handshake_timeout_s=0.03)
    raw = await nodes.connect(hub.port)
    await raw.greeting()  # none where the machine took so long for it
    assert await raw.rest() == b""
    assert strangers(hub) == {}
    assert "127.0.0.1 did not authenticate in 0.03 s" in caplog.messages


async def test_drops_of_bytes_do_not_keep_a_stranger_connected(nodes: Nodes) -> None:
    hub = await nodes.hub(handshake_timeout_s=0.03)
    raw = await nodes.connect(hub.port)
    await raw.greeting()

    async def trickle() -> None:
        for _ in range(400):
            raw.writer.write(b"\x00")
            await asyncio.sleep(0)

    drops = asyncio.create_task(trickle())
    assert await raw.rest() == b""
    drops.cancel()


async def test_a_port_that_is_taken_is_told_clearly(nodes: Nodes) -> None:
    hub = await nodes.hub()
    with pytest.raises(
        ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1 port {hub.port}: Address already in use"
    ):
        await nodes.hub("helen", hub.port)


async def test_an_address_that_is_not_ours_is_told_clearly() -> None:
    host = "192.0.2.1"  # RFC 5737: for documentation
    engine = HubEngine(
        "hank", simulated=True, owners=None, gate_keys={}, share_timeout_s=60, random=bytes,
        notice=lambda level, text, /, **fields: None,
    )  # fmt: skip
    server = hub_server.HubServer(engine)
    with pytest.raises(ConfigurationError, match="port 0: Cannot assign requested address"):
        await server.start(host, 0)
    await server.close()


async def test_closing_cuts_every_connection_and_frees_the_port(nodes: Nodes) -> None:
    hub = await nodes.hub()
    raw = await nodes.connect(hub.port)
    await raw.greeting()
    port = hub.port
    await nodes.close_node(hub)
    assert await raw.rest() == b""
    again = await nodes.hub(port=port)
    assert again.port == port


async def test_a_hub_is_ready_when_it_listens(nodes: Nodes) -> None:
    hub = HubNode(nodes.hub_settings(), lambda: None)
    assert hub.readiness() == "the hub does not listen yet"
    await hub.start()
    assert hub.readiness() is None
    await hub.close()


async def test_a_second_connection_of_a_client_takes_the_place_of_the_first(nodes: Nodes, caplog) -> None:
    hub = await nodes.hub()
    first = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(first._engine.hubs.usable()))
    second = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: bool(second._engine.hubs.usable()))
    await nodes.until(lambda: not first._engine.hubs.usable())
    assert len(hub._server._protocols) <= 2


async def test_a_peer_that_reads_nothing_does_not_hold_up_closing(nodes: Nodes, monkeypatch) -> None:
    hub = await nodes.hub(shutdown_grace_s=0.03)
    raw = await nodes.connect(hub.port)
    await raw.greeting()
    raw.reader._transport.pause_reading()
    protocol = next(iter(hub._server._protocols.values()))
    raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    protocol.transport.write(bytes(32 * 1024 * 1024))
    async with asyncio.timeout(LIMIT_S):
        await nodes.close_node(hub)


async def test_a_refused_client_is_told_why_and_the_log_as_well(nodes: Nodes, caplog) -> None:
    hub = await nodes.hub()
    streams = {"hank": media_streams(Side.CLIENT)}
    client = await nodes.client("carol", {"hank": hub.port}, streams, simulated=False)
    [peer] = client._engine.hubs
    await nodes.until(lambda: "PSRD mode" in peer.problem or "simulates" in peer.problem)
    assert not peer.registered
    reason = "refused client carol at 127.0.0.1: one side simulates PSRD and the other does not"
    assert caplog.messages.count(reason) == 1, "however often it tries again"


async def test_the_operators_limits_of_shares_are_the_stores(nodes: Nodes) -> None:
    limits = {"max_pending_shares_per_client": 1, "max_pending_share_bytes_per_client": 100_000}
    hub = await nodes.hub("hank", **limits)
    other = await nodes.hub("helen", **limits)
    client = await nodes.client("carol", {"hank": hub.port, "helen": other.port})
    await nodes.ready(client)
    await get_keys(client, "sam", "sunny")
    with pytest.raises(LimitError):
        await get_keys(client, "sam", "sunny")
    assert hub.status()["peer_clients"][0]["nr_pending_shares"] == 1
    assert hub._engine.shares.limits.max_pending_share_bytes_per_client == 100_000


async def test_garbage_in_a_large_piece_ends_the_connection_once(nodes: Nodes, caplog) -> None:
    """What is left of it is not acted upon."""
    hub = await nodes.hub()
    raw = await nodes.connect(hub.port)
    await raw.greeting()
    raw.writer.write(b"\xff" * 500_000)
    assert await raw.rest() == b""
    assert sum("closing the connection" in message for message in caplog.messages) == 1
