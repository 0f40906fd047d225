"""What is no request to the control socket, and who asks for too much: nobody else is harmed."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest

from dsked import limits
from dsked.chosen_limits import with_values
from dsked.delivery import control_connection, status_pages
from dsked.delivery.access import LocalUser
from dsked.delivery.control_protocol import Op, encode_frame, encode_request
from dsked.errors import ErrorCode

from .raw_control import STRANGER, Raw, deaf_client, until

pytestmark = pytest.mark.usefixtures("server")


# --- what is no request: an error reply, a closed connection, and nobody else harmed ---

DEEP = b"\x93\x01\x01" + b"\x91" * 60_000 + b"\x00"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 64,
        (limits.MAX_CONTROL_REQUEST_BYTES + 1).to_bytes(4, "big"),
        b"\0\0\0\0",
        b"\0\0\0\1\xc1",
        encode_frame({"op": 1}),
        encode_frame([1, 1]),
        encode_frame([1, 1, [], 1]),
        encode_frame(["1", 1, []]),
        encode_frame([3, -1, []]),
        encode_frame([3, 2**32, []]),
        encode_frame([3, True, []]),
        encode_frame([3, 1, []])[:-1] + b"\xc1",
        len(DEEP).to_bytes(4, "big") + DEEP,
        (len(DEEP) - 1).to_bytes(4, "big") + DEEP[:-1],
    ],
)
async def test_what_is_no_request_closes_its_connection_only(raw, connect, sent, caplog):
    bystander = await connect()
    raw.writer.write(sent)
    request_id, code, message = await raw.reply()
    assert (request_id in (0, 1), isinstance(message, str)) == (True, True)
    assert code in (ErrorCode.PROTOCOL, ErrorCode.BAD_REQUEST)
    if code == ErrorCode.PROTOCOL:
        assert await raw.at_end()
    assert (await bystander.ask(Op.STATUS))[0] == ErrorCode.OK
    assert "Traceback" not in caplog.text


async def test_a_request_id_in_use_closes_the_connection(raw, keys):
    keys.hold = True
    raw.send(Op.LOCATE, 5, "sunny")
    raw.send(Op.LOCATE, 5, "sunny")
    assert (await raw.reply())[:2] == [0, ErrorCode.PROTOCOL]
    assert await raw.at_end()
    keys.release()


async def test_a_result_for_a_lost_connection_is_dropped(raw, connect, keys, server):
    keys.hold = True
    held = asyncio.Event()
    keys.on_held = held.set
    raw.send(Op.LOCATE, 1, "sunny")
    await held.wait()
    raw.writer.close()
    await raw.writer.wait_closed()
    bystander = await connect()
    while len(server._connections) > 1:  # the loss is seen within a few turns of the loop
        await bystander.ask(Op.STATUS)
    keys.release()
    assert (await bystander.ask(Op.STATUS))[0] == ErrorCode.OK


# --- limits ---


async def test_a_request_too_many_gets_an_error_and_the_others_their_result(monkeypatch, raw, keys):
    monkeypatch.setattr(control_connection, "MAX_CONTROL_REQUESTS_IN_FLIGHT", 2)
    keys.hold = True
    for request_id in (1, 2, 3):
        raw.send(Op.LOCATE, request_id, "sunny")
    assert (await raw.reply())[:2] == [3, ErrorCode.LIMIT]
    keys.release()
    assert [await raw.reply(), await raw.reply()] == [[2, 0, "curtis"], [1, 0, "curtis"]]


async def test_a_connection_too_many_is_refused_and_other_users_are_not(monkeypatch, raw, connect, server):
    server._limits = with_values({"max_control_clients": 1})
    await raw.ask(Op.STATUS)
    refused = await connect()
    assert (await refused.reply())[:2] == [0, ErrorCode.LIMIT]
    assert await refused.at_end()
    monkeypatch.setattr(LocalUser, "of_peer", lambda connection: STRANGER)
    other_user = await connect()
    assert (await other_user.ask(Op.STATUS))[0] == ErrorCode.OK
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.OK


async def test_one_user_leaves_room_for_others_in_all(monkeypatch, raw, connect, server):
    """Alone a user has half of what all may have; another one finds room."""
    server._limits = with_values({"max_control_connections": 4})
    second = await connect()
    assert (await second.ask(Op.STATUS))[0] == ErrorCode.OK
    refused = await connect()
    assert await refused.reply() == [0, ErrorCode.LIMIT, "2 control connections are open: try again later"]
    monkeypatch.setattr(LocalUser, "of_peer", lambda connection: STRANGER)
    assert (await (await connect()).ask(Op.STATUS))[0] == ErrorCode.OK


async def test_many_users_together_do_not_lock_the_operator_out(monkeypatch, connect, server):
    """Each new user takes half of what is left: in the end nothing is."""
    server._limits = with_values({"max_control_connections": 4})
    operator = LocalUser.of_peer
    for uid in (1001, 1001, 1002, 1003):
        monkeypatch.setattr(LocalUser, "of_peer", lambda connection, uid=uid: LocalUser(uid, uid))
        assert (await (await connect()).ask(Op.STATUS))[0] == ErrorCode.OK
    monkeypatch.setattr(LocalUser, "of_peer", lambda connection: STRANGER)
    assert (await (await connect()).reply())[:2] == [0, ErrorCode.LIMIT]
    monkeypatch.setattr(LocalUser, "of_peer", operator)
    assert [(await (await connect()).ask(Op.STATUS))[0] for _ in range(2)] == [ErrorCode.OK] * 2
    assert (await (await connect()).reply())[:2] == [0, ErrorCode.LIMIT]


async def test_a_request_that_does_not_come_to_its_end_is_cut_off(monkeypatch, raw, connect):
    """And who sends whole ones is not, however long it waits between them."""
    monkeypatch.setattr(control_connection, "CONTROL_REQUEST_TIMEOUT_S", 0.01)
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.OK
    slow = await connect()
    slow.writer.write(encode_request(Op.STATUS, 1, [])[:-1])
    assert await slow.reply() == [0, ErrorCode.LIMIT, "a request did not arrive within 0.01 s"]
    assert await slow.at_end()
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.OK


async def test_requests_one_behind_the_other_are_never_too_slow(raw, connect, server):
    """A stream of them that always ends in the middle of one makes progress."""
    request = encode_request(Op.STATUS, 1, [])
    raw.writer.write(request[:5])
    assert (await (await connect()).ask(Op.STATUS))[0] == ErrorCode.OK
    [connection] = [one for one in server._connections if one._slow is not None]
    first = connection._slow
    raw.writer.write(request[5:] + request[:5])
    await raw.reply()
    assert first.cancelled() and connection._slow not in (None, first)


async def test_status_is_made_once_a_turn(raw, node, monkeypatch):
    made = []
    monkeypatch.setattr(status_pages, "LONG_STATUS_S", math.inf)  # none is kept, however slow the machine
    monkeypatch.setattr(node, "status", lambda first: made.append(first) or {})
    raw.writer.write(b"".join(encode_request(Op.STATUS, number, []) for number in range(1, 101)))
    for _ in range(100):
        assert (await raw.reply())[1] == ErrorCode.OK
    assert len(made) < 50
    node.reason = "changed"
    assert "changed" in (await raw.ask(Op.STATUS))[1]


async def test_a_reply_over_the_limit_becomes_an_error(raw, node):
    node.state = {"much": "x" * limits.MAX_CONTROL_FRAME_BYTES}
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.LIMIT


async def test_who_does_not_read_is_cut_off_at_a_limit(monkeypatch, path, connect, node, server):
    monkeypatch.setattr(control_connection, "MAX_CONTROL_UNREAD_BYTES", 3_000_000)
    node.state = {"much": "x" * 1_000_000}
    bystander = await connect()
    async with contextlib.AsyncExitStack() as deaf:
        for nr_others in range(1, 5):
            await deaf.enter_async_context(deaf_client(path, server, bystander, 1, nr_others))
        await until(bystander, lambda: len(server._connections) == 4)


async def test_who_does_not_read_may_not_ask_on(path, connect, node, server):
    node.state = {"much": "x" * 1_000_000}
    bystander = await connect()
    async with deaf_client(path, server, bystander, 1) as deaf:
        await until(bystander, lambda: any(one.unread_bytes for one in server._connections))
        with pytest.raises(BlockingIOError):  # nobody takes any more of it out of the socket
            for _ in range(10_000):
                deaf.send(encode_request(Op.LOCATE, 2, "sunny"))
                assert (await bystander.ask(Op.LOCATE, "sunny"))[0] == ErrorCode.OK


async def test_replies_that_wait_do_not_heap_up(path, connect, node, server):
    """Some thousand requests fit in what one turn takes, and each reply may be large."""
    node.state = {"much": "x" * 1_000_000}
    bystander = await connect()
    async with deaf_client(path, server, bystander, 1000) as deaf:
        await until(bystander, lambda: any(connection.unread_bytes for connection in server._connections))
        for _ in range(10):
            assert (await bystander.ask(Op.LOCATE, "sunny"))[0] == ErrorCode.OK
        assert max(connection.unread_bytes for connection in server._connections) < 3_000_000
        reader, writer = await asyncio.open_unix_connection(sock=deaf.dup())
        answered = Raw(reader, writer)
        assert [(await answered.reply())[0] for _ in range(100)] == list(range(1, 101)), (
            "who reads is served on"
        )
        writer.close()


async def test_a_status_that_takes_long_is_kept_for_a_while(raw, node, monkeypatch):
    """Else any local user could have a hub of thousands of clients do nothing else."""
    times = iter([0.0, 60.0])
    monkeypatch.setattr(status_pages.time, "thread_time", lambda: next(times))
    first = await raw.ask(Op.STATUS)
    node.state = {"another": "state"}
    assert await raw.ask(Op.STATUS) == first
