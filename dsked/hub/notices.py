"""What the log says of clients: no client fills it, by saying the same again or by coming again."""

from __future__ import annotations

from dsked.limits import OUTSIDER_LOG_INTERVAL_S
from dsked.notice import Notice
from dsked.seldom import Seldom, more
from dsked.wire.connection import HubConnection


class ClientNotices:
    """Lines about clients, each of a kind: few and fixed ones. `notice` takes a level and the line."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._told: dict[HubConnection, tuple[str, ...]] = {}  # kinds that the log has of it already
        self._seldom = Seldom(OUTSIDER_LOG_INTERVAL_S)

    def once(self, connection: HubConnection, level: int, kind: str, what: str, now: float) -> None:
        """Once a connection, and seldom for a client."""
        told = self._told.get(connection, ())
        if kind not in told:
            self._told[connection] = (*told, kind)
            self.seldom(connection.client, level, kind, what, now)

    def seldom(self, client: str, level: int, kind: str, what: str, now: float) -> None:
        """One line of a kind and client in OUTSIDER_LOG_INTERVAL_S; the next tells how many were left out."""
        left_out = self._seldom.may_tell((client, kind), now)
        if left_out is not None:
            self._notice(level, f"client {client} {what}{more(left_out)}", peer=client)

    def forget(self, connection: HubConnection) -> None:
        """The connection is gone."""
        self._told.pop(connection, None)

    @property
    def nr_connections(self) -> int:
        """Connections of which something is remembered."""
        return len(self._told)
