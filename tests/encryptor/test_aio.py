"""AsyncKeyClient: many requests in flight, each with an end of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from dsked.delivery.control import ControlServer
from dsked.delivery.control_protocol import MAX_REQUEST_ID
from dsked.encryptor import AsyncKeyClient, NoAnswerError, NotRunningError, key_id_text
from dsked.errors import BadKeyIdError, ErrorCode, FrameError, LimitError, RequestError, TooFewHubsError
from dsked.limits import MAX_CONTROL_REQUESTS_IN_FLIGHT

from ..delivery.fakes import FakeKeys
from .conftest import shows_secret
from .nodes import LIMIT_S, SECRET, Node, Request, key
from .test_blocking import WRONG


def ask(client: AsyncKeyClient, nth: int, **options: float) -> asyncio.Task:
    """A request for the nth key, in a task."""
    return asyncio.create_task(client.get_key_by_id("sunny", key(nth).key_id, **options))


async def in_flight(node: Node, number: int) -> dict[int, Request]:
    """So many requests that the node has read, by the nth key that they are for."""
    requests = [await node.next() for _ in range(number)]
    return {int.from_bytes(request.args[1][0], "big"): request for request in requests}


async def ends(*tasks: asyncio.Task) -> list[object]:
    """What tasks end in: results and errors."""
    async with asyncio.timeout(LIMIT_S):
        return await asyncio.gather(*tasks, return_exceptions=True)


# --- what is asked and what comes back ---


async def test_every_request(server: ControlServer, keys: FakeKeys) -> None:
    async with AsyncKeyClient("sam") as client:
        assert len((await client.get_key("sunny")).key) == 16
        assert len((await client.get_key(["sunny", "a/b"], 256)).key) == 32
        assert [len(one.key) for one in await client.get_keys("sunny", 3, 64)] == [8, 8, 8]
        dealt = [keys.deal("sunny", "sam") for _ in range(3)]
        assert await client.get_key_by_id("sunny", key_id_text(dealt[0].key_id)) == dealt[0]
        assert await client.get_keys_by_id("sunny", [one.key_id for one in dealt[1:]]) == dealt[1:]
        assert await client.locate("sunny") == "curtis"
        status = await client.status()
        assert (status.name, status.pid, status.ready) == ("carol", os.getpid(), True)
        keys.failure = TooFewHubsError("2 of 5 hubs answered; 3 are needed")
        with pytest.raises(TooFewHubsError, match="2 of 5 hubs answered; 3 are needed"):
            await client.get_key("sunny")


async def test_it_connects_with_the_first_request_where_nobody_said_so(node: Node) -> None:
    client = AsyncKeyClient("sam")
    assert (client.path, node.nr_connections) == (None, 0)
    asked = ask(client, 1)
    (await node.next()).give(key(1))
    assert await asked == key(1)
    assert client.path == node.path
    await client.close()


async def test_many_at_once_over_one_connection_in_any_order(node: Node, client: AsyncKeyClient) -> None:
    connected = node.nr_connections
    tasks = [ask(client, nth) for nth in range(100)]
    requests = await in_flight(node, 100)
    for nth in sorted(requests, key=lambda nth: (nth % 7, -nth)):
        requests[nth].give(key(nth))
    assert await ends(*tasks) == [key(nth) for nth in range(100)]
    assert node.nr_connections == connected


async def test_two_replies_in_pieces_and_in_one_piece(node: Node, client: AsyncKeyClient) -> None:
    tasks = [ask(client, nth) for nth in (1, 2, 3)]
    requests = await in_flight(node, 3)
    replies = b"".join(requests[nth].reply([list(key(nth))]) for nth in (3, 1, 2))
    for piece in (replies[:2], replies[2:30], replies[30:-1], replies[-1:]):
        requests[1].send(piece)
        await requests[1].connection.drain()
        await asyncio.sleep(0)
    assert await ends(*tasks) == [key(1), key(2), key(3)]


async def test_more_than_the_node_takes_wait_for_room(node: Node, client: AsyncKeyClient) -> None:
    most = MAX_CONTROL_REQUESTS_IN_FLIGHT
    tasks = [ask(client, nth) for nth in range(most + 3)]
    requests = await in_flight(node, most)
    tasks[0].cancel()  # its request is in flight all the same: it makes no room
    tasks[-1].cancel()  # this one has not left, and never will
    await ends(tasks[0], tasks[-1])
    assert node.requests.empty()
    for nth, request in requests.items():
        request.give(key(nth))
    for nth, request in (await in_flight(node, 2)).items():
        request.give(key(nth))
    assert await ends(*tasks[1:-1]) == [key(nth) for nth in range(1, most + 2)]
    assert node.requests.empty()


async def test_request_ids_begin_again_and_pass_by_those_in_use(node: Node, client: AsyncKeyClient) -> None:
    first = ask(client, 1)
    held = await node.next()
    assert held.request_id == 1
    client._link._request_id = MAX_REQUEST_ID - 1  # 2**32 requests later
    second, third = ask(client, 2), ask(client, 3)
    requests = await in_flight(node, 2)
    assert [requests[2].request_id, requests[3].request_id] == [MAX_REQUEST_ID, 2]
    for nth, request in ((3, requests[3]), (1, held), (2, requests[2])):
        request.give(key(nth))
    assert await ends(first, second, third) == [key(1), key(2), key(3)]


# --- one request ends, the others go on ---


async def test_cancelling_one_leaves_the_others_unharmed(node: Node, client: AsyncKeyClient) -> None:
    connected = node.nr_connections
    tasks = [ask(client, nth) for nth in range(4)]
    requests = await in_flight(node, 4)
    tasks[2].cancel()
    assert isinstance((await ends(tasks[2]))[0], asyncio.CancelledError)
    for nth in (3, 2, 1, 0):
        requests[nth].give(key(nth))
    assert await ends(*tasks[:2], tasks[3]) == [key(0), key(1), key(3)]
    again = ask(client, 5)
    (await node.next()).give(key(5))
    assert await again == key(5)
    assert node.nr_connections == connected


async def test_one_that_is_out_of_time_leaves_the_others_unharmed(node: Node, client: AsyncKeyClient) -> None:
    connected = node.nr_connections
    slow, patient = ask(client, 1, timeout_s=0.02), ask(client, 2)
    requests = await in_flight(node, 2)
    with pytest.raises(NoAnswerError, match=r"client-carol.sock did not answer within 0.02 s"):
        await slow
    requests[1].give(key(1))  # late: for nobody
    requests[2].give(key(2))
    assert await patient == key(2)
    assert node.nr_connections == connected


async def test_one_that_is_refused_leaves_the_others_unharmed(node: Node, client: AsyncKeyClient) -> None:
    tasks = [ask(client, nth) for nth in (1, 2, 3)]
    requests = await in_flight(node, 3)
    requests[1].refuse(ErrorCode.LIMIT, "1024 requests are open")
    requests[2].answer("no keys")
    requests[3].give(key(3))
    limit, senseless, fine = await ends(*tasks)
    assert isinstance(limit, LimitError)
    assert isinstance(senseless, FrameError)
    assert fine == key(3)


async def test_a_wrong_argument_reaches_no_node(node: Node, client: AsyncKeyClient) -> None:
    waiting = ask(client, 1)
    for wrong in (client.get_key("\udc80"), client.get_keys_by_id("sunny", [bytes(16)] * 4000)):
        with pytest.raises(RequestError, match=r"cannot be sent|fewer keys"):
            await wrong
    with pytest.raises(BadKeyIdError):
        await client.get_key_by_id("sunny", "no-uuid")
    with pytest.raises(RequestError, match=r"0\.001 to 3600 s"):
        await client.get_key("sunny", timeout_s=-1)
    (await node.next()).give(key(1))
    assert await waiting == key(1)
    assert node.requests.empty()


# --- nodes that do not behave: the connection ends, and the next request has another one ---


async def goes_on(node: Node, client: AsyncKeyClient) -> None:
    """The next request is served, over a connection of its own."""
    connected = node.nr_connections
    asked = ask(client, 9)
    (await node.next()).give(key(9))
    assert await asked == key(9)
    assert node.nr_connections == connected + 1


#: These concern one request alone: which one it is, is understood.
OF_ONE = {
    "a text",
    "no list of keys",
    "no key",
    "text as key",
    "an empty key",
    "a short key ID",
    "two keys",
    "no keys",
    "another size",
    "keys as a refusal",
    "bytes as a refusal",
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_is_no_key_and_tells_none(
    node: Node, client: AsyncKeyClient, wrong: str
) -> None:
    asked = asyncio.create_task(client.get_key("sunny", 256))
    request = await node.next()
    other = ask(client, 7)
    other_request = await node.next()
    request.send(WRONG[wrong](request) + other_request.reply([list(key(7))]))
    error, beside = await ends(asked, other)
    assert isinstance(error, FrameError)
    assert not shows_secret("".join(traceback.format_exception(error)))
    if wrong in OF_ONE:
        assert beside == key(7)
    else:
        assert isinstance(beside, FrameError)
        await goes_on(node, client)


async def test_a_reply_to_no_request_ends_them_all(node: Node, client: AsyncKeyClient) -> None:
    tasks = [ask(client, nth) for nth in (1, 2)]
    requests = await in_flight(node, 2)
    requests[1].send(requests[1].reply([list(key(1))], request_id=77))
    errors = await ends(*tasks)
    assert [type(error) for error in errors] == [FrameError, FrameError]
    assert errors[0] is not errors[1]
    await node.ended(2)
    await goes_on(node, client)


async def test_a_second_answer_to_a_request_ends_the_connection(node: Node, client: AsyncKeyClient) -> None:
    first, second = ask(client, 1), ask(client, 2)
    requests = await in_flight(node, 2)
    requests[1].send(requests[1].reply([list(key(1))]) * 2)
    assert await first == key(1)
    assert isinstance((await ends(second))[0], FrameError)
    await goes_on(node, client)


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\x30\x93\x01"])
async def test_a_node_that_hangs_up_in_between(node: Node, client: AsyncKeyClient, sent: bytes) -> None:
    tasks = [ask(client, nth) for nth in (1, 2, 3)]
    requests = await in_flight(node, 3)
    requests[1].give(key(1))
    requests[1].send(sent)
    requests[1].hang_up()
    fine, *errors = await ends(*tasks)
    assert fine == key(1)
    for error in errors:
        assert isinstance(error, NoAnswerError)
        assert str(error) == f"the node on {node.path} closed the connection without an answer"
    await goes_on(node, client)


async def test_a_node_that_says_why_it_hangs_up(node: Node, client: AsyncKeyClient) -> None:
    tasks = [ask(client, nth) for nth in (1, 2)]
    requests = await in_flight(node, 2)
    requests[1].send(requests[1].reply("a request did not arrive within 10 s", ErrorCode.LIMIT, 0))
    assert [type(error) for error in await ends(*tasks)] == [LimitError, LimitError]
    await goes_on(node, client)


async def test_those_who_wait_for_room_learn_that_the_node_hung_up(
    node: Node, client: AsyncKeyClient
) -> None:
    most = MAX_CONTROL_REQUESTS_IN_FLIGHT
    tasks = [ask(client, nth) for nth in range(most + 3)]
    requests = await in_flight(node, most)
    requests[0].hang_up()
    assert {type(error) for error in await ends(*tasks)} == {NoAnswerError}
    await goes_on(node, client)


async def test_a_node_that_went_away_and_came_back(node: Node, client: AsyncKeyClient) -> None:
    waiting = ask(client, 1)
    await node.next()
    await node.close()
    assert isinstance((await ends(waiting))[0], NoAnswerError)
    with pytest.raises(NotRunningError, match=f"no node is listening on {node.path}"):
        await client.get_key("sunny")
    await node.start()
    await goes_on(node, client)


async def test_a_lost_connection_is_opened_once_for_all_who_ask(node: Node, client: AsyncKeyClient) -> None:
    waiting = ask(client, 1)
    (await node.next()).hang_up()
    await ends(waiting)
    connected = node.nr_connections
    tasks = [ask(client, nth) for nth in range(50)]
    tasks[0].cancel()
    for nth, request in (await in_flight(node, 49)).items():
        request.give(key(nth))
    assert await ends(*tasks[1:]) == [key(nth) for nth in range(1, 50)]
    assert node.nr_connections == connected + 1


async def test_a_node_that_accepts_nobody_is_waited_for(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        first = socket.socket(socket.AF_UNIX)
        first.connect(str(path))  # the queue is full now
        client = AsyncKeyClient("sam", socket=path, timeout_s=LIMIT_S)
        with pytest.raises(NoAnswerError, match=r"did not answer within 0.05 s"):
            await client.get_key("sunny", timeout_s=0.05)
        connecting = asyncio.create_task(client.connect())
        accepted = [await asyncio.to_thread(listening.accept) for _ in range(2)]
        await asyncio.wait_for(connecting, LIMIT_S)
        await client.close()
        for one in (first, *(connection for connection, _ in accepted)):
            one.close()


# --- the end ---


async def test_closing_ends_what_is_in_flight(node: Node, client: AsyncKeyClient) -> None:
    waiting = ask(client, 1)
    await node.next()
    await client.close()
    with pytest.raises(NoAnswerError, match="was closed by this program"):
        await waiting
    with pytest.raises(RequestError, match="this AsyncKeyClient is closed"):
        await client.get_key("sunny")
    await client.close()
    await node.ended(2)


async def test_closing_one_that_never_connected(node: Node) -> None:
    client = AsyncKeyClient("sam")
    await client.close()
    with pytest.raises(RequestError, match="this AsyncKeyClient is closed"):
        await client.connect()
    assert node.nr_connections == 0


async def test_another_event_loop(node: Node, client: AsyncKeyClient) -> None:
    def elsewhere() -> None:
        asyncio.run(client.get_key("sunny"))

    with pytest.raises(RuntimeError, match="belongs to one event loop"):
        await asyncio.to_thread(elsewhere)
    assert node.requests.empty()


# --- secrets ---


async def test_no_text_of_a_client_at_work_tells_a_key(
    node: Node, client: AsyncKeyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even asyncio's debug mode, which writes the repr of futures, tasks and what is slow."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    tasks = [ask(client, 1), asyncio.create_task(client.get_key("sunny"))]
    requests = [await node.next() for _ in range(2)]
    futures = [one.future for one in client._link._waiting.values()]
    whole = requests[0].reply([list(key(1))])
    requests[0].send(whole[:-3])
    await until(lambda: client._link._frames.nr_pending > 0)
    texts = list(map(repr, [client, client._link, client._link._waiting, client._link._frames, *futures]))
    requests[0].send(whole[-3:])
    requests[1].give(key(2))
    got = await ends(*tasks)
    texts += map(repr, [*tasks, *futures, got, *(vars(one) for one in (client, client._link))])
    loop.set_debug(False)
    assert got == [key(1), key(2)]
    assert any("256 bits" in text for text in texts)
    assert any(record.name == "asyncio" and record.levelno >= logging.DEBUG for record in caplog.records)
    assert not [text for text in texts if shows_secret(text)]
    assert shows_secret(repr(SECRET))


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop have turns until `condition` holds."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110  nothing tells of a frame that has come in part
            await asyncio.sleep(0)
