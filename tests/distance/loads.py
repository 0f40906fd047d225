"""Encryptors that ask for batches of keys one after the other, in simulated time, and again when refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from dsked.errors import DskedError
from dsked.keys import Key
from tests.engines.media_world import MediaWorld

AGAIN_S = 0.05  # after a refusal


class Asking:
    """What all requesters have in common. `nr_served`: keys that they have got."""

    def __init__(self, world: MediaWorld) -> None:
        self.world = world
        self.nr_served = 0
        self.refusals: Counter[type[DskedError]] = Counter()
        self._running = True
        self._open: list[tuple[list[Any], Callable[[Any], None]]] = []

    def run(self, seconds: float) -> float:
        """Let it go on; returns keys per second."""
        begin, before = self.world.now, self.nr_served
        self._act()
        while self.world.now < begin + seconds:
            assert self.world.step()
            self._act()
        return (self.nr_served - before) / (self.world.now - begin)

    def stop(self) -> None:
        """Ask no more; what is under way ends."""
        self._running = False

    def _act(self) -> None:
        """Take what has come, and ask anew: until nothing comes in the same moment."""
        self.world.end_turns()
        while ended := [(outcome, then) for outcome, then in self._open if outcome]:
            for outcome, then in ended:
                self._open.remove((outcome, then))
                then(outcome[0])
            self.world.end_turns()

    def _refused(self, error: DskedError, ask: Callable[[], None]) -> None:
        self.refusals[type(error)] += 1
        self.world.after(AGAIN_S, ask)


class Load(Asking):
    """So many requesters of sam at once, each for `number` keys; with `fetching`, sunny gets each batch."""

    def __init__(
        self, world: MediaWorld, requesters: int, number: int = 128, *, fetching: bool = True
    ) -> None:
        super().__init__(world)
        self.nr_given = 0
        self.longest_refusal_s = 0.0
        self._number = number
        self._fetching = fetching
        for _ in range(requesters):
            self._ask()

    def _ask(self) -> None:
        if self._running:
            asked_at = self.world.now
            outcome = self.world.ask_keys("carol", "sam", ["sunny"], self._number)
            self._open.append((outcome, lambda result: self._given(result, asked_at)))

    def _given(self, result: list[Key] | DskedError, asked_at: float) -> None:
        if isinstance(result, DskedError):
            self.longest_refusal_s = max(self.longest_refusal_s, self.world.now - asked_at)
            self._refused(result, self._ask)
            return
        self.nr_given += len(result)
        if self._fetching:
            found = self.world.ask_by_id("curtis", "sunny", "sam", result)
            self._open.append((found, self._fetched))
        else:
            self._ask()

    def _fetched(self, result: list[Key] | DskedError) -> None:
        if isinstance(result, DskedError):
            self._refused(result, self._ask)
        else:
            self.nr_served += len(result)
            self._ask()


class Fetching(Asking):
    """Batches of 128 keys that are there already; so many requesters of sunny get one after the other."""

    def __init__(self, world: MediaWorld, requesters: int, nr_batches: int) -> None:
        super().__init__(world)
        self._batches: list[list[Key]] = []
        for _ in range(nr_batches):
            self._batches.append(world.get_keys("carol", "sam", ["sunny"], 128))
            world.run_for(0.01)
        for _ in range(requesters):
            self._next()

    def _next(self) -> None:
        if self._batches:
            self._ask(self._batches.pop())

    def _ask(self, batch: list[Key]) -> None:
        found = self.world.ask_by_id("curtis", "sunny", "sam", batch)
        self._open.append((found, lambda result: self._fetched(result, batch)))

    def _fetched(self, result: list[Key] | DskedError, batch: list[Key]) -> None:
        if isinstance(result, DskedError):
            self._refused(result, lambda: self._ask(batch))
        else:
            self.nr_served += len(result)
            self._next()
