"""Distance: a process that passes TCP connections on, every byte half a round trip later each way.

Order is kept, bandwidth is not limited, and any number of bytes may be under way. What differs from a real
line: TCP itself is set up without delay, and loses nothing.

Commands (benching/children.py): `targets` ([port, round trip in ms], ...) answers with `ports`, those that
lead there; `round_trips_ms`, in the same order, changes them for all that comes from now on; `echo` answers
with the `port` of a server that sends back what it gets.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import Any, cast

from benching.children import answer_commands


class Line:
    """The way to one target."""

    def __init__(self, port: int, round_trip_ms: float) -> None:
        self.port = port
        self.set_round_trip(round_trip_ms)

    def set_round_trip(self, ms: float) -> None:
        """For all that comes from now on."""
        self.delay_s = ms / 2000


class Way:
    """One direction of a connection: what comes in at one end leaves at the other one after the delay."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._held: deque[tuple[float, bytes]] = deque()  # b"": the end
        self._sink: asyncio.Transport | None = None

    def leads_to(self, sink: asyncio.Transport) -> None:
        """The far end is there."""
        self._sink = sink
        self._wait()

    def take(self, data: bytes) -> None:
        """Hold it back."""
        due = self._loop.time() + self._line.delay_s
        self._held.append((max(due, self._held[-1][0]) if self._held else due, data))
        if len(self._held) == 1:
            self._wait()

    def _wait(self) -> None:
        if self._sink is not None and self._held:
            self._loop.call_at(self._held[0][0], self._deliver, self._sink)

    def _deliver(self, sink: asyncio.Transport) -> None:
        now = self._loop.time()
        while self._held and self._held[0][0] <= now:
            _, data = self._held.popleft()
            if not data:
                sink.close()
            elif not sink.is_closing():
                sink.write(data)
        self._wait()


class End(asyncio.Protocol):
    """One end of a connection: what comes in here goes `away`."""

    def __init__(self, away: Way, back: Way) -> None:
        self._away, self._back = away, back

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._back.leads_to(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._away.take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._away.take(b"")


class _Accepted(End):
    """The near end: it dials the target."""

    def __init__(self, line: Line, dials: set[asyncio.Task[None]]) -> None:
        super().__init__(Way(line), Way(line))
        self._line, self._dials = line, dials

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        task = asyncio.get_running_loop().create_task(self._dial(cast(asyncio.Transport, transport)))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, near: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: End(self._back, self._away), "127.0.0.1", self._line.port)
        except OSError:
            near.close()


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Distances:
    """All lines of this process."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._servers: list[asyncio.Server] = []
        self._dials: set[asyncio.Task[None]] = set()

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do one command."""
        if "echo" in command:
            return {"port": await self._serve(_Echo)}
        if "targets" in command:
            return {"ports": [await self._line(*target) for target in command["targets"]]}
        for line, ms in zip(self._lines, command["round_trips_ms"], strict=True):
            line.set_round_trip(ms)
        return {}

    async def _line(self, port: int, round_trip_ms: float) -> int:
        line = Line(port, round_trip_ms)
        self._lines.append(line)
        return await self._serve(lambda: _Accepted(line, self._dials))

    async def _serve(self, factory: Any) -> int:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port


def _run(main: Coroutine[Any, Any, None]) -> None:
    """In a loop whose timers are exact, and never early: select(2) takes microseconds, epoll_wait(2) ms."""

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


if __name__ == "__main__":
    answer_commands(Distances().answer, _run)
