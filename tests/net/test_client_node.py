from __future__ import annotations

import pytest

from dsked.chosen_limits import with_values
from dsked.config.node import StoredKeys
from dsked.delivery.service import KeyService, Node
from dsked.errors import DskedError, LimitError, NotOwnerError, ShuttingDownError, TooFewHubsError
from dsked.keys import Outcome
from dsked.net.client_node import ClientNode
from tests.net.nodes import Nodes, free_port


@pytest.fixture
async def client(nodes: Nodes) -> ClientNode:
    """A client whose hubs are not there."""
    return await nodes.client("carol", {"hank": free_port(), "helen": free_port()})


async def test_it_is_what_delivery_expects(client: ClientNode) -> None:
    service: KeyService = client
    node: Node = client
    assert (service.name, service.encryptors, node.role) == ("carol", ("sam",), "client")
    assert service.limits().max_keys_per_request == 128
    assert str(node.readiness()).startswith("0 of 2 hubs are connected, 2 are needed (hank: ")


async def test_a_bad_request_is_answered_before_the_call_returns(client: ClientNode) -> None:
    outcomes: list[Outcome] = []
    client.get_keys("sunny", ["sam"], 1, 256, outcomes.append)
    client.get_keys_by_id("sunny", "sam", [bytes(16)], outcomes.append)
    assert [type(outcome) for outcome in outcomes] == [NotOwnerError] * 2
    assert client._in_flight.total == 0


async def test_requests_are_answered_at_the_turns_end_where_no_hub_is_there(nodes, client) -> None:
    outcomes: list[Outcome] = []
    client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
    client.get_keys_by_id("sam", "sunny", [bytes(16)], outcomes.append)
    client.locate("user 1", "sunny", outcomes.append)
    assert outcomes == []
    await nodes.until(lambda: len(outcomes) == 3)
    assert {type(outcome) for outcome in outcomes} == {TooFewHubsError}
    assert client._in_flight.total == 0


async def test_requests_in_flight_are_limited(nodes: Nodes) -> None:
    """Questions where an encryptor is as well; each encryptor has at most half of what the others leave."""
    limits = with_values({"max_requests_in_flight": 4})
    hubs = {"hank": free_port(), "helen": free_port()}
    client = await nodes.client("carol", hubs, limits=limits)
    outcomes: list[object] = []
    for _ in range(3):
        client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
    [error] = outcomes
    assert isinstance(error, LimitError)
    assert "2 requests are under way: ask again later" in str(error)
    client.get_keys_by_id("sam", "sunny", [bytes(16)], outcomes.append)
    assert isinstance(outcomes[1], LimitError)
    client.locate("user 1", "sunny", outcomes.append)
    assert len(outcomes) == 2, "another one has room"
    client.locate("user 1", "susan", outcomes.append)
    assert isinstance(outcomes[2], LimitError)
    await nodes.until(lambda: len(outcomes) == 6)
    assert client.status()["nr_requests_in_flight"] == 0
    client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
    assert len(outcomes) == 6, "there is room again"


async def test_a_stopped_client_says_so(nodes: Nodes, client: ClientNode) -> None:
    await nodes.close_node(client)
    outcomes: list[Outcome | DskedError] = []
    client.get_keys("sam", ["sunny"], 1, 256, outcomes.append)
    client.get_keys_by_id("sam", "sunny", [bytes(16)], outcomes.append)
    client.locate("user 1", "susan", outcomes.append)
    assert [type(outcome) for outcome in outcomes] == [ShuttingDownError] * 3
    assert client.nr_requests_in_flight() == 0, "or its interfaces would wait for an answer"


async def test_its_operator_may_stop_it(nodes: Nodes) -> None:
    calls: list[str] = []
    settings = nodes.client_settings("carol", {"hank": free_port(), "helen": free_port()})
    client = ClientNode(settings, lambda: calls.append("stop"), lambda: None)
    client.stop()
    assert calls == ["stop"]
    await client.close()


async def test_the_operators_limits_of_keys_are_those_of_requests(nodes: Nodes) -> None:
    limits = with_values({"max_keys_per_request": 2, "max_key_size_bits": 256})
    client = await nodes.client("carol", {"hank": free_port(), "helen": free_port()}, limits=limits)
    assert (client.limits().max_keys_per_request, client.limits().max_key_size_bits) == (2, 256)
    outcomes: list[object] = []
    client.get_keys("sam", ["sunny"], 3, 128, outcomes.append)
    client.get_keys("sam", ["sunny"], 1, 264, outcomes.append)
    client.get_keys_by_id("sam", "sunny", [bytes([number]) * 16 for number in range(3)], outcomes.append)
    assert [str(outcome) for outcome in outcomes] == [
        "number is 3; 1 to 2 keys are possible",
        "size is 264 bits; 32 to 256 are possible",
        "3 key IDs; 1 to 2 are possible",
    ]
    assert client.status()["limits"]["max_key_size_bits"] == 256


async def test_stored_keys_are_a_pairs(nodes: Nodes) -> None:
    wanted = (
        StoredKeys(initiator="sam", responder="sunny", count=4, size_bits=256),
        StoredKeys(initiator="sam", responder="sunny", count=2),
        StoredKeys(initiator="sam", responder="susan", count=1),
    )
    client = await nodes.client("carol", {"hank": free_port(), "helen": free_port()}, stored_keys=wanted)
    most = [client.limits(*pair).max_key_count for pair in ((), ("sam", "sunny"), ("sam", "susan"))]
    assert most == [0, 6, 1]
    assert client.limits("sam", "sunny").stored_key_count == 0, "no hub is there"
    assert [place["size_bits"] for place in client.status()["stored_keys"]] == [128, 256, 128]
