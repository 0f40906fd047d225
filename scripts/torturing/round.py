"""One round of torture: a laboratory of its own, so many kills, and what is done between them.

What is done, to whom and when follows from the seed; what the nodes make of it does not, as they run at
their own speed.

Copies are taken of one side only within an epoch (proto/pools.md, section 4): of clients, or of hubs. Before
it is the other side's turn, all clones have ended, old copies are gone and every pair has a new session.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .world import CLIENTS, HUBS, SIMULATED, World

#: Keys flow for so long, at most, between two things that are done.
MAX_PEACE_S = 0.25
#: A node that is killed while it starts has come so far, at most.
MAX_START_S = 0.5
KILLED_WHILE_STARTING = 0.2
KILLED_TOGETHER = (1, 1, 2, 3)
MAX_CLONE_S = 0.8
MAX_COPIES = 3

Progress = Callable[[int], None]


@dataclass
class Tally:
    """What was done in a round, and what it cost. Sizes in bytes."""

    kills: int = 0
    done: Counter[str] = field(default_factory=Counter)


class Round:
    """One round. `killed` is told how many kills there were, as they happen."""

    def __init__(self, world: World, seed: str, kills: int, killed: Progress) -> None:
        self._world = world
        self._random = random.Random(f"round {seed}")
        self._kills = kills
        self._killed = killed
        self._copied = self._random.choice((CLIENTS, HUBS))
        self._copies: dict[str, list[Path]] = {}
        self._nr_copies = 0
        self.tally = Tally()

    async def run(self) -> None:
        """Everything. Raises TortureError at the first thing that does not hold."""
        await self._world.begin()
        steps = self._steps()
        while self.tally.kills < self._kills:
            await asyncio.sleep(self._random.uniform(0, MAX_PEACE_S))
            step = self._random.choices(list(steps), list(steps.values()))[0]
            self.tally.done[step.__name__.strip("_")] += 1
            await step()
            self._world.check()
            await self._world.top_up()
        await self._world.flows(*self._world.nodes)

    def _steps(self) -> dict[Callable[[], Coroutine[Any, Any, None]], int]:
        """What may be done, and how often."""
        if self._world.psrd == SIMULATED:
            return {self._kill: 1}
        return {
            self._kill: 12,
            self._copy: 3,
            self._restore: 4,
            self._clone: 3,
            self._change_sides: 1,
            self._intrude: 1,
        }

    # --- kills ---

    async def _kill(self) -> None:
        """Kill some nodes at once; they start again where they stood."""
        names = self._random.sample(list(self._world.nodes), self._random.choice(KILLED_TOGETHER))
        since = await self._kill_now(*names)
        await self._start_again(*names)
        await self._world.flows(*names, since=since)

    async def _kill_now(self, *names: str) -> int:
        """Kill nodes; gives the number of the first connection after that."""
        since = len(self._world.recorder.lines)
        await self._world.kill(*names)
        self.tally.kills += len(names)
        self._killed(len(names))
        return since

    async def _start_again(self, *names: str) -> None:
        """Start nodes, perhaps twice, since a start is a moment to be killed in as well."""
        if self._random.random() < KILLED_WHILE_STARTING:
            victims = self._random.sample(names, 1)
            await self._world.launch(*victims)
            await asyncio.sleep(self._random.uniform(0, MAX_START_S))
            await self._kill_now(*victims)
        await self._world.start(*names)

    # --- copies of one side's state ---

    async def _copy(self) -> None:
        """Keep a copy of the state of a node of the side that may be copied, while it runs."""
        await self._keep_copy(self._random.choice(self._copied))

    async def _keep_copy(self, name: str) -> None:
        kept = self._copies.setdefault(name, [])
        self._nr_copies += 1
        path = self._world.root / f"copy-{self._nr_copies}-of-{name}"
        await asyncio.to_thread(self._world.nodes[name].copy_state, path)
        kept.append(path)
        if len(kept) > MAX_COPIES:
            shutil.rmtree(kept.pop(0))

    def _drop_copies(self, *names: str) -> None:
        for name in names or tuple(self._copies):
            for path in self._copies.pop(name, []):
                shutil.rmtree(path)

    async def _restore(self) -> None:
        """Kill a node and start it from an older copy of its state."""
        name = self._random.choice(self._copied)
        if not self._copies.get(name):
            await self._keep_copy(name)
            await asyncio.sleep(self._random.uniform(0, MAX_PEACE_S))
        copy = self._random.choice(self._copies[name])
        since = await self._kill_now(name)
        if self._random.random() < 0.5:
            await self._keep_copy(name)
        if not copy.exists():  # the oldest one, which has just made room
            copy = self._copies[name][0]
        self._world.excuse(name)
        self._world.nodes[name].restore_state(copy)
        await self._start_again(name)
        await self._recover(name, since)

    async def _clone(self) -> None:
        """Run a second process from a copy of a node's state beside it; in the end one state goes on."""
        name = self._random.choice(self._copied)
        if not self._copies.get(name) or self._random.random() < 0.5:
            await self._keep_copy(name)
        self._world.excuse(name)
        since = len(self._world.recorder.lines)
        clone = await self._world.start_clone(name, self._random.choice(self._copies[name]))
        await asyncio.sleep(self._random.uniform(0, MAX_CLONE_S))
        await self._world.end_clone(clone)
        self.tally.kills += 1
        self._killed(1)
        if self._random.random() < 0.5:
            await self._kill_now(name)
            self._world.nodes[name].restore_state(clone.place.state)
            await self._start_again(name)
        shutil.rmtree(clone.place.root)
        await self._recover(name, since)

    async def _recover(self, name: str, since: int) -> None:
        """Keys flow again, at the latest when an operator has delivered new streams to those left behind."""
        renewed = await self._world.recover(name, since)
        if renewed:
            self.tally.done["new streams"] += len(renewed)
            self._drop_copies()

    async def _change_sides(self) -> None:
        """An epoch ends: from now on the other side's state may be copied."""
        since = len(self._world.recorder.lines)
        for line in self._world.recorder.open_lines():
            line.cut()
        await self._world.flows(*self._world.nodes, since=since)
        self._drop_copies()
        self._copied = HUBS if self._copied is CLIENTS else CLIENTS

    async def _intrude(self) -> None:
        """A second daemon on the same state directory is refused."""
        await self._world.intrude(self._random.choice(list(self._world.nodes)))
