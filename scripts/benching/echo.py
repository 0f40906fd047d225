"""The floor of frames: the same bytes between two processes, and nothing else.

One connection a hub. On each, what a turn sends to a hub leaves in one write, and what the hub answers comes
back in one; both sides only count bytes. A round is one turn of each half: PUT_SHARES and its answers,
GET_SHARES and its.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benching.children import Child, answer_commands
from benching.frames import of_turn
from benching.processes import cpu_seconds
from benching.quantiles import quantiles_ms
from benching.shape import Shape

Steps = Sequence[tuple[int, int]]  # bytes there and bytes back, again and again


def steps_of(shape: Shape) -> Steps:
    """What a turn of each half is, with each hub."""
    frames = of_turn(shape)
    there_and_back = ((frames.put, frames.put_ack), (frames.get, frames.shares))
    return [(frames.number * there, frames.number * back) for there, back in there_and_back]


class Echo:
    """Two processes that exchange frames."""

    def __init__(self) -> None:
        self._server = _server()
        self._asker = Child("benching.echo", "asker")

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)
        self._asker.__exit__(None, None, None)

    def measure(self, shape: Shape, seconds: float) -> tuple[float, float]:
        """(key pairs a second, CPU us per pair of both processes)."""
        pids = self._server.pid, self._asker.pid
        self._run(steps_of(shape), shape.hubs, 0.0)  # one round to warm up
        before = sum(map(cpu_seconds, pids))
        answer = self._run(steps_of(shape), shape.hubs, seconds)
        pairs = answer["rounds"] * shape.keys
        return pairs / answer["seconds"], 1e6 * (sum(map(cpu_seconds, pids)) - before) / pairs

    def round_trip_ms(self, shape: Shape, seconds: float) -> float:
        """p50 of PUT_SHARES and its answer, alone on one connection."""
        answer = self._run(steps_of(shape)[:1], 1, seconds)
        return float(answer["round_ms"][0])

    def scatter_ms(self, shape: Shape, seconds: float) -> float:
        """p50 of one PUT_SHARES to each of as many processes as there are hubs, until all have answered."""
        steps = steps_of(shape)[:1]
        with ExitStack() as stack:
            servers = [stack.enter_context(_server()) for _ in range(shape.hubs)]
            answer = self._ask([_port(server, steps) for server in servers], steps, seconds)
        return float(answer["round_ms"][0])

    def _run(self, steps: Steps, connections: int, seconds: float) -> dict[str, Any]:
        return self._ask([_port(self._server, steps)] * connections, steps, seconds)

    def _ask(self, ports: list[int], steps: Steps, seconds: float) -> dict[str, Any]:
        """One connection to each of `ports`."""
        return self._asker.ask(ports=ports, steps=steps, seconds=seconds)


def _server() -> Child:
    return Child("benching.echo", "server")


def _port(server: Child, steps: Steps) -> int:
    return int(server.ask(steps=steps)["port"])


class _Server(asyncio.Protocol):
    """Answers each step once all its bytes have come."""

    def __init__(self, steps: Steps) -> None:
        self._steps = [(there, bytes(back)) for there, back in steps]
        self._step = 0
        self._missing = self._steps[0][0]

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if not self._missing:
            self._transport.write(self._steps[self._step][1])
            self._step = (self._step + 1) % len(self._steps)
            self._missing = self._steps[self._step][0]


class _Asker(asyncio.Protocol):
    def __init__(self, round_: _Round) -> None:
        self._round = round_
        self._missing = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes, back: int) -> None:
        self._missing = back
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if not self._missing:
            self._round.answered()


class _Round:
    """One step on all connections after the other, until the time is up."""

    def __init__(self, steps: Steps, seconds: float) -> None:
        self._steps = [(bytes(there), back) for there, back in steps]
        self._until = time.perf_counter() + seconds
        self._step = self._waiting = 0
        self._begin = 0.0
        self.rounds_s: list[float] = []
        self.askers: list[_Asker] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def go_on(self) -> None:
        if self._step == 0:
            self._begin = time.perf_counter()
        self._waiting = len(self.askers)
        for asker in self.askers:
            asker.ask(*self._steps[self._step])

    def answered(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        self._step = (self._step + 1) % len(self._steps)
        if self._step == 0:
            now = time.perf_counter()
            self.rounds_s.append(now - self._begin)
            if now >= self._until:
                self.over.set_result(None)
                return
        self.go_on()


async def _ask(command: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    one = _Round(command["steps"], command["seconds"])
    transports = []
    for port in command["ports"]:
        transport, asker = await loop.create_connection(lambda: _Asker(one), "127.0.0.1", port)
        one.askers.append(asker)
        transports.append(transport)
    start = time.perf_counter()
    one.go_on()
    await one.over
    took = time.perf_counter() - start
    for transport in transports:
        transport.close()
    return {"rounds": len(one.rounds_s), "seconds": took, "round_ms": quantiles_ms(one.rounds_s)}


async def _serve(command: dict[str, Any]) -> dict[str, Any]:
    """A port that answers these steps, from now on."""
    server = await asyncio.get_running_loop().create_server(lambda: _Server(command["steps"]), "127.0.0.1", 0)
    _servers.append(server)
    while len(_servers) > 1:
        _servers.pop(0).close()
    return {"port": server.sockets[0].getsockname()[1]}


_servers: list[asyncio.Server] = []  # the last one listens


if __name__ == "__main__":
    answer_commands(_serve if sys.argv[1] == "server" else _ask)
