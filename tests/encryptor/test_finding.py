"""Which client on this host is meant."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dsked.config import paths
from dsked.delivery.access import AccessRules
from dsked.delivery.control import ControlServer
from dsked.delivery.control_client import ControlClient
from dsked.encryptor import AsyncKeyClient, KeyClient, NoAnswerError, NotRunningError, find_socket
from dsked.errors import ConfigurationError, DskedError, NotAllowedError, RequestError

from ..delivery.fakes import FakeKeys, FakeNode
from .nodes import Node

Start = Callable[..., Awaitable[Path]]


@pytest.fixture
async def start(runtime: Path) -> AsyncIterator[Start]:
    """Clients of this host: name, encryptors, and the directory of their topology's sockets."""
    async with AsyncExitStack() as stack:

        async def start(name: str, *encryptors: str, topology: str = "lab-00000000") -> Path:
            (runtime / topology).mkdir(exist_ok=True)
            path = paths.socket_path(runtime / topology, "client", name)
            node = FakeNode(name=name)
            node.state = {"name": name, "encryptor_names": list(encryptors)}
            server = ControlServer(node, FakeKeys(name, encryptors), AccessRules(os.getuid(), {}, {}))
            await server.start(path)
            stack.push_async_callback(server.close)
            return path

        yield start


async def find(*args: Any, **options: Any) -> Path:
    return await asyncio.to_thread(find_socket, *args, **options)


async def test_the_only_client(start: Start, runtime: Path) -> None:
    carol = await start("carol", "sam")
    (runtime / "lab-00000000" / "hub-hank.sock").touch()
    for chosen in ({}, {"encryptor": "sam"}, {"node": "carol"}, {"runtime_dir": runtime}):
        assert await find(**chosen) == carol


async def test_of_several_the_one_that_serves_the_encryptor(start: Start) -> None:
    carol, curtis = await start("carol", "sam"), await start("curtis", "sunny", "susan")
    assert [await find(name) for name in ("sam", "susan")] == [carol, curtis]
    assert await find(node="curtis") == curtis
    says = r"^several clients run here: choose one by node=NAME, one of carol, curtis, or by the encr"
    with pytest.raises(RequestError, match=says):
        await find()
    says = r"^no client here serves x: carol serves sam; curtis serves sunny, susan$"
    with pytest.raises(RequestError, match=says):
        await find("x")
    await start("celia", "sam")
    says = r"^several clients here serve sam: choose one by node=NAME, one of carol, celia$"
    with pytest.raises(RequestError, match=says):
        await find("sam")


async def test_the_one_that_serves_the_encryptor_may_be_one_that_lets_nobody_in(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = await start("chloe", "chris")

    def connect(path: Path, timeout_s: float) -> ControlClient:
        if path == closed:
            raise NotAllowedError(f"you may not use {path}")
        return ControlClient(path, timeout_s)

    await start("carol", "sam")
    await start("curtis", "sunny")
    monkeypatch.setattr("dsked.encryptor.finding.ControlClient", connect)
    says = rf"^no client here serves chris: carol serves sam; .*; beside these, you may not use {closed}$"
    with pytest.raises(RequestError, match=says):
        await find("chris")


async def test_clients_of_one_name_in_two_topologies(start: Start, runtime: Path) -> None:
    config = runtime / "other.yaml"
    config.touch()
    here = await start("carol", "sam")
    there = await start("carol", "sam", topology=paths.topology_id(config))
    for chosen in ({"node": "carol"}, {"encryptor": "sam"}, {}):
        with pytest.raises(
            RequestError, match=r"choose one by config=FILE, .* or by socket=PATH, one of "
        ) as raised:
            await find(**chosen)
        assert str(here) in str(raised.value)
        assert str(there) in str(raised.value)
    assert await find("sam", config=config) == there


async def test_a_socket_that_nobody_listens_on_is_passed_over(start: Start, runtime: Path) -> None:
    carol = await start("carol", "sam")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(runtime / "lab-00000000" / "client-curtis.sock"))
    assert await find() == carol


async def test_a_client_that_does_not_answer_is_passed_over(start: Start, runtime: Path) -> None:
    carol = await start("carol", "sam")
    node = Node(runtime / "lab-00000000" / "client-curtis.sock")
    await node.start()
    found = asyncio.create_task(find("sam"))
    (await node.next()).hang_up()
    assert await found == carol
    await node.close()


async def test_no_client_runs(runtime: Path) -> None:
    with pytest.raises(NotRunningError, match=r"^no client runs here$"):
        await find("sam")
    with pytest.raises(NotRunningError, match=r"^no client carol runs here$"):
        await find(node="carol")
    with pytest.raises(ConfigurationError, match="there is no such file"):
        await find(config=runtime / "no.yaml")


async def test_a_directory_that_this_user_may_not_enter(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = runtime / "lab-00000000"
    closed.mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: path != closed)
    with pytest.raises(NotAllowedError, match=f"its group and root may look into {closed}"):
        await find(node="carol")


@pytest.mark.parametrize(
    "refused", [NotAllowedError("you may not use it"), NoAnswerError("it does not answer")]
)
async def test_a_client_that_lets_nobody_in(
    start: Start, monkeypatch: pytest.MonkeyPatch, refused: DskedError
) -> None:
    def refusing(*_: object) -> None:
        raise refused

    await start("carol", "sam")
    monkeypatch.setattr("dsked.encryptor.finding.ControlClient", refusing)
    with pytest.raises(type(refused), match=str(refused)):
        await find("sam")


async def test_both_clients_find_theirs_alike_and_stay_with_it(start: Start, runtime: Path) -> None:
    carol, curtis = await start("carol", "sam"), await start("curtis", "sunny")
    client = await asyncio.to_thread(KeyClient, "sunny")
    async with AsyncKeyClient("sunny") as other, AsyncKeyClient("x", node="carol") as third:
        assert (client.path, other.path, third.path) == (curtis, curtis, carol)
        assert (await other.status()).name == "curtis"
    assert (await asyncio.to_thread(client.status)).encryptors == ("sunny",)
    client.close()
    with pytest.raises(NotRunningError, match="no node is listening on"):
        await asyncio.to_thread(KeyClient, "sunny", socket=runtime / "none.sock")
    with pytest.raises(NotRunningError, match="no node is listening on"):
        await AsyncKeyClient("sunny", socket=runtime / "none.sock").connect()
    shutil.rmtree(runtime / "lab-00000000")
    with pytest.raises(NotRunningError, match="no client runs here"):
        await AsyncKeyClient("sunny").connect()


async def test_not_allowed_to_connect(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    carol = await start("carol", "sam")
    monkeypatch.setattr(socket, "socket", Denied)
    with pytest.raises(NotAllowedError, match="you may not use"):
        await AsyncKeyClient("sam", socket=carol).connect()
    with pytest.raises(NotAllowedError, match="you may not use"):
        await find("sam")
