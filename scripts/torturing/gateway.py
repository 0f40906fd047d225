"""The way from the recorder to a hub, which may be down or have a clone."""

from __future__ import annotations

import asyncio


class Gateway:
    """Where a hub can be reached just now: at none of `ports`, at its own, or at those of its clones."""

    server: asyncio.Server

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turn = 0
        self._changed = asyncio.Event()

    def set_ports(self, *ports: int) -> None:
        """From now on new connections go to these in turn."""
        self.ports = list(ports)
        self._changed.set()

    async def port(self) -> int:
        """The next one; waits while there is none."""
        while not self.ports:
            self._changed.clear()
            await self._changed.wait()
        self._turn += 1
        return self.ports[self._turn % len(self.ports)]
