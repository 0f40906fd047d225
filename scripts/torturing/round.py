"""One round of torture: a laboratory of its own, so many kills, and what is done between them.

What is done, to whom and when follows from the seed; what the nodes make of it does not, as they run at
their own speed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from .world import World

#: Keys flow for so long, at most, between two things that are done.
MAX_PEACE_S = 0.25
#: A node that is killed while it starts has come so far, at most.
MAX_START_S = 0.5
KILLED_WHILE_STARTING = 0.2
KILLED_TOGETHER = (1, 1, 2, 3, 5)

Step = Callable[[], Coroutine[Any, Any, None]]


class Round:
    """One round of kills. `told` is called with the number of kills so far; `done` counts what was done."""

    def __init__(self, world: World, seed: str, nr_kills: int, told: Callable[[int], None]) -> None:
        self.world = world
        self.random = random.Random(f"round {seed}")  # noqa: S311  repeatable on purpose
        self.kills = 0
        self.done: Counter[str] = Counter()
        self._nr_kills = nr_kills
        self._told = told

    def steps(self) -> Mapping[Step, int]:
        """What may be done now, and how often."""
        return {self.kill: 1}

    @property
    def share_done(self) -> float:
        """How much of the round is behind us, 0 to 1."""
        return self.kills / self._nr_kills

    async def run(self) -> None:
        """Everything. Raises TortureError at the first thing that does not hold."""
        await self.world.begin()
        while self.kills < self._nr_kills:
            await asyncio.sleep(self.random.uniform(0, MAX_PEACE_S))
            steps = self.steps()
            (step,) = self.random.choices(list(steps), list(steps.values()))
            self.done[step.__name__] += 1
            await step()
            self.world.check()
            self.world.check_logs()
        await self.world.flows(*self.world.nodes)

    async def kill(self) -> None:
        """Kill some nodes at once; they start again where they stood."""
        names = self.random.sample(list(self.world.nodes), self.random.choice(KILLED_TOGETHER))
        await self.kill_now(*names)
        since = await self.start_again(*names)
        await self.world.flows(*names, since=since)

    async def kill_now(self, *names: str) -> None:
        """Kill nodes."""
        await self.world.kill(*names)
        self.count_kills(len(names))

    def count_kills(self, number: int) -> None:
        """Say that there were so many more."""
        self.kills += number
        self._told(self.kills)

    async def start_again(self, *names: str) -> int:
        """Start nodes, perhaps twice, since a start is a moment to be killed in as well.

        Gives how many connections were dialled before the lives that last.
        """
        if self.random.random() < KILLED_WHILE_STARTING:
            victim = self.random.choice(names)
            await self.world.launch(victim)
            await asyncio.sleep(self.random.uniform(0, MAX_START_S))
            await self.kill_now(victim)
        since = len(self.world.recorder.dialled)
        await self.world.start(*names)
        return since
