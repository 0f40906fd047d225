"""The control socket's server: key requests, status and stop for local users.

The messages stand in control_protocol.py, what one connection does in control_connection.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import Counter
from pathlib import Path

from dsked import __version__
from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.delivery.access import AccessRules
from dsked.delivery.control_connection import ControlConnection
from dsked.delivery.listener import Listener
from dsked.delivery.service import DeliveryService, KeyService, Node
from dsked.delivery.status_pages import Done, StatusPages
from dsked.errors import ErrorCode, LimitError, RequestError, ShuttingDownError
from dsked.fair_limit import FairLimit
from dsked.limits import OPERATOR_CONNECTIONS
from dsked.sockets import Acceptor


class ControlServer:
    """Serves one node's control socket."""

    def __init__(
        self,
        node: Node,
        service: KeyService | None,
        rules: AccessRules,
        deliveries: DeliveryService | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """`service` is None on a hub, which has no keys to give; `deliveries` where PSRD is simulated."""
        self.node = node
        self.rules = rules
        self._service = service
        self._deliveries = deliveries
        self._limits = limits
        self._connections: set[ControlConnection] = set()
        self._nr_of_user: Counter[int] = Counter()
        self._of_users = FairLimit()
        self._listener: Listener | None = None
        self._acceptor: Acceptor | None = None
        self._pages = StatusPages(self._make_status)
        self.failures: Counter[ErrorCode] = Counter()  # replies that are errors, since the start
        self._all_lost = asyncio.Event()

    def use_limits(self, limits: Limits) -> None:
        """What is open stays."""
        self._limits = limits

    def use_rules(self, rules: AccessRules) -> None:
        """From now on these say who may do what, whoever is connected."""
        self.rules = rules

    async def start(self, path: Path, group: str | None = None) -> None:
        """Listen at `path`. Raises ConfigurationError where that cannot be (listener.py)."""
        self._listener = Listener(path, group)
        self._acceptor = Acceptor([self._listener.socket], lambda: ControlConnection(self))

    async def close(self) -> None:
        """Stop listening, answer what is still open with SHUTTING_DOWN, and close every connection.

        A peer that does not read is cut off after shutdown_grace_s. Closing twice does nothing.
        """
        if self._acceptor is not None:
            acceptor, self._acceptor = self._acceptor, None
            await acceptor.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in tuple(self._connections):
            connection.shut_down()
        await self._until_all_lost()
        for connection in tuple(self._connections):
            connection.abort()
        await self._until_all_lost()  # the loop tells of the loss in one of its next turns

    async def _until_all_lost(self) -> None:
        """Wait until no connection is left, shutdown_grace_s at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.shutdown_grace_s):
                while self._connections:
                    self._all_lost.clear()
                    await self._all_lost.wait()

    def admit(self, connection: ControlConnection) -> None:
        """Count a new connection. Raises LimitError where its user, or all users together, have too many."""
        uid, most = connection.user.uid, self._limits.max_control_clients
        if self._nr_of_user[uid] >= most:
            raise LimitError(f"your user has {most} control connections open: the limit")
        kept_free = self._nr_of_user[uid] < OPERATOR_CONNECTIONS and self.rules.may_control(connection.user)
        if not kept_free and not self._of_users.fits(str(uid), 1, self._limits.max_control_connections):
            raise LimitError(f"{self._of_users.total} control connections are open: try again later")
        if self._acceptor is None:
            raise ShuttingDownError(f"{self.node.name} is stopping")
        self._nr_of_user[uid] += 1
        self._of_users.take(str(uid), 1)
        self._connections.add(connection)

    def lost(self, connection: ControlConnection) -> None:
        """Forget a connection that is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._nr_of_user[connection.user.uid] -= 1
            self._nr_of_user += Counter()  # drops the zeros
            self._of_users.give_back(str(connection.user.uid), 1)
        if not self._connections:
            self._all_lost.set()

    @property
    def nr_connections(self) -> int:
        """Local programs that are connected."""
        return len(self._connections)

    def unread_bytes(self, connection: ControlConnection) -> int:
        """Bytes of replies that the connection's user has not taken, over all connections."""
        uid = connection.user.uid
        return sum(other.unread_bytes for other in self._connections if other.user.uid == uid)

    def service(self) -> KeyService:
        """The key service; RequestError on a hub."""
        if self._service is None:
            raise RequestError(f"{self.node.role} {self.node.name} gives no keys: ask a client")
        return self._service

    def deliveries(self) -> DeliveryService:
        """Who takes PSRD; RequestError where it is simulated."""
        if self._deliveries is None:
            raise RequestError(f"PSRD of {self.node.role} {self.node.name} is simulated: nothing is imported")
        return self._deliveries

    def status(self, first: int, done: Done) -> None:
        """`done` gets the JSON text of the STATUS reply that begins with this peer."""
        self._pages.ask(first, done)

    def _make_status(self, first: int) -> str:
        reason = self.node.readiness()
        return json.dumps(
            {
                "role": self.node.role,
                "name": self.node.name,
                "pid": os.getpid(),
                "version": __version__,
                "ready": reason is None,
                "reason": reason,
                "status": self.node.status(first),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
