"""Connections of an HTTP server, and who of them goes where there are too many."""

from __future__ import annotations

import asyncio
import math


class Connections:
    """Up to `most` connections. Each is idle or being served; what was closed to make room is neither."""

    def __init__(self, most: int, patience_s: float = math.inf) -> None:
        """Requests that take longer than `patience_s` do not keep their connections."""
        self.most = most
        self._patience_s = patience_s
        self.idle: dict[asyncio.BaseProtocol, None] = {}  # oldest first
        self.busy: dict[asyncio.BaseProtocol, float] = {}  # since when a request is under way; oldest first

    def __len__(self) -> int:
        """How many there are."""
        return len(self.idle) + len(self.busy)

    def __contains__(self, one: object) -> bool:
        """Whether it is one of these."""
        return one in self.idle or one in self.busy

    def add(self, one: asyncio.BaseProtocol) -> None:
        """It has no request yet."""
        self.idle[one] = None

    def begin(self, one: asyncio.BaseProtocol, now: float) -> None:
        """A request is under way. What was closed to make room does not count any more."""
        if one in self.idle:
            del self.idle[one]
            self.busy[one] = now

    def end(self, one: asyncio.BaseProtocol, open_: bool) -> None:
        """The request is done; the connection may still be open."""
        if self.busy.pop(one, None) is not None and open_:
            self.idle[one] = None

    def lost(self, one: asyncio.BaseProtocol) -> None:
        """The connection is gone. A request that is under way counts until it is done."""
        self.idle.pop(one, None)

    def least(self, now: float) -> asyncio.BaseProtocol | None:
        """Take out what has been idle for longest, or is being served for far too long."""
        one = next(iter(self.idle), None) or self._slowest(now)
        if one is not None:
            self.idle.pop(one, None)
            self.busy.pop(one, None)
        return one

    def _slowest(self, now: float) -> asyncio.BaseProtocol | None:
        one, begun = next(iter(self.busy.items()), (None, math.inf))
        return one if begun <= now - self._patience_s else None
