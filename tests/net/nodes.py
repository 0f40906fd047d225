"""Hubs and clients on real sockets of this process, and raw connections to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsked.chosen_limits import with_values
from dsked.config.node import ClientSettings, ControlSettings, HubAddress, HubSettings
from dsked.errors import DskedError
from dsked.keys import Key
from dsked.net.client_node import ClientNode
from dsked.net.hub_node import HubNode
from dsked.psrd.pair import Streams

LIMIT_S = 10.0  # a test that hangs fails
NO_STREAMS: Mapping[str, Streams] = {}
OWNERS = {"carol": ("sam",), "curtis": ("sunny",)}


def gate_key(client: str, hub: str) -> bytes:
    return f"{client}/{hub}".encode().ljust(32, b".")


class Nodes:
    """Makes nodes, and closes them all. Ports are the system's choice."""

    def __init__(self, directory: Path) -> None:
        self._state_dir = directory / "state"
        self._control = ControlSettings(path=directory / "control.sock")
        self._open: list[HubNode | ClientNode] = []
        self._sockets: list[asyncio.StreamWriter] = []
        self._impostors: list[Impostor] = []
        self._turn = asyncio.Event()

    def hub_settings(
        self, name: str = "hank", port: int = 0, host: str = "127.0.0.1", **limits: float
    ) -> HubSettings:
        return HubSettings(
            name=name, host=host, port=port, share_timeout_s=60.0, simulated=True, owners=OWNERS,
            state_dir=self._state_dir / name,
            gate_keys={client: gate_key(client, name) for client in OWNERS}, control=self._control,
            limits=with_values(limits),
        )  # fmt: skip

    def client_settings(
        self, name: str, ports: dict[str, int], k: int = 2, hosts: Mapping[str, str] = {}, **other: Any
    ) -> ClientSettings:
        hubs = tuple(
            HubAddress(name=hub, host=hosts.get(hub, "127.0.0.1"), port=port, x=x)
            for x, (hub, port) in enumerate(ports.items(), 1)
        )
        settings = {
            "name": name, "host": "127.0.0.1", "port": None, "etsi_plain_http": False, "hubs": hubs,
            "min_nr_shares": k, "encryptors": OWNERS[name], "simulated": True, "control": self._control,
            "gate_keys": {hub: gate_key(name, hub) for hub in ports}, "state_dir": self._state_dir / name,
        }  # fmt: skip
        return ClientSettings(**{**settings, **other})

    async def hub(
        self, name: str = "hank", port: int = 0, host: str = "127.0.0.1", **limits: float
    ) -> HubNode:
        hub = HubNode(self.hub_settings(name, port, host, **limits), lambda: None)
        await hub.start()
        self._open.append(hub)
        return hub

    async def client(
        self, name: str, ports: dict[str, int], streams: Mapping[str, Streams] = NO_STREAMS, **other: Any
    ) -> ClientNode:
        settings = self.client_settings(name, ports, **other)
        client = ClientNode(settings, lambda: None, self._turn.set, streams)
        await client.start()
        self._open.append(client)
        return client

    async def impostor(self, says: bytes | None) -> int:
        """The port of something that is no hub: it says this and closes, or nothing at all."""
        impostor = Impostor(says)
        self._impostors.append(impostor)
        return await impostor.start()

    async def close_node(self, node: HubNode | ClientNode) -> None:
        self._open.remove(node)
        await node.close()

    async def close(self) -> None:
        for writer in self._sockets:
            writer.transport.abort()
        while self._open:
            await self._open.pop().close()
        for impostor in self._impostors:
            await impostor.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is looked at after every turn of a client."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._turn.clear()
                await self._turn.wait()

    async def ready(self, *clients: ClientNode) -> None:
        for client in clients:
            await self.until(lambda client=client: client.readiness() is None)  # type: ignore[misc]

    async def connect(self, port: int, address: str = "127.0.0.1") -> Raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        self._sockets.append(writer)
        return Raw(reader, writer)


class Impostor:
    """Something else that listens where a hub should."""

    def __init__(self, says: bytes | None) -> None:
        self._says = says
        self._open: dict[asyncio.BaseTransport, asyncio.Event] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Impostor(self), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def connected(self, transport: asyncio.Transport) -> asyncio.Event:
        if self._says is not None:
            transport.write(self._says)
            transport.close()
        lost = self._open[transport] = asyncio.Event()
        return lost

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport, lost in self._open.items():
            transport.close()
            await asyncio.wait_for(lost.wait(), LIMIT_S)


class _Impostor(asyncio.Protocol):
    def __init__(self, owner: Impostor) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._lost = self._owner.connected(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()


class Raw:
    """A TCP connection of somebody who is no client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def greeting(self) -> bytes:
        """M0, or nothing where the connection was dropped."""
        async with asyncio.timeout(LIMIT_S):
            try:
                head = await self.reader.readexactly(4)
                return head + await self.reader.readexactly(int.from_bytes(head, "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""

    async def rest(self) -> bytes:
        """What comes until the other end closes."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self.reader.read()
            except ConnectionError:  # what was being written may not have left
                return b""

    def close(self) -> None:
        self.writer.transport.abort()


async def get_keys(client: ClientNode, caller: str, *responders: str) -> list[Key]:
    future: asyncio.Future[list[Key]] = asyncio.get_running_loop().create_future()
    client.get_keys(caller, responders, 1, 256, lambda outcome: _settle(future, outcome))
    return await asyncio.wait_for(future, LIMIT_S)


async def get_by_id(client: ClientNode, caller: str, initiator: str, keys: list[Key]) -> list[Key]:
    future: asyncio.Future[list[Key]] = asyncio.get_running_loop().create_future()
    ids = [key.key_id for key in keys]
    client.get_keys_by_id(caller, initiator, ids, lambda outcome: _settle(future, outcome))
    return await asyncio.wait_for(future, LIMIT_S)


def _settle(future: asyncio.Future[list[Key]], outcome: list[Key] | DskedError) -> None:
    if isinstance(outcome, DskedError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


_claims: list[socket.socket] = []


def free_port() -> int:
    """A port on which nobody listens, and that the system gives to nobody else before the test has ended.

    The test may listen there: two sockets may be bound to the same address while no more than one listens.
    """
    claim = socket.socket()
    _claims.append(claim)
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    claim.bind(("127.0.0.1", 0))
    port: int = claim.getsockname()[1]
    return port


def give_up_ports() -> None:
    while _claims:
        _claims.pop().close()
