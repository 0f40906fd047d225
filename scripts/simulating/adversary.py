"""Whoever controls the wires: pieces lost, doubled, moved, flipped, replayed; connections of its own."""

from __future__ import annotations

import random

from simulating.wires.tcp import End, Pipe
from simulating.world import World


class Adversary:
    """Has no keys, and all bytes that ever passed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events = world.events
        self._dice = random.Random(f"{world.seed} adversary")  # noqa: S311  repeatable on purpose
        self._ways = (self._drop, self._double, self._swap, self._flip, self._replay, self._insert)

    def strike(self, links: list[End]) -> None:
        """The next segment of one of these connections does not arrive as it was sent."""
        if links:
            end = self._dice.choice(links)
            pipe = self._dice.choice([end.out, end.inn])
            pipe.tamper = self._dice.choice(self._ways)

    def _drop(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: dropped")
        return b""

    def _double(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: doubled")
        return data + data

    def _swap(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: reordered")
        return pipe.take_more() + data

    def _flip(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: flipped")
        at = self._dice.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._dice.randrange(8))]) + data[at + 1 :]

    def _replay(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: replayed")
        return self._dice.choice(pipe.recorded) + data

    def _insert(self, pipe: Pipe, data: bytes) -> bytes:
        self._events.count("wire: inserted")
        return self._garbage() + data

    def _garbage(self) -> bytes:
        body = self._dice.randbytes(self._dice.choice([1, 40, 300]))
        return len(body).to_bytes(4, "big") + body if self._dice.random() < 0.6 else body

    def intrude(self) -> None:
        """A connection of its own to a hub, with garbage or what it has recorded."""
        hub = self._dice.choice(list(self._world.hubs))
        server = self._world.hub(hub)
        if server is None:
            return
        self._events.count("intrusions")
        network = self._world.network
        client = self._dice.choice(list(self._world.clients))
        to_hub, to_client = network.pipes("", hub)

        def accepted() -> None:
            server.accept(to_client, to_hub, "an outsider")
            to_hub.flow()

        server.after(0.0, accepted)
        for _ in range(self._dice.randint(1, 4)):
            recorded = network.recorded[client, hub, "to the hub"]
            replays = bool(recorded) and self._dice.random() < 0.7
            to_hub.write(self._dice.choice(recorded) if replays else self._garbage())
