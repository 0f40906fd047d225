"""Hubs by name: all addresses are tried, and names are looked up anew."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from dsked import sockets
from dsked.net import dialling
from dsked.net.dialling import Dialling, _in_turns
from tests.net.nodes import LIMIT_S, Nodes, free_port

NAME = "hub1.example.net"


class Names:
    """What the system answers."""

    def __init__(self) -> None:
        self.addresses: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def find(self, host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
        self.asked.append(host)
        await self.answers.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))
            for host, port in self.addresses
        ]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names()
    monkeypatch.setattr(dialling, "_by_name", found.find)
    return found


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that takes no connection and refuses none: its backlog is full."""
    with socket.socket() as deaf, socket.socket() as first:
        deaf.bind(("127.0.0.3", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())
        yield deaf.getsockname()


@pytest.fixture
def hub_socket() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.2", 0)) as one:
        yield one


async def peer_of(made: Dialling, host: str = NAME, port: int = 1) -> tuple[str, int]:
    async with asyncio.timeout(LIMIT_S):
        with await made.connect(host, port) as connected:
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            return connected.getpeername()[:2]


async def test_an_address_that_does_not_answer_holds_up_no_other(
    names: Names, silent: tuple[str, int], hub_socket: socket.socket
) -> None:
    names.addresses = [silent, hub_socket.getsockname()]
    assert await peer_of(Dialling()) == hub_socket.getsockname()


async def test_an_address_that_refuses_is_left_for_the_next_at_once(
    names: Names, hub_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "NEXT_ADDRESS_S", LIMIT_S * 2)
    monkeypatch.setattr(dialling, "CONNECT_TIMEOUT_S", LIMIT_S * 8)
    names.addresses = [("127.0.0.4", free_port()), hub_socket.getsockname()]
    assert await peer_of(Dialling()) == hub_socket.getsockname()


async def test_a_name_is_looked_up_for_every_connection(names: Names, hub_socket: socket.socket) -> None:
    made = Dialling()
    with socket.create_server(("127.0.0.5", 0)) as moved:
        for server in (hub_socket, moved):
            names.addresses = [server.getsockname()]
            assert await peer_of(made) == server.getsockname()
    assert names.asked == [NAME, NAME]


async def test_where_no_name_server_answers_one_question_waits(
    names: Names, hub_socket: socket.socket
) -> None:
    made = Dialling()
    names.answers.clear()
    names.addresses = [hub_socket.getsockname()]
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await made.connect(NAME, 1)
    both = asyncio.gather(peer_of(made), peer_of(made))
    await asyncio.sleep(0)
    names.answers.set()
    assert await both == [hub_socket.getsockname()] * 2
    assert names.asked == [NAME]


async def test_a_question_that_is_open_is_dropped_at_the_end(names: Names) -> None:
    made = Dialling()
    names.answers.clear()
    asking = asyncio.ensure_future(made.connect(NAME, 1))
    await asyncio.sleep(0)
    made.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_why_none_answers(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Dialling()
    with pytest.raises(socket.gaierror, match="not known"):
        await made.connect(NAME, 1)
    names.addresses = [("127.0.0.4", free_port()), ("127.0.0.5", free_port())]
    with pytest.raises(ConnectionRefusedError):
        await made.connect(NAME, 1)
    names.addresses[1] = ("224.0.0.1", 1)
    with pytest.raises(OSError, match=r"^127\.0\.0\.4: Connection refused; 224\.0\.0\.1: "):
        await made.connect(NAME, 1)


async def test_addresses_need_no_name_server(names: Names, hub_socket: socket.socket) -> None:
    host, port = hub_socket.getsockname()
    assert await peer_of(Dialling(), host, port) == (host, port)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        assert await peer_of(Dialling(), "::1", six.getsockname()[1]) == six.getsockname()[:2]
    assert names.asked == []


async def test_what_connects_too_late_is_closed(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that answer in the same moment: the one that is not taken has its end closed."""
    monkeypatch.setattr(dialling, "NEXT_ADDRESS_S", 0)
    with socket.create_server(("127.0.0.2", 0)) as one, socket.create_server(("127.0.0.3", 0)) as other:
        names.addresses = [one.getsockname(), other.getsockname()]
        taken = await peer_of(Dialling())
        left = other if taken == one.getsockname() else one
        left.setblocking(False)
        try:
            accepted, _ = left.accept()
        except BlockingIOError:  # it was not begun
            return
        accepted.setblocking(False)
        with accepted:
            async with asyncio.timeout(LIMIT_S):
                assert await asyncio.get_running_loop().sock_recv(accepted, 1) == b""


def test_families_take_turns_and_the_first_one_stays_the_first() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found = [(six, "a"), (six, "b"), (six, "b"), (four, "c"), (six, "d")]
    assert _in_turns(found) == [(six, "a"), (four, "c"), (six, "b"), (six, "d")]


@pytest.mark.parametrize("host", ["localhost", "::1"])
async def test_a_client_finds_a_hub_by_name_and_by_an_address_of_ipv6(nodes: Nodes, host: str) -> None:
    port = free_port()
    hub = await nodes.hub(port=port, host=host)
    client = await nodes.client("carol", {"hank": hub.port}, hosts={"hank": host})
    await nodes.until(lambda: bool(client._engine.hubs.usable()))


@pytest.mark.parametrize("asked", ["127.0.0.1", "::1"])
async def test_all_addresses_are_those_of_both_families(asked: str) -> None:
    port = free_port()
    everywhere = await sockets.listen("*", port)
    try:
        assert sorted(one.family for one in everywhere) == [socket.AF_INET, socket.AF_INET6]
        assert await peer_of(Dialling(), asked, port) == (asked, port)
    finally:
        for one in everywhere:
            one.close()


async def test_a_machine_without_ipv6_listens_on_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    [only] = await sockets.listen("*", free_port())
    with only:
        assert only.family == socket.AF_INET
