from __future__ import annotations

import os

import pytest
import uvloop

from dsked.delivery.access import AccessRules
from dsked.delivery.control import ControlServer

from .fakes import FakeKeys, FakeNode


def pytest_asyncio_loop_factories():
    """Sockets behave a little differently on the two loops, and the daemon runs on both."""
    import asyncio

    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def keys():
    return FakeKeys()


@pytest.fixture
def node():
    return FakeNode()


@pytest.fixture
def rules():
    return AccessRules(owner_uid=os.getuid(), users={}, groups={})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "node.sock"


@pytest.fixture
async def server(node, keys, rules, path):
    server = ControlServer(node, keys, rules)
    await server.start(path)
    yield server
    await server.close()
