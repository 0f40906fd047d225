from __future__ import annotations

import asyncio

import pytest

from dsked.chosen_limits import with_values
from dsked.client import hub_peer, initiator
from dsked.errors import TooFewHubsError
from dsked.net.client_node import ClientNode
from dsked.wire.messages import PutShares
from tests.net.nodes import Nodes, free_port, get_by_id, get_keys


def problem(client: ClientNode, index: int = 0) -> str:
    text: str = client.status()["peer_hubs"][index]["problem"] or ""
    return text


async def three_hubs(nodes: Nodes) -> dict[str, int]:
    return {name: (await nodes.hub(name)).port for name in ("hank", "helen", "hilary")}


async def test_a_key_over_real_sockets(nodes: Nodes) -> None:
    ports = await three_hubs(nodes)
    carol, curtis = [await nodes.client(name, ports) for name in ("carol", "curtis")]
    await nodes.ready(carol, curtis)
    keys = await get_keys(carol, "sam", "sunny")
    assert await get_by_id(curtis, "sunny", "sam", keys) == keys


async def test_a_hub_that_is_not_there_is_told_and_logged_once(nodes: Nodes, caplog) -> None:
    port = free_port()
    client = await nodes.client("carol", {"hank": port})
    refused = f"cannot connect to 127.0.0.1 port {port}: Connection refused"
    await nodes.until(lambda: problem(client) == refused)
    tries = [client._engine.hubs.peers[0].connection]
    hub = await nodes.hub(port=port)
    await nodes.until(lambda: not problem(client))
    assert tries == [None]
    assert caplog.messages.count(f"hub hank: {refused}") == 1
    assert hub.status()["peer_clients"][0]["registered"] is True


async def test_a_hub_that_comes_back_is_found_again(nodes: Nodes) -> None:
    hub = await nodes.hub()
    client = await nodes.client("carol", {"hank": hub.port})
    await nodes.until(lambda: not problem(client))
    port = hub.port
    await nodes.close_node(hub)
    await nodes.until(lambda: problem(client) != "")
    again = await nodes.hub(port=port)
    await nodes.until(lambda: not problem(client))
    assert again.status()["peer_clients"][0]["registered"] is True


async def test_another_gate_key_is_told(nodes: Nodes) -> None:
    hub = await nodes.hub()
    client = await nodes.client("carol", {"hank": hub.port}, gate_keys={"hank": bytes(32)})
    await nodes.until(lambda: "does not know this client, or has another gate key" in problem(client))


async def test_a_hub_of_another_name_is_told(nodes: Nodes) -> None:
    hub = await nodes.hub("hank")
    gate_keys = {"helen": nodes.hub_settings("hank").gate_keys["carol"]}
    client = await nodes.client("carol", {"helen": hub.port}, gate_keys=gate_keys)
    await nodes.until(lambda: problem(client) == "this hub is hank")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "a length of"),
        (b"\x00\x00\x00\x05hello", "M0 is malformed"),
        (b"", "the hub closed the connection during the handshake"),
    ],
)
async def test_something_else_on_a_hubs_port_is_told(nodes: Nodes, says: bytes, told: str) -> None:
    client = await nodes.client("carol", {"hank": await nodes.impostor(says)})
    await nodes.until(lambda: told in problem(client))


async def test_a_hub_that_says_nothing_is_given_up(nodes: Nodes) -> None:
    limits = with_values({"handshake_timeout_s": 0.03})
    client = await nodes.client("carol", {"hank": await nodes.impostor(None)}, limits=limits)
    await nodes.until(lambda: problem(client) == "the handshake took more than 0.03 s")


async def test_a_client_closes_while_it_dials_and_while_it_shakes_hands(nodes: Nodes) -> None:
    ports = {"hank": await nodes.impostor(None), "helen": free_port()}
    client = await nodes.client("carol", ports)
    await nodes.until(lambda: problem(client) == "handshake under way")
    await nodes.close_node(client)
    assert not client._dialer._protocols


async def test_a_clean_stop_unregisters_and_finishes_what_was_accepted(nodes: Nodes) -> None:
    hubs = [await nodes.hub(name) for name in ("hank", "helen", "hilary")]
    ports = {hub.name: hub.port for hub in hubs}
    carol, curtis = [await nodes.client(name, ports) for name in ("carol", "curtis")]
    await nodes.ready(carol, curtis)
    request = asyncio.create_task(get_keys(carol, "sam", "sunny"))
    await asyncio.sleep(0)  # it is asked
    await nodes.close_node(carol)
    keys = await request
    assert await get_by_id(curtis, "sunny", "sam", keys) == keys
    for hub in hubs:
        assert hub.status()["peer_clients"][0]["registered"] is False


async def test_a_hub_that_never_answers_and_does_not_read_is_cut_off_and_dialled_again(
    nodes: Nodes, monkeypatch
) -> None:
    hub = await nodes.hub()
    client = await nodes.client("carol", {"hank": hub.port, "helen": (await nodes.hub("helen")).port})
    curtis = await nodes.client("curtis", {"hank": hub.port, "helen": client._dialer._addresses["helen"][1]})
    await nodes.ready(client, curtis)
    await get_keys(client, "sam", "sunny")
    before = client._engine.hubs.peers[0].connection
    handlers = hub._engine._handlers
    put_shares, handlers[PutShares] = handlers[PutShares], lambda *message: None
    for protocol in hub._server._protocols.values():
        protocol.transport.pause_reading()
    client._dialer._protocols[before].transport.write(bytes(32 * 1024 * 1024))  # nobody reads that
    with monkeypatch.context() as short:  # only here: on a busy machine helen as well may take so long
        short.setattr(hub_peer, "ANSWER_LIMIT_S", 0.01)
        short.setattr(initiator, "ACK_LIMIT_S", 0.05)
        for _ in range(2):  # the second finds that the first is not answered yet
            with pytest.raises(TooFewHubsError):
                await get_keys(client, "sam", "sunny")
        handlers[PutShares] = put_shares
        await nodes.until(lambda: client._engine.hubs.peers[0].connection not in (None, before))
    await nodes.ready(client)


async def test_the_same_problem_is_logged_once_until_it_changes(nodes: Nodes, caplog) -> None:
    hub = await nodes.hub("hank")
    client = await nodes.client("carol", {"hank": hub.port}, gate_keys={"hank": bytes(32)})
    attempts = []
    say = client._dialer._say
    client._dialer._say = lambda hub, problem: (attempts.append(problem), say(hub, problem))
    await nodes.until(lambda: len(attempts) >= 3)
    assert len([text for text in caplog.messages if "another gate key" in text]) == 1


async def test_requests_stand_in_the_debug_log_without_keys(nodes: Nodes, caplog) -> None:
    caplog.set_level("DEBUG", "dsked.client")
    ports = {name: (await nodes.hub(name)).port for name in ("hank", "helen")}
    carol, curtis = await nodes.client("carol", ports), await nodes.client("curtis", ports)
    await nodes.until(lambda: carol.readiness() is None and curtis.readiness() is None)
    outcome = []
    carol.get_keys("sam", ["sunny"], 1, None, lambda answer: None)
    carol.get_keys("sam", ["sunny"], 1, 256, outcome.append)
    await nodes.until(lambda: bool(outcome))
    [[key]] = outcome
    assert "'sam' asks for 1 keys of 256 bits with ['sunny']" in caplog.messages
    assert "'sam' asks for 1 keys of the default size with ['sunny']" in caplog.messages
    assert any(key.key_id.hex() in text for text in caplog.messages)
    assert not any(key.key.hex() in text or repr(key.key) in text for text in caplog.messages)
