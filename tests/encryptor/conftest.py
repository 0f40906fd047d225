from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvloop

from dsked.delivery.access import AccessRules
from dsked.delivery.control import ControlServer
from dsked.encryptor import AsyncKeyClient
from scripts.laboratory import Laboratory

from ..delivery.fakes import FakeKeys, FakeNode
from ..system.support import small, started
from .nodes import LIMIT_S, SECRET, Node


def pytest_asyncio_loop_factories():
    """An encryptor's program may run on either loop."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of all control sockets: with a short path, as pytest's own are too long for Unix."""
    with tempfile.TemporaryDirectory(prefix="dsked-test-") as path:
        monkeypatch.setenv("DSKED_RUNTIME_DIR", path)
        yield Path(path)


@pytest.fixture
def path(runtime: Path) -> Path:
    """Where the client's control socket is."""
    (runtime / "lab-00000000").mkdir()
    return runtime / "lab-00000000" / "client-carol.sock"


@pytest.fixture
async def node(path: Path) -> AsyncIterator[Node]:
    node = Node(path)
    await node.start()
    yield node
    await node.close()


@pytest.fixture
async def client(node: Node) -> AsyncIterator[AsyncKeyClient]:
    async with AsyncKeyClient("sam", timeout_s=LIMIT_S) as client:
        await node.accepted(2)  # that which found it, and its own
        yield client


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
async def server(keys: FakeKeys, path: Path) -> AsyncIterator[ControlServer]:
    """The daemon's own side of the socket, before keys that are made up."""
    server = ControlServer(FakeNode(), keys, AccessRules(os.getuid(), {}, {}))
    await server.start(path)
    yield server
    await server.close()


@pytest.fixture(scope="session")
def lab() -> Iterator[Laboratory]:
    """Real daemons: carol with sam, curtis with sunny and susan."""
    with started(small(["hank", "helen", "hugo"], k=2)) as lab:
        yield lab


@pytest.fixture(autouse=True)
def nothing_tells_a_key(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """No log line and no output of any test shows the key that nodes give here."""
    caplog.set_level(logging.DEBUG)
    yield
    told = [*(record.getMessage() for record in caplog.get_records("call")), *capfd.readouterr()]
    assert not [text for text in told if shows_secret(text)]


def shows_secret(text: str) -> bool:
    """Whether a text tells some of the secret in any of the ways in which programs write bytes.

    A repr that is cut short shows two bytes at its ends; in hexadecimal four could not come by chance.
    """
    return any(
        repr(SECRET[at : at + 2])[2:-1] in text
        or SECRET[at : at + 2].decode("latin-1") in text
        or SECRET[at : at + 4].hex() in text
        or SECRET[at : at + 4].hex(" ") in text
        or str(list(SECRET[at : at + 4]))[1:-1] in text
        for at in range(len(SECRET) - 3)
    )
