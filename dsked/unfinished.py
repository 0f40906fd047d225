"""A piece that has begun to arrive must end: a length that was changed on its way would wait for ever."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from dsked.timers import Timer, Timers


class Receiving(Hashable, Protocol):
    """A connection."""

    @property
    def unfinished(self) -> int | None:
        """The number of the piece that has arrived in part, or None."""


ConnectionT = TypeVar("ConnectionT", bound=Receiving)


class UnfinishedPieces(Generic[ConnectionT]):
    """Watches the connections of one node. A piece may take `limit_s`; then `give_up` is called."""

    def __init__(self, timers: Timers, limit_s: float, give_up: Callable[[ConnectionT, float], None]) -> None:
        self._timers = timers
        self._limit_s = limit_s
        self._give_up = give_up
        self._begun: dict[ConnectionT, tuple[int, float]] = {}  # the piece, and when it began
        self._watched: dict[ConnectionT, Timer] = {}

    def received(self, connection: ConnectionT, now: float) -> None:
        """To be called whenever bytes have come."""
        piece = connection.unfinished
        if piece is None:
            self._begun.pop(connection, None)
            return
        begun = self._begun.get(connection)
        if begun is None or begun[0] != piece:
            self._begun[connection] = piece, now
            self._watch(connection, now + self._limit_s)

    def forget(self, connection: ConnectionT) -> None:
        """The connection is gone. Nothing keeps it: others may come and go thousands of times meanwhile."""
        self._begun.pop(connection, None)
        timer = self._watched.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _watch(self, connection: ConnectionT, deadline: float) -> None:
        if connection not in self._watched:
            self._watched[connection] = self._timers.at(deadline, lambda now: self._look(connection, now))

    def _look(self, connection: ConnectionT, now: float) -> None:
        del self._watched[connection]
        begun = self._begun.get(connection)
        if begun is None:
            return
        deadline = begun[1] + self._limit_s
        if now < deadline:
            self._watch(connection, deadline)
            return
        del self._begun[connection]
        self._give_up(connection, now)
