from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket

import msgpack
import pytest

import dsked
from dsked.chosen_limits import with_values
from dsked.delivery import status_pages
from dsked.delivery.access import AccessRules, LocalUser
from dsked.delivery.control import ControlServer
from dsked.delivery.control_protocol import Op, encode_request
from dsked.errors import DskedError, ErrorCode, TooFewHubsError

from .fakes import FakeKeys, FakeNode
from .raw_control import STRANGER, serving

pytestmark = pytest.mark.usefixtures("server")


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


async def test_status(raw, node, monkeypatch):
    monkeypatch.setattr(status_pages, "LONG_STATUS_S", math.inf)  # none is kept, however slow the machine
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


async def test_drain_tells_how_far_it_is(raw, node):
    assert await raw.ask(Op.DRAIN) == (ErrorCode.OK, [3, 59.5])
    node.left = 0, 0.0
    assert await raw.ask(Op.DRAIN) == (ErrorCode.OK, [0, 0.0])


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
        (ErrorCode.BAD_REQUEST, Op.STATUS, [1, 2]),
        (ErrorCode.BAD_REQUEST, Op.STATUS, [-1]),
        (ErrorCode.BAD_REQUEST, Op.STATUS, [2**32]),
        (ErrorCode.BAD_REQUEST, Op.STATUS, ["carol"]),
        (ErrorCode.BAD_REQUEST, Op.STOP, [1]),
        (ErrorCode.BAD_REQUEST, Op.DRAIN, [1]),
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
    assert (await raw.ask(Op.DRAIN))[0] == ErrorCode.NOT_ALLOWED
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


async def test_close_does_not_wait_for_who_does_not_read(path, node, rules):
    server = ControlServer(node, None, rules, limits=with_values({"shutdown_grace_s": 0.01}))
    path = path.with_name("deaf.sock")
    await server.start(path)
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
