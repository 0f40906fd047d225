from __future__ import annotations

import asyncio
import json
import logging
import os

import aiohttp
import pytest
import uvloop
from yarl import URL

from dsked.delivery.access import AccessRules, LocalUser
from dsked.delivery.control import ControlServer
from dsked.delivery.etsi import caller_of_authorization, create_app
from dsked.delivery.http_server import HttpServer

from .fakes import FakeKeys, FakeNode
from .raw_control import STRANGER, Raw


def pytest_asyncio_loop_factories():
    """Sockets behave a little differently on the two loops, and the daemon runs on both."""
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


@pytest.fixture
def as_stranger(monkeypatch):
    """Connections made from here on come from a user whom no rule names."""
    monkeypatch.setattr(LocalUser, "of_peer", lambda connection: STRANGER)


@pytest.fixture
async def http(keys):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
async def call(http):
    """Send a request; returns the reply's status, its JSON and its headers."""
    async with aiohttp.ClientSession() as session:

        async def call(method, path, **options):
            url = URL(f"http://127.0.0.1:{http.port}{path}", encoded=True)
            async with session.request(method, url, **options) as reply:
                return reply.status, json.loads(await reply.read() or b"null"), reply.headers

        yield call


@pytest.fixture
def quiet(caplog):
    """Fails the test where anything at all was logged from INFO up."""
    caplog.set_level(logging.INFO)
    yield
    assert [
        record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.INFO
    ] == []
