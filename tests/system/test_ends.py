"""SIGTERM and SIGINT end a daemon in order, however many connections are open, on both event loops."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dsked.delivery.control_protocol import Op, encode_request
from scripts.laboratory import Laboratory

from .daemon import Daemon
from .support import assert_no_fault, etsi, key_pair, many_pairs, small, wait_for_hubs

HUBS = ["hank", "helen", "hugo"]
#: These run on asyncio's own event loop.
WITHOUT_UVLOOP = ("carol", "hank", "hugo")
CONNECTIONS = 50
NO_UVLOOP = "running on asyncio's own event loop"


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    """A laboratory whose nodes are started one by one."""
    lab = Laboratory(small(HUBS, k=2))
    with ExitStack() as stack:
        stack.push(lab.__exit__)
        yield lab


@pytest.fixture
def no_uvloop(tmp_path: Path) -> dict[str, str]:
    """The environment of a daemon that finds no uvloop."""
    (tmp_path / "uvloop.py").write_text("raise ImportError('hidden')\n")
    return {"PYTHONPATH": str(tmp_path)}


REQUESTS = (b"", b"GET /api", b"POST /api/v1/keys/x/enc_keys HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
FRAMES = (b"", b"\0\0", encode_request(Op.STATUS, 1, []))
#: It waits for its deadline when the end comes.
UNKNOWN_KEY = encode_request(Op.GET_KEYS_BY_ID, 2, ["sam", [bytes(16)], "sunny"])


def open_many(lab: Laboratory, stack: ExitStack) -> None:
    """Connections of every kind, in every state, to all nodes."""

    def open_tcp(name: str, data: bytes) -> None:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", lab.port(name))))
        connection.sendall(data)

    def open_control(name: str, data: bytes) -> None:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.connect(str(lab.socket("client", name)))
        connection.sendall(data)

    for number in range(CONNECTIONS):
        for name in HUBS:
            open_tcp(name, b"\0" * (number % 4))
        for name in ("carol", "curtis"):
            open_tcp(name, REQUESTS[number % 3])
            open_control(name, FRAMES[number % 3])
    open_control("curtis", UNKNOWN_KEY)


def test_signals_with_many_connections_open(lab: Laboratory, no_uvloop: dict[str, str]) -> None:
    with ExitStack() as stack:
        nodes: dict[str, Daemon] = {}
        for role, name in lab.nodes():
            arguments = ["--role", role, name, "--config", str(lab.config), *lab.places]
            environment = no_uvloop if name in WITHOUT_UVLOOP else None
            log = lab.path / f"{role}-{name}.out"
            nodes[name] = stack.enter_context(Daemon(arguments, log, environment))
        for daemon in nodes.values():
            daemon.wait_ready()
        wait_for_hubs(lab, "carol", "curtis")
        assert many_pairs(lab, 16) == 16
        key_pair(lab, "sunny", "sam", size=65_536)
        assert etsi(lab, "carol", "sunny/enc_keys").status == 200
        open_many(lab, stack)

        for number, name in enumerate(["carol", "hank", "curtis", "helen", "hugo"]):
            assert nodes[name].end((signal.SIGTERM, signal.SIGINT)[number // 2 % 2]) == 0, name
        for _, name in lab.nodes():
            log_text = lab.log(name)
            assert_no_fault(log_text, name)
            assert f"{name} is stopping" in log_text
            assert log_text.count(NO_UVLOOP) == (name in WITHOUT_UVLOOP)
        assert not list(lab.path.glob("*/*.sock"))


def test_a_signal_while_the_node_is_not_ready(lab: Laboratory) -> None:
    arguments = ["--role", "client", "carol", "--config", str(lab.config), *lab.places]
    with Daemon(arguments, lab.path / "client-carol.out") as carol:
        assert "0 of 3 hubs are connected, 2 are needed" in carol.wait_unready()
        assert carol.end(signal.SIGINT) == 0
    assert_no_fault(lab.log("carol"), "carol")
