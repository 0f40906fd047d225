"""Simulated TCP: bytes in order, cut anywhere, late, stalled, full; ends that do not know of each other.

What an adversary does to the bytes on their way is `tamper`'s, of one segment at a time. What must hold when
the bytes of a piece are not those that the peer sent is checked where they arrive (inspection.py).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dsked.errors import DskedError
from dsked.limits import HANDSHAKE_TIMEOUT_S, KEEPALIVE_COUNT, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S
from dsked.wire.connection import Connection, Stage
from simulating.events import Action, Events
from simulating.wires.inspection import Inspector, Judge, Receiver

KEEPALIVE_S = KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL_S
Tamper = Callable[["Pipe", bytes], bytes]


class Owner(Receiver, Protocol):
    """The process that an end belongs to. `ends`: all that are open, and belong to it."""

    events: Events
    ends: dict[Connection, End]

    @property
    def judge(self) -> Judge:
        """Who judges what passes at its ends."""

    def after(self, delay_s: float, action: Action) -> None:
        """Do something in this process later, if it still lives then."""

    def touch(self) -> None:
        """The engine has been called into: end the turn soon."""

    def lost(self, connection: Connection, problem: str) -> None:
        """A connection of this process is gone."""


class Pipe:
    """One direction of a connection. `sink` is set when the receiving end is there."""

    def __init__(self, events: Events, dice: random.Random, recorded: deque[bytes]) -> None:
        self.dice = dice
        self.recorded = recorded  # what an adversary has seen in this direction, of older connections too
        self.sink: End | None = None
        self.source: End | None = None
        self.stalled = False
        self.bytes_per_step: int | None = None  # of a slow link
        self.tamper: Tamper | None = None
        self.high = dice.choice([2_000, 16_000, 65_536, 65_536])
        self._events = events
        self._waiting = bytearray()
        self._planned = False
        self._ends = False  # behind what waits, the stream ends
        self._latency = dice.uniform(0.0002, 0.004)

    def write(self, data: bytes) -> None:
        """More bytes to carry."""
        self._waiting += data
        self.recorded.append(data)
        if len(self._waiting) > self.high and self.source is not None:
            self._events.count("back-pressure", self.source.connection.writable)
            self.source.connection.writable = False
        self._plan()

    def finish(self) -> None:
        """No more will come; what waits is carried first."""
        self._ends = True
        self._plan()

    def drop(self) -> None:
        """What waits never arrives."""
        self._waiting.clear()

    def stall(self) -> None:
        """Nothing moves until `flow`."""
        self.stalled = True

    def flow(self) -> None:
        """It moves again."""
        self.stalled = False
        self._plan()

    def _plan(self) -> None:
        ready = not self._planned and not self.stalled and self.sink is not None
        if ready and (self._waiting or self._ends):
            self._planned = True
            assert self.sink is not None
            self.sink.process.after(self._latency * self.dice.uniform(0.5, 1.5), self._deliver)

    def _deliver(self) -> None:
        self._planned = False
        if self.stalled or self.sink is None:
            return
        data = self._segment()
        if self.tamper is not None and data:
            tamper, self.tamper = self.tamper, None
            self.sink.inspector.tampered = True
            data = tamper(self, data)
        if data and self.sink.open:
            self.sink.receive(data)
        self._drained()
        if self._ends and not self._waiting:
            self._ends = False
            self.sink.lost("the peer closed the connection")
        self._plan()

    def _segment(self) -> bytes:
        size = len(self._waiting)
        if size > 1 and self.dice.random() < 0.3:
            size = self.dice.randint(1, size)
        if self.bytes_per_step is not None:
            size = min(size, self.bytes_per_step)
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        return data

    def take_more(self) -> bytes:
        """For an adversary that reorders: the next bytes that wait."""
        return self._segment()

    def _drained(self) -> None:
        source = self.source
        if source is None or not source.open or source.connection.writable:
            return
        if len(self._waiting) <= self.high // 4:
            source.connection.writable = True
            source.process.after(0.0, source.resume)


class End:
    """One end of a connection: the engine's Connection in its process, as net/tcp.py wires it."""

    def __init__(self, process: Owner, connection: Connection, out: Pipe, inn: Pipe, peer: str) -> None:
        self.process, self.connection, self.peer = process, connection, peer
        self.out, self.inn = out, inn
        self.open = True
        self.other: End | None = None
        out.source, inn.sink = self, self
        self.inspector = Inspector(process.events, process.judge, self)
        process.ends[connection] = self
        process.after(HANDSHAKE_TIMEOUT_S, self._too_slow)

    def receive(self, data: bytes) -> None:
        """Bytes have come from the network."""
        try:
            self.inspector.receive(data)
        except DskedError as error:
            self.process.events.count(f"refused {type(error).__name__}")
            self.abort(str(error))
        self.process.touch()

    def flush(self) -> None:
        """Write what can leave now; close if nothing more will be said."""
        if not self.open:
            return
        try:
            data = self.connection.data_to_send()
        except DskedError as error:
            self.abort(str(error))
            return
        if data:
            self.inspector.sent(data)
            self.out.write(data)
        if self.connection.stage is Stage.CLOSING:
            self.out.finish()
            self.lost("closed here")

    def resume(self) -> None:
        """The transport takes more."""
        self.flush()
        self.process.touch()

    def abort(self, problem: str) -> None:
        """This side resets the connection."""
        if self.open:
            self.out.drop()
            self.out.finish()
            self.lost(problem)

    def lost(self, problem: str) -> None:
        """The connection is gone at this end; its process is told."""
        if self.open:
            self.open = False
            self.process.ends.pop(self.connection, None)
            self.process.events.note(f"{self.process.name} loses {self.peer}: {problem[:70]}")
            self.process.lost(self.connection, problem)
            self.process.touch()

    def vanish(self) -> None:
        """This end is gone without a word (its machine died, or its address changed)."""
        self.out.stall()
        self.inn.stall()
        other = self.other
        if other is not None:
            other.process.after(KEEPALIVE_S, lambda: other.lost("the peer vanished (keepalive)"))

    def _too_slow(self) -> None:
        if self.open and self.connection.stage is not Stage.OPEN:
            self.abort(f"the handshake took more than {HANDSHAKE_TIMEOUT_S} s")


def join(near: End, far: End) -> None:
    """The two ends of one connection."""
    near.other, far.other = far, near
    near.inspector.source, far.inspector.source = far.inspector, near.inspector
