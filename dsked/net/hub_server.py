"""A hub on the network: listens, limits who may connect, feeds the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import cast

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import ConfigurationError, DskedError
from dsked.hub.engine import HubEngine
from dsked.limits import STRANGER_PATIENCE_S
from dsked.net.outsiders import OutsiderLog
from dsked.net.strangers import Strangers
from dsked.net.tcp import DskeProtocol, OpenProtocols, peer_address, reason
from dsked.net.turns import Turns
from dsked.sockets import Acceptor, listen
from dsked.wire.connection import HubConnection, Stage

_log = logging.getLogger(__name__)


class HubServer:
    """The TCP side of one hub (an Owner of its connections)."""

    def __init__(self, engine: HubEngine, limits: Limits = DEFAULT_LIMITS) -> None:
        self._engine = engine
        self._limits = limits
        self._turns = Turns(engine, self._end_turn)
        engine.wake = self.touch
        self._outsiders = OutsiderLog(_log, self._turns.now)
        self._clients = OutsiderLog(_log, self._turns.now)  # kinds are the clients' names
        self._protocols: OpenProtocols[HubConnection] = OpenProtocols()
        self._strangers = Strangers()
        self._timeouts: dict[HubConnection, asyncio.TimerHandle] = {}  # of those without a session
        self._acceptor: Acceptor | None = None
        self._drained = asyncio.Event()

    def use_limits(self, limits: Limits) -> None:
        """What is open stays."""
        self._limits = limits

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ConfigurationError when the address cannot be had."""
        try:
            sockets = await listen(host, port)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {host} port {port}: {reason(error)}") from None
        self._acceptor = Acceptor(sockets, lambda: _Accepted(self), self._make_room, self._no_room_for)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._acceptor is not None
        return self._acceptor.port

    @property
    def nr_connections(self) -> int:
        """Clients and strangers that are connected."""
        return len(self._protocols)

    @property
    def nr_strangers(self) -> int:
        """Those of them that have shown no gate key yet."""
        return len(self._strangers)

    @property
    def outsiders(self) -> Mapping[str, int]:
        """What outsiders have done, by the kinds of the log's warnings: how often since the start."""
        return self._outsiders.warnings

    async def close(self) -> None:
        """Stop listening, give out what is left within a grace, and close all connections.

        Those that linger are aborted after another one.
        """
        if self._acceptor is not None:
            await self._acceptor.close()
            await self._drain()
        await self._protocols.close(self._limits.shutdown_grace_s)
        self._turns.close()

    def drain(self) -> tuple[int, float]:
        """Take no more shares: how many are left, and in how many seconds they have timed out."""
        left = self._engine.drain(self._turns.now())
        self.touch()
        return left

    async def _drain(self) -> None:
        """All clients are told, and may fetch what is here, until nothing is, or shutdown_grace_s is over."""
        self._drained.clear()  # clients may have come since
        self.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.shutdown_grace_s):
                await self._drained.wait()

    # --- connections come and go ---

    def accepted(self, transport: asyncio.Transport) -> None:
        """A TCP connection. Where a limit of strangers is reached, the oldest of them makes room.

        So a crowd of idle strangers does not lock out a client, whose handshake takes a moment. That moment
        everybody has (STRANGER_PATIENCE_S): else thousands of clients that come at once, as they do when
        a hub was started again, would push each other out. Who has shown a gate key is no stranger and
        makes room for none: else a crowd of them would cost clients the pads of their M3. There is one such
        connection for each client at most.
        """
        address, now = peer_address(transport), self._turns.now()
        problem = self._why_not(address, now)
        if problem:
            self._outsiders.warning(
                "limit", f"{problem}: one more, from {address}, was dropped", address=address
            )
            transport.abort()
            return
        connection = self._engine.connect()
        protocol = DskeProtocol(self, connection, transport)
        self._protocols[connection] = protocol
        self._strangers.add(connection, address, now)
        loop = asyncio.get_running_loop()
        limit_s = self._limits.handshake_timeout_s
        self._timeouts[connection] = loop.call_later(limit_s, self._too_slow, connection)
        transport.set_protocol(protocol)
        self.touch()

    def _why_not(self, address: str, now: float) -> str:
        """Makes room for one more from `address`; why it may not come, where there can be none."""
        if len(self._protocols) >= self._limits.max_connections and not self._strangers:
            return f"{self._limits.max_connections} connections"
        neighbours = self._strangers.of(address)
        if len(neighbours) >= self._limits.max_unauthenticated_per_address:
            oldest = next(iter(neighbours))
            if self._patience_with(oldest, now) > 0:
                return f"{len(neighbours)} new unauthenticated connections of one address"
            self._evict(oldest)
        elif not self._has_room():
            self._make_room()
        return ""

    def _no_room_for(self, pending: int) -> float:
        """Seconds until the oldest stranger must make room for one more beside those that are pending."""
        oldest = self._strangers.oldest()
        if oldest is None or self._has_room(pending):
            return 0.0
        return max(self._patience_with(oldest, self._turns.now()), 0.0)

    def _has_room(self, pending: int = 0) -> bool:
        limits = self._limits
        return (
            len(self._strangers) + pending < limits.max_unauthenticated_connections
            and len(self._protocols) + pending < limits.max_connections
        )

    def _patience_with(self, stranger: HubConnection, now: float) -> float:
        """Seconds for which it need not make room yet."""
        return self._strangers.since(stranger) + STRANGER_PATIENCE_S - now

    def _make_room(self) -> None:
        """The oldest of the strangers goes, if there is one."""
        stranger = self._strangers.oldest()
        if stranger is not None:
            self._evict(stranger)

    def _evict(self, stranger: HubConnection) -> None:
        protocol = self._protocols[stranger]
        self._outsiders.warning(
            "limit",
            f"too many unauthenticated connections: the oldest, from {protocol.peer}, was dropped",
            address=protocol.peer,
        )
        self._strangers.forget(stranger)
        protocol.transport.abort()

    def _no_stranger(self, connection: HubConnection) -> None:
        """It has shown a gate key, or is gone: those who wait may come."""
        self._strangers.forget(connection)
        if self._acceptor is not None and self._has_room():
            self._acceptor.go_on()

    def _too_slow(self, connection: HubConnection) -> None:
        protocol = self._protocols[connection]
        limit_s = self._limits.handshake_timeout_s
        self._outsiders.warning(
            "slow", f"{protocol.peer} did not authenticate in {limit_s} s", address=protocol.peer
        )
        protocol.transport.abort()

    def _in_time(self, connection: HubConnection) -> None:
        timeout = self._timeouts.pop(connection, None)
        if timeout is not None:
            timeout.cancel()

    def lost(self, connection: HubConnection, error: Exception | None) -> None:
        self._in_time(connection)
        self._protocols.lost(connection)
        self._no_stranger(connection)
        self._engine.disconnected(connection)

    # --- bytes ---

    def received(self, connection: HubConnection, data: bytes) -> None:
        self._engine.receive(connection, data, self._turns.now())
        if connection not in self._timeouts:
            return
        peer = self._protocols[connection].peer
        if connection.pair is not None:
            self._no_stranger(connection)
        if connection.stage is Stage.OPEN:
            self._in_time(connection)
            client = connection.client
            self._clients.info(client, f"client {client} connected from {peer}", peer=client, address=peer)
        elif connection.handshake.refusal is not None and connection.handshake.pair is not None:
            client, reason = connection.handshake.pair.client, connection.handshake.reason
            text = f"refused client {client} at {peer}: {reason}"
            self._outsiders.warning("refused", text, peer=client, address=peer)

    def failed(self, connection: HubConnection, peer: str, error: DskedError) -> None:
        fields, who = {"address": peer}, peer
        if connection.pair is not None:
            fields["peer"], who = connection.client, f"client {connection.client} at {peer}"
        self._outsiders.warning(type(error).__name__, f"closing the connection of {who}: {error}", **fields)

    def touch(self) -> None:
        self._turns.touch()

    def _end_turn(self, now: float) -> None:
        changed, to_close = self._engine.turn_ends()
        for connection in changed:
            protocol = self._protocols.get(connection)
            if protocol is not None:
                protocol.flush()
        for connection in to_close:
            protocol = self._protocols.get(connection)
            if protocol is not None:
                protocol.transport.abort()
        if self._engine.is_drained:
            self._drained.set()


class _Accepted(asyncio.Protocol):
    """A connection at its very first: hands its transport over."""

    def __init__(self, server: HubServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.accepted(cast(asyncio.Transport, transport))
