"""A client on the network: keeps one connection to each of its hubs, feeds the engine."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import cast

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.errors import DskedError
from dsked.limits import CONNECT_TIMEOUT_S
from dsked.net.dialling import Dialling
from dsked.net.tcp import DskeProtocol, OpenProtocols, reason
from dsked.net.turns import Turns
from dsked.sockets import keep_alive
from dsked.wire.connection import ClientConnection, Stage

_log = logging.getLogger(__name__)


class HubDialer:
    """The TCP side of one client (an Owner of its connections). `addresses`: hub to (host, port).

    `turn_ended` is called after every turn, when all output has been written.
    """

    def __init__(
        self,
        engine: ClientEngine,
        addresses: Mapping[str, tuple[str, int]],
        turn_ended: Callable[[], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._addresses = addresses
        self._turn_ended = turn_ended
        self.turns = Turns(engine, self._end_turn)
        engine.wake = self.touch
        self._protocols: OpenProtocols[ClientConnection] = OpenProtocols()
        self._hub_of: dict[ClientConnection, HubPeer] = {}
        self._said: dict[HubPeer, str] = {}  # the problem that the log tells of a hub
        self._problems: dict[ClientConnection, str] = {}
        self._timeouts: dict[ClientConnection, asyncio.TimerHandle] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._dialling = Dialling()
        self.failures: Counter[str] = Counter()  # of sessions, by the kind of error, since the start

    def touch(self) -> None:
        self.turns.touch()

    def use_limits(self, limits: Limits) -> None:
        """For connections to come."""
        self._limits = limits

    @property
    def nr_connections(self) -> int:
        """Hubs that TCP has reached."""
        return len(self._protocols)

    async def close(self) -> None:
        """Say what is left to say, close all connections; those that linger are aborted."""
        for task in tuple(self._dials):
            task.cancel()
        self._dialling.close()
        await self._protocols.close(self._limits.shutdown_grace_s)
        self.turns.close()

    # --- dialling ---

    def _dial(self, hub: HubPeer) -> None:
        task = asyncio.create_task(self._connect(hub))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _connect(self, hub: HubPeer) -> None:
        host, port = self._addresses[hub.name]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._open(lambda: _Dialled(self, hub), host, port)
        except TimeoutError:
            self._unreachable(hub, f"no answer from {host} port {port} in {CONNECT_TIMEOUT_S} s")
        except OSError as error:
            self._unreachable(hub, f"cannot connect to {host} port {port}: {reason(error)}")

    async def _open(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> None:
        connected = await self._dialling.connect(host, port)
        await asyncio.get_running_loop().create_connection(factory, sock=connected)

    def _unreachable(self, hub: HubPeer, problem: str) -> None:
        self._say(hub, problem)
        self._engine.disconnected(hub, self.turns.now(), problem)
        self.touch()

    def _say(self, hub: HubPeer, problem: str) -> None:
        """Log why there is no session, once until that changes."""
        if self._said.get(hub) != problem:
            self._said[hub] = problem
            _log.warning("hub %s: %s", hub.name, problem, extra={"peer": hub.name})

    def dialled(self, hub: HubPeer, transport: asyncio.Transport) -> None:
        """TCP is there."""
        keep_alive(transport.get_extra_info("socket"))
        connection = self._engine.connected(hub)
        protocol = DskeProtocol(self, connection, transport)
        self._protocols[connection] = protocol
        self._hub_of[connection] = hub
        loop = asyncio.get_running_loop()
        self._timeouts[connection] = loop.call_later(
            self._limits.handshake_timeout_s, self._too_slow, connection
        )
        transport.set_protocol(protocol)

    def _too_slow(self, connection: ClientConnection) -> None:
        if connection.stage is not Stage.OPEN:
            self._problems[connection] = f"the handshake took more than {self._limits.handshake_timeout_s} s"
            self._protocols[connection].transport.abort()

    # --- bytes ---

    def received(self, connection: ClientConnection, data: bytes) -> None:
        self._engine.receive(connection, data, self.turns.now())

    def failed(self, connection: ClientConnection, peer: str, error: DskedError) -> None:
        self._problems[connection] = str(error)
        self.failures[type(error).__name__] += 1

    def lost(self, connection: ClientConnection, error: Exception | None) -> None:
        self._timeouts.pop(connection).cancel()
        self._protocols.lost(connection)
        hub = self._hub_of.pop(connection)
        problem = self._problems.pop(connection, None) or hub.closing or _why_lost(connection, error)
        if connection.session is None and not hub.closing:
            self._say(hub, problem)
        else:
            self._said.pop(hub, None)
        self._engine.disconnected(hub, self.turns.now(), problem)

    def _end_turn(self, now: float) -> None:
        to_dial, connections = self._engine.turn_ends(now)
        for hub in to_dial:
            self._dial(hub)
        for connection in connections:
            if connection.stage is Stage.CLOSING:  # the hub hangs: it may not even read a farewell
                self._protocols[connection].transport.abort()
            else:
                self._protocols[connection].flush()
        self._turn_ended()


def _why_lost(connection: ClientConnection, error: Exception | None) -> str:
    if connection.stage is Stage.HELLO:
        return "the hub closed the connection: it does not know this client, or has another gate key for it"
    if connection.stage is not Stage.OPEN:
        return "the hub closed the connection during the handshake"
    return f"the connection was lost ({error})" if error else "the hub closed the connection"


class _Dialled(asyncio.Protocol):
    """A connection at its very first: hands its transport over."""

    def __init__(self, dialer: HubDialer, hub: HubPeer) -> None:
        self._dialer = dialer
        self._hub = hub

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._dialer.dialled(self._hub, cast(asyncio.Transport, transport))
