"""A hub that is drained, or stops: it takes no new shares, tells its clients, gives out those that it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from dsked.errors import ErrorCode, LimitError
from dsked.hub.share_desk import ShareDesk
from dsked.limits import MAX_TOLD_PER_TURN, TELLING_INTERVAL_S
from dsked.timers import Timers
from dsked.wire.connection import HubConnection, Stage
from dsked.wire.messages import Error


class Draining:
    """Begun once, and for good. `answered` is called with a connection that has something in its outbox."""

    def __init__(
        self, hub: str, desk: ShareDesk, timers: Timers, answered: Callable[[HubConnection], None]
    ) -> None:
        self._word = f"hub {hub} takes no new shares"
        self._desk = desk
        self._timers = timers
        self._answered = answered
        self._to_tell: deque[HubConnection] = deque()

    @property
    def begun(self) -> bool:
        """No share is stored any more."""
        return self._desk.drains

    @property
    def all_told(self) -> bool:
        """Every client that had a session when it began has been told."""
        return self.begun and not self._to_tell

    def begin(self, sessions: Iterable[HubConnection], now: float) -> None:
        """Take no more shares, and tell these; beginning twice does nothing."""
        if not self.begun:
            self._desk.drains = True
            self._to_tell.extend(sessions)
            self._tell_some(now)

    def opened(self, connection: HubConnection) -> None:
        """A client that comes now is told before it registers."""
        if self.begun:
            self._tell(connection)

    def _tell_some(self, now: float) -> None:
        """Thousands are told in as many turns as keep nobody waiting."""
        for _ in range(min(len(self._to_tell), MAX_TOLD_PER_TURN)):
            self._tell(self._to_tell.popleft())
        if self._to_tell:
            self._timers.at(now + TELLING_INTERVAL_S, self._tell_some)

    def _tell(self, connection: HubConnection) -> None:
        if connection.stage is Stage.OPEN:
            with suppress(LimitError):  # it does not read: it sees soon enough that the hub is gone
                connection.send(0, Error(int(ErrorCode.SHUTTING_DOWN), self._word))
            self._answered(connection)
