from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading

import msgpack
import pytest

from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.delivery.control_protocol import encode_frame
from dsked.errors import BadNumberError, FrameError, NotAllowedError, TooFewHubsError


@pytest.fixture
def use(server, path):
    """Run a function of a connected client beside the loop that serves it."""

    def run(function):
        with ControlClient(path) as client:
            return function(client)

    return lambda function: asyncio.to_thread(run, function)


@pytest.fixture
def answering(path):
    """A stand-in for a node: sends the given bytes to whoever asks, and then hangs up if told so."""
    ends = []

    def start(sends, hang_up=False):
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(path))
        listening.listen()

        def serve():
            connection, _ = listening.accept()
            ends.append(connection)
            connection.recv(1000)
            connection.sendall(sends)
            if hang_up:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        ends.extend([listening, thread])

    yield start
    for end in reversed(ends):
        end.join() if isinstance(end, threading.Thread) else end.close()


async def test_every_request(use, keys, node):
    made = await use(lambda client: client.get_keys(["sunny"], 2, 256, "sam"))
    assert [len(key.key) for key in made] == [32, 32]
    key = keys.deal("sunny", "sam")
    assert await use(lambda client: client.get_keys_by_id("sunny", [key.key_id])) == [key]
    assert await use(lambda client: client.locate("sunny")) == "curtis"
    status = await use(ControlClient.status)
    assert (status["name"], status["status"]) == ("carol", node.state)
    assert await use(lambda client: client.peer_pid) == os.getpid()
    assert await use(ControlClient.drain) == (3, 59.5)
    await use(ControlClient.stop)
    assert node.stopped


async def test_one_connection_carries_many_requests_and_errors_between(use, keys):
    def requests(client):
        for _ in range(3):
            with pytest.raises(BadNumberError, match="expected 1 to 128"):
                client.get_keys(["sunny"], number=0)
            assert len(client.get_keys(["sunny"])) == 1

    await use(requests)


async def test_an_error_is_of_the_class_that_declares_its_code(use, keys):
    keys.failure = TooFewHubsError("2 of 5 hubs answered; 3 are needed")
    with pytest.raises(TooFewHubsError, match="2 of 5 hubs answered; 3 are needed"):
        await use(lambda client: client.get_keys(["sunny"]))


async def test_a_large_key_comes_in_pieces(use):
    [key] = await use(lambda client: client.get_keys(["sunny"], 1, 16_777_216))
    assert len(key.key) == 2 * 1024 * 1024


def test_nobody_listens(path):
    with pytest.raises(NotRunningError, match="no node is listening"):
        ControlClient(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunningError, match="no node is listening"):
        ControlClient(path)


def test_a_path_that_no_socket_can_have(tmp_path):
    with pytest.raises(NotRunningError, match="107 bytes"):
        ControlClient(tmp_path / ("x" * 107))


def test_not_allowed_to_connect(path, monkeypatch):
    def denied(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    with pytest.raises(NotAllowedError, match="you may not use"):
        ControlClient(path)


def test_a_node_that_hangs(path, answering):
    answering(b"\0\0\0\x08half")
    with ControlClient(path, timeout_s=0.05) as client, pytest.raises(NoAnswerError, match=r"within 0.05 s"):
        client.status()


def test_a_node_that_dies(path, answering):
    answering(b"\0\0", hang_up=True)
    with ControlClient(path) as client, pytest.raises(NoAnswerError, match=r"closed the connection|failed"):
        client.status()


@pytest.mark.parametrize(
    "sends",
    [
        b"\xff" * 8,
        b"\0\0\0\1\xc1",
        encode_frame([1, 0]),
        encode_frame([2, 0, "{}"]),
        (5).to_bytes(4, "big") + msgpack.packb("text"),
    ],
)
def test_a_reply_that_is_not_understood(path, answering, sends):
    answering(sends)
    with ControlClient(path) as client, pytest.raises(FrameError):
        client.status()


def test_it_imports_little():
    heavy = ["asyncio", "uvloop", "msgspec", "aiohttp", "click", "yaml", "cryptography", "logging", "ssl"]
    program = f"import sys, dsked.delivery.control_client; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
