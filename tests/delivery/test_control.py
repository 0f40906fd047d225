from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket

import msgpack
import pytest

import dsked
from dsked import limits
from dsked.chosen_limits import with_values
from dsked.delivery import control, control_connection
from dsked.delivery.access import AccessRules, LocalUser
from dsked.delivery.control import ControlServer
from dsked.delivery.control_protocol import Op, encode_frame, encode_request
from dsked.errors import DskedError, ErrorCode, TooFewHubsError

from .fakes import FakeKeys, FakeNode

pytestmark = pytest.mark.usefixtures("server")

STRANGER = LocalUser(12345, 12345)


class Raw:
    """A connection that sends what it is told, and gives the replies as they come."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, op, request_id, *args):
        self.writer.write(encode_request(op, request_id, list(args)))

    async def reply(self):
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        return msgpack.unpackb(await self.reader.readexactly(length))

    async def ask(self, op, *args, request_id=1):
        self.send(op, request_id, *args)
        answered, code, result = await self.reply()
        assert answered == request_id
        return code, result

    async def at_end(self):
        """Whether the server closed the connection; waits for it."""
        return await self.reader.read() == b""


@pytest.fixture
async def connect(path, server):
    writers = []

    async def connect():
        reader, writer = await asyncio.open_unix_connection(path)
        writers.append(writer)
        return Raw(reader, writer)

    yield connect
    for writer in writers:
        writer.close()


@pytest.fixture
async def raw(connect):
    return await connect()


@contextlib.asynccontextmanager
async def serving(server, path):
    """A connection to a server of its own; all is closed in the end, or a failing test would hang."""
    await server.start(path)
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        await server.close()


@pytest.fixture
def as_stranger(monkeypatch):
    """Connections made from here on come from a user whom no rule names."""
    monkeypatch.setattr(LocalUser, "of_peer", lambda connection: STRANGER)


# --- what it is for ---


async def test_keys_at_both_ends(raw, keys):
    code, made = await raw.ask(Op.GET_KEYS, ["sunny"], 3, 256, "sam")
    assert code == ErrorCode.OK
    assert [(len(key_id), len(key)) for key_id, key in made] == [(16, 32)] * 3
    key = keys.deal("sunny", "sam")
    assert await raw.ask(Op.GET_KEYS_BY_ID, "sunny", [key.key_id], "sam") == (0, [list(key)])


async def test_nil_stands_for_the_only_encryptor_and_the_default_size(raw):
    _code, [(_key_id, key)] = await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, None)
    assert len(key) == 16


async def test_status(raw, node):
    node.reason = "2 of 5 hubs are connected; 3 are needed"
    code, text = await raw.ask(Op.STATUS)
    assert code == ErrorCode.OK
    assert json.loads(text) == {
        "role": "client",
        "name": "carol",
        "pid": os.getpid(),
        "version": dsked.__version__,
        "ready": False,
        "reason": "2 of 5 hubs are connected; 3 are needed",
        "status": node.state,
    }
    node.reason = None
    _code, text = await raw.ask(Op.STATUS)
    assert json.loads(text)["ready"] is True


async def test_locate(raw):
    assert await raw.ask(Op.LOCATE, "sunny") == (ErrorCode.OK, "curtis")
    assert (await raw.ask(Op.LOCATE, "nobody"))[0] == ErrorCode.UNKNOWN_ENCRYPTOR


async def test_stop_is_answered_before_the_node_stops(raw, node, server):
    node.stop = lambda: asyncio.ensure_future(server.close())
    assert await raw.ask(Op.STOP) == (ErrorCode.OK, None)
    assert await raw.at_end()


async def test_replies_come_as_they_are_done_and_in_one_write(raw, keys):
    keys.hold = True
    everything_held = asyncio.Event()
    keys.on_held = lambda: everything_held.set() if len(keys._held) == 64 else None
    for request_id in range(64):
        raw.send(Op.LOCATE, request_id, "sunny")
    await everything_held.wait()
    keys.release()
    assert await raw.reply() == [63, 0, "curtis"]
    assert len(raw.reader._buffer) == 63 * (4 + len(msgpack.packb([1, 0, "curtis"])))
    assert [(await raw.reply())[0] for _ in range(63)] == list(reversed(range(63)))


# --- errors of a request: its own reply, and everything else goes on ---


@pytest.mark.parametrize(
    ("code", "op", "args"),
    [
        (ErrorCode.UNKNOWN_ENCRYPTOR, Op.GET_KEYS, [["nobody"], 1, None, "sam"]),
        (ErrorCode.BAD_NUMBER, Op.GET_KEYS, [["sunny"], 0, None, "sam"]),
        (ErrorCode.BAD_NUMBER, Op.GET_KEYS, [["sunny"], -1, None, "sam"]),
        (ErrorCode.BAD_NUMBER, Op.GET_KEYS, [["sunny"], 2**64 - 1, None, "sam"]),
        (ErrorCode.BAD_KEY_SIZE, Op.GET_KEYS, [["sunny"], 1, 12, "sam"]),
        (ErrorCode.NOT_OWNER, Op.GET_KEYS, [["sunny"], 1, None, "sue"]),
        (ErrorCode.UNKNOWN_KEY, Op.GET_KEYS_BY_ID, ["sunny", [bytes(16)], "sam"]),
        (ErrorCode.BAD_KEY_ID, Op.GET_KEYS_BY_ID, ["sunny", [bytes(15)], "sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [["sunny"], True, None, "sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [["sunny"], 1.0, None, "sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, ["sunny", 1, None, "sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [[7], 1, None, "sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [["sunny"], 1, None]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [["sunny"], 1, None, "sam", "more"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS, [["sunny"], 1, 128, b"sam"]),
        (ErrorCode.BAD_REQUEST, Op.GET_KEYS_BY_ID, ["sunny", "text", "sam"]),
        (ErrorCode.BAD_REQUEST, Op.LOCATE, []),
        (ErrorCode.BAD_REQUEST, Op.STATUS, [1]),
        (ErrorCode.BAD_REQUEST, Op.STOP, [1]),
        (ErrorCode.BAD_REQUEST, 6, []),
        (ErrorCode.BAD_REQUEST, -1, []),
    ],
)
async def test_a_bad_request_gets_its_error_and_the_connection_lives(raw, node, code, op, args):
    answered, message = await raw.ask(op, *args)
    assert (answered, type(message)) == (code, str)
    assert not node.stopped
    assert (await raw.ask(Op.LOCATE, "sunny"))[0] == ErrorCode.OK


async def test_a_declared_error_arrives_with_its_code_and_text(raw, keys):
    keys.failure = TooFewHubsError("2 of 5 hubs answered; 3 are needed")
    answer = await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, "sam")
    assert answer == (ErrorCode.TOO_FEW_HUBS, "2 of 5 hubs answered; 3 are needed")


async def test_a_fault_of_ours_is_answered_and_logged_without_its_text_going_out(raw, keys, caplog):
    keys.crash = ZeroDivisionError("inner detail")
    answer = await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, "sam")
    assert answer == (ErrorCode.INTERNAL, "internal error: see the node's log")
    assert "inner detail" in caplog.text


@pytest.mark.parametrize(("encryptors", "says"), [((), "serves no encryptor"), (("sam", "sue"), "sam, sue")])
async def test_without_a_name_where_that_is_not_clear(raw, keys, encryptors, says):
    keys.encryptors = encryptors
    code, message = await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, None)
    assert code == ErrorCode.BAD_REQUEST
    assert says in message


async def test_a_hub_has_no_keys_but_a_status(rules, tmp_path):
    async with serving(ControlServer(FakeNode("hub", "hank"), None, rules), tmp_path / "hub.sock") as raw:
        for op, args in [
            (Op.GET_KEYS, [["sunny"], 1, None, None]),
            (Op.GET_KEYS, [["sunny"], 1, None, "sam"]),
            (Op.GET_KEYS_BY_ID, ["sam", [bytes(16)], None]),
            (Op.LOCATE, ["sam"]),
        ]:
            assert await raw.ask(op, *args) == (ErrorCode.BAD_REQUEST, "hub hank gives no keys: ask a client")
        assert json.loads((await raw.ask(Op.STATUS))[1])["role"] == "hub"


# --- who may ---


async def test_a_user_whom_no_rule_names_sees_the_status_and_no_more(as_stranger, connect, node):
    raw = await connect()
    keys_by_id = ["sunny", [bytes(16)], "sam"]
    assert (await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, "sam"))[0] == ErrorCode.NOT_ALLOWED
    assert (await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, None))[0] == ErrorCode.NOT_ALLOWED
    assert (await raw.ask(Op.GET_KEYS_BY_ID, *keys_by_id))[0] == ErrorCode.NOT_ALLOWED
    assert (await raw.ask(Op.STOP))[0] == ErrorCode.NOT_ALLOWED
    assert not node.stopped
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.OK


async def test_a_named_user_acts_for_that_encryptor_only(as_stranger, tmp_path, node):
    rules = AccessRules(owner_uid=1, users={"sam": frozenset([STRANGER.uid])}, groups={})
    server = ControlServer(node, FakeKeys(encryptors=("sam", "sue")), rules)
    async with serving(server, tmp_path / "other.sock") as raw:
        assert (await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, "sam"))[0] == ErrorCode.OK
        assert (await raw.ask(Op.GET_KEYS, ["sunny"], 1, None, "sue"))[0] == ErrorCode.NOT_ALLOWED
        assert (await raw.ask(Op.STOP))[0] == ErrorCode.NOT_ALLOWED


async def test_the_peer_is_who_the_kernel_says(monkeypatch, connect):
    seen = []
    real = LocalUser.of_peer
    monkeypatch.setattr(LocalUser, "of_peer", lambda sock: seen.append(real(sock)) or seen[-1])
    raw = await connect()
    await raw.ask(Op.STATUS)
    assert seen == [LocalUser(os.getuid(), os.getgid())]


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
    monkeypatch.setattr(node, "status", lambda: made.append(1) or {})
    raw.writer.write(b"".join(encode_request(Op.STATUS, number, []) for number in range(1, 101)))
    for _ in range(100):
        assert (await raw.reply())[1] == ErrorCode.OK
    assert len(made) < 50
    node.reason = "changed"
    assert "changed" in (await raw.ask(Op.STATUS))[1]


async def test_a_reply_over_the_limit_becomes_an_error(raw, node):
    node.state = {"much": "x" * limits.MAX_CONTROL_FRAME_BYTES}
    assert (await raw.ask(Op.STATUS))[0] == ErrorCode.LIMIT


async def until(bystander, condition):
    """Let the server have turns, and see that it answers others, until `condition` holds."""
    for _ in range(10_000):
        if condition():
            return
        assert (await bystander.ask(Op.LOCATE, "sunny"))[0] == ErrorCode.OK
    pytest.fail("not within 10,000 turns")


@contextlib.asynccontextmanager
async def deaf_client(path, server, bystander, requests, nr_others=1):
    """A connection that asks so much and does not read, and has been accepted beside so many others."""
    await until(bystander, lambda: len(server._connections) == nr_others)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, str(path))
        await until(bystander, lambda: len(server._connections) == nr_others + 1)
        asking = b"".join(encode_request(Op.STATUS, number, []) for number in range(1, requests + 1))
        await loop.sock_sendall(deaf, asking)
        yield deaf


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
    monkeypatch.setattr(control.time, "perf_counter", lambda: next(times))
    first = await raw.ask(Op.STATUS)
    node.state = {"another": "state"}
    assert await raw.ask(Op.STATUS) == first


# --- the end ---


async def test_close_answers_what_is_open_and_removes_the_socket(raw, keys, server, path, caplog):
    keys.hold = True
    held = asyncio.Event()
    keys.on_held = held.set
    raw.send(Op.LOCATE, 9, "sunny")
    await held.wait()
    await server.close()
    assert await raw.reply() == [9, ErrorCode.SHUTTING_DOWN, "carol is stopping"]
    assert await raw.at_end()
    assert not path.exists()
    keys.release()
    await server.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_close_does_not_wait_for_who_does_not_read(monkeypatch, path, node, server):
    monkeypatch.setattr(control, "SHUTDOWN_GRACE_S", 0.01)
    node.state = {"much": "x" * 3_000_000}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, str(path))
        await loop.sock_sendall(deaf, encode_request(Op.STATUS, 1, []))
        await asyncio.to_thread(lambda: deaf.setblocking(True) or deaf.recv(4))
        await server.close()
    assert not path.exists()


async def test_a_second_server_does_not_take_the_socket(server, node, rules, path):
    with pytest.raises(DskedError, match="already listening"):
        await ControlServer(node, None, rules).start(path)
