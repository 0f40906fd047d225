"""Machines with a clock and a disk, on which processes live one after the other."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dsked.errors import DskedError
from dsked.psrd.pair import Side
from simulating.disks.files import SimulatedCrash
from simulating.disks.state import NodeDisk
from simulating.events import Action, Events

RESTART_S = 0.5


class Life(Protocol):
    """A process, as its machine knows it. `thawed_at`: when it last began to run, by the world's clock."""

    thawed_at: float

    def touch(self) -> None:
        """It has something to do."""

    def die(self, *, silently: bool) -> None:
        """It is killed; `silently`: nobody tells its peers."""


P = TypeVar("P", bound=Life)


@dataclass
class Clock:
    """A node's own monotonic clock: it runs at its own rate, and jumps forward."""

    rate: float
    offset: float

    def at(self, world: float) -> float:
        """What it shows at a time of the world's."""
        return world * self.rate + self.offset

    def world(self, local: float) -> float:
        """When it shows `local`."""
        return (local - self.offset) / self.rate


class Machine(Generic[P]):
    """One machine. What happens to it while it is frozen waits until it thaws.

    `live` makes its next process; raises DskedError where the state cannot be opened.
    """

    def __init__(
        self, events: Events, seed: str, name: str, side: Side, disk: NodeDisk | None,
        live: Callable[[Machine[P]], P],
    ) -> None:  # fmt: skip
        self.events, self.seed, self.name, self.side, self.disk = events, seed, name, side, disk
        self._live = live
        self.dice = random.Random(f"{seed} {name}")  # noqa: S311  repeatable on purpose
        self.clock = Clock(self.dice.uniform(0.99, 1.01), self.dice.uniform(0, 1e6))
        self.process: P | None = None
        self.down = False  # it shall not run
        self.frozen = False
        self.refuses = False  # its port does
        self.turn_s = (0.00002, 0.0003)  # how long a turn takes
        self.serial = 0
        self.jumped_at = -math.inf  # of the world's time
        self._backlog: list[Action] = []

    @property
    def now(self) -> float:
        """Seconds on its clock."""
        return self.clock.at(self.events.now)

    def run(self, action: Action) -> None:
        """Do something on this node, now or when it thaws."""
        if self.frozen:
            self._backlog.append(action)
            return
        try:
            action()
        except SimulatedCrash:
            self.events.count("crash in a disk call")
            self.crash(power=self.dice.random() < 0.7)
            self.start_later(RESTART_S)

    def freeze(self) -> None:
        """It stops, with all its connections: what comes waits in its kernel."""
        self.frozen = True

    def thaw(self) -> None:
        """It goes on."""
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for action in backlog:
            self.events.after(0.0, lambda action=action: self.run(action))  # type: ignore[misc]
        if self.process is not None:
            self.process.thawed_at = self.events.now
            self.process.touch()

    def jump(self, seconds: float) -> None:
        """Its clock jumps forward."""
        self.clock.offset += seconds
        self.jumped_at = self.events.now
        if self.process is not None:
            self.process.thawed_at = self.events.now
            self.process.touch()

    def start(self) -> None:
        """A new process, unless one runs; where its state cannot be opened it is tried again later."""
        if self.process is not None or self.down:
            return
        if self.frozen:
            self.thaw()
        self.serial += 1
        try:
            self.run(self._start)
        except DskedError as error:
            self.events.note(f"{self.name} cannot start: {error}")
            self.events.count("starts that failed")
            self.start_later(RESTART_S)

    def _start(self) -> None:
        self.process = self._live(self)
        self.events.note(f"{self.name} starts, life {self.serial}")
        self.process.touch()

    def start_later(self, delay_s: float) -> None:
        """`start`, in a while."""
        self.events.after(delay_s, self.start)

    def crash(self, *, power: bool) -> None:
        """The process is gone; with the power, what was not synced as well."""
        process, self.process = self.process, None
        self._backlog.clear()
        if process is not None:
            process.die(silently=power and self.dice.random() < 0.5)
        if self.disk is not None:
            self.disk.changes_to_crash = None
            if power:
                self.disk.lose_power()
        self.events.note(f"{self.name} is gone{', with its power' if power else ''}")
