"""Those who do not hold the gate key: a closed connection, silence, one log line.

Nobody fetches keys at carol, so that her pools change by her own requests only.
"""

from __future__ import annotations

import json
import random
import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from dsked.errors import ErrorCode
from dsked.limits import (
    MAX_HANDSHAKE_BYTES,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
)
from dsked.wire.frame import ARRAY_OF_7, LENGTH_BYTES
from dsked.wire.handshake import M2, Flag, decode_part
from scripts.laboratory import wait_until

from .outsiders import (
    SLOW_ADDRESS,
    VICTIM,
    Scene,
    all_until_closed,
    dial,
    hello,
    hello_of_version,
    receive_piece,
    reconnected,
    with_length,
)

OTHER_ADDRESS = "127.0.0.2"
CONNECTIONS = 300


@pytest.fixture(scope="module", autouse=True)
def slow(scene: Scene) -> Iterator[list[socket.socket]]:
    """Two that connect at the beginning and then say too little: nothing whole, and nothing after M1."""
    silent, half = dial(scene.port, SLOW_ADDRESS), dial(scene.port, SLOW_ADDRESS)
    receive_piece(silent)
    silent.sendall(b"\0")
    half.sendall(hello(receive_piece(half), scene.gate_key()))
    with silent, half:
        yield [silent, half]


STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda m0: random.Random(7).randbytes(4096),
    "HTTP": lambda m0: b"GET / HTTP/1.1\r\nHost: hank\r\n\r\n",
    "TLS": lambda m0: bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "4 GiB": lambda m0: b"\xff\xff\xff\xff" + bytes(64),
    "one byte too long": lambda m0: with_length(bytes(MAX_HANDSHAKE_BYTES + 1)),
    "no byte": lambda m0: bytes(LENGTH_BYTES),
    "no message": lambda m0: with_length(b"\x93\x01\x02\x03"),
    "deeply nested": lambda m0: with_length(b"\x91" * MAX_HANDSHAKE_BYTES),
    "a frame": lambda m0: with_length(bytes([ARRAY_OF_7]) + bytes(100)),
    "its own greeting": lambda m0: m0,
    "no gate key": lambda m0: hello(m0, random.randbytes(32)),
    "a gate key of zeros": lambda m0: hello(m0, bytes(32)),
    "an unknown client": lambda m0: hello(m0, random.randbytes(32), client="mallory"),
    "a client that is not served": lambda m0: hello(m0, random.randbytes(32), client="c" * 64),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_stranger_meets_silence(scene: Scene, what: str) -> None:
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(STRANGE[what](receive_piece(connection)))
        assert all_until_closed(connection) == b""


@pytest.mark.parametrize("what", ["the name of carol", "the gate key of carol"])
def test_name_and_gate_key_belong_together(scene: Scene, what: str) -> None:
    (path,) = scene.lab.path.rglob("gate-keys.json")
    of_curtis = bytes.fromhex(json.loads(path.read_text())["pairs"][f"curtis/{VICTIM}"])
    with scene.unharmed(), dial(scene.port) as connection:
        m0 = receive_piece(connection)
        mine = what == "the name of carol"
        connection.sendall(
            hello(m0, of_curtis if mine else scene.gate_key(), client="carol" if mine else "curtis")
        )
        assert all_until_closed(connection) == b""


def test_many_strangers_fill_no_log(scene: Scene) -> None:
    with scene.unharmed():
        for _ in range(50):
            with dial(scene.port) as connection:
                receive_piece(connection)
                connection.sendall(b"\xff" * 64)
                assert all_until_closed(connection) == b""
    assert any(re.search("closing the connection of .*127.0.0.1: ", line) for line in scene.lines())


REFUSED: dict[str, tuple[Callable[[bytes, bytes], bytes], ErrorCode, str]] = {
    "another version": (lambda m0, key: hello_of_version(m0, key, 99), ErrorCode.VERSION, "only 1"),
    "another hub": (lambda m0, key: hello(m0, key, hub="helen"), ErrorCode.WRONG_HUB, "hub is hank"),
    "no simulation": (lambda m0, key: hello(m0, key, simulated=False), ErrorCode.PSRD_MODE, "simulates"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_who_holds_the_gate_key_is_told_the_reason(scene: Scene, what: str) -> None:
    make, code, text = REFUSED[what]
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(make(receive_piece(connection), scene.gate_key()))
        m2 = decode_part(M2, receive_piece(connection))
        assert m2.code == code
        assert text in m2.reason
        assert all_until_closed(connection) == b""


def test_the_gate_key_alone_opens_no_session(scene: Scene) -> None:
    """Pads do: M3 under a guess is refused, and whoever is connected stays so."""
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(hello(receive_piece(connection), scene.gate_key()))
        m2 = decode_part(M2, receive_piece(connection))
        assert m2.flags & Flag.BEGIN_ANEW
        connection.sendall(with_length(b"\x96" + bytes(5) + b"\xc4\x10" + bytes(16)))
        assert all_until_closed(connection) == b""


def test_those_that_say_too_little_are_cut_off(scene: Scene, slow: list[socket.socket]) -> None:
    with scene.unharmed():
        silent, half = slow
        assert all_until_closed(silent) == b""
        assert decode_part(M2, all_until_closed(half)).code == ErrorCode.OK
    assert any("did not authenticate in" in line for line in scene.lines())
    assert len([line for line in scene.lines() if SLOW_ADDRESS in line]) <= 1


@pytest.mark.parametrize("source", ["127.0.0.1", OTHER_ADDRESS])
def test_many_connections(scene: Scene, source: str) -> None:
    """An address may hold a number of unauthenticated connections: others are closed, old ones or the newest.

    Sessions are not touched, and clients get in past the crowd.
    """
    with ExitStack() as stack:
        with scene.unharmed():
            crowd = [stack.enter_context(dial(scene.port, source)) for _ in range(CONNECTIONS)]
            too_many = CONNECTIONS - MAX_UNAUTHENTICATED_PER_ADDRESS
            wait_until(lambda: nr_closed(crowd) >= too_many, "those beyond the limit are closed")
        before = scene.proxy.nr_connections
        scene.proxy.drop()
        reconnected(scene, before)


def nr_closed(connections: list[socket.socket]) -> int:
    """How many of them the other side has closed."""
    with select.epoll() as ended:
        for one in connections:
            ended.register(one, select.EPOLLRDHUP)
        return len(ended.poll(0, len(connections)))
