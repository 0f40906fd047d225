"""A round over media pools: between the kills, state is copied, restored and cloned, and bundles are brought.

Copies are taken of one side only within an epoch (proto/pools.md, section 4): of clients, or of hubs. Before
it is the other side's turn, all clones have ended, old copies are gone and every pair has a new session.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from .media_world import PAIRS, MediaWorld
from .round import MAX_PEACE_S, Round, Step
from .world import CLIENTS, HUBS

#: So much of a round passes before state is restored or cloned.
HONEST_SHARE = 0.3
MAX_CLONE_S = 0.8
KILLED_BESIDE_A_CLONE = 0.4
MAX_COPIES = 3


class MediaRound(Round):
    """One round over media pools."""

    world: MediaWorld

    def __init__(self, world: MediaWorld, seed: str, nr_kills: int, told: Callable[[int], None]) -> None:
        super().__init__(world, seed, nr_kills, told)
        self._copied = self.random.choice((CLIENTS, HUBS))
        self._copies: dict[str, list[Path]] = {}
        self._nr_copies = 0
        self._nr_bundles = 0  # when the copies were last looked at

    def steps(self) -> Mapping[Step, int]:
        """What may be done, and how often. In the beginning nothing that a node could take for a rewind."""
        honest = {self.kill: 12, self.intrude: 3, self.deliver_under_fire: 1}
        if self.share_done < HONEST_SHARE:
            return honest
        return {**honest, self.copy: 3, self.restore: 4, self.clone: 3, self.change_sides: 1}

    async def copy(self) -> None:
        """Keep a copy of the state of a node of the side that may be copied, while it runs."""
        await self._keep_copy(self.random.choice(self._copied))

    async def restore(self) -> None:
        """Kill a node and start it from an older copy of its state."""
        name = self.random.choice(self._copied)
        self._drop_outdated_copies()
        if not self._copies.get(name):
            await self._keep_copy(name)
            await asyncio.sleep(self.random.uniform(0, MAX_PEACE_S))
        await self.kill_now(name)
        if self.random.random() < 0.5:
            await self._keep_copy(name)  # of a node that is down
        since = len(self.world.recorder.dialled)
        if not await self.world.start_restored(name, self.random.choice(self._copies[name])):
            self.done["copies refused"] += 1
        await self._recover(name, since)

    async def clone(self) -> None:
        """Run a second process from a copy of a node's state beside it; in the end one state goes on."""
        name = self.random.choice(self._copied)
        self._drop_outdated_copies()
        if not self._copies.get(name) or self.random.random() < 0.5:
            await self._keep_copy(name)
        clone = await self.world.start_clone(name, self.random.choice(self._copies[name]))
        if clone is None:
            self.done["copies refused"] += 1
        else:
            await asyncio.sleep(self.random.uniform(0, MAX_CLONE_S))
            if self.random.random() < KILLED_BESIDE_A_CLONE:
                await self._kill_beside()
            await self.world.end_clone(clone)
            self.count_kills(1)
            if self.random.random() < 0.5:
                await self._go_on_as(name, clone.place.state)
            shutil.rmtree(clone.place.root)
        since = self.world.cut(name)
        await self._recover(name, since)

    async def _kill_beside(self) -> None:
        """Kill any node while a clone runs."""
        victim = self.random.choice(list(self.world.nodes))
        await self.kill_now(victim)
        await self.world.start(victim)
        await asyncio.sleep(self.random.uniform(0, MAX_CLONE_S))

    async def change_sides(self) -> None:
        """An epoch ends: from now on the other side's state may be copied."""
        since = self.world.cut(*self.world.nodes)
        await self.world.flows(*self.world.nodes, since=since)
        self._drop_copies()
        self._copied = HUBS if self._copied is CLIENTS else CLIENTS

    async def intrude(self) -> None:
        """A second daemon on the same state directory is refused."""
        await self.world.intrude(self.random.choice(list(self.world.nodes)))

    async def deliver_under_fire(self) -> None:
        """Kill one end of a pair, or both, while a bundle is on its way between them."""
        pair = self.random.choice(PAIRS)
        victims = self.random.sample(pair, self.random.choice((1, 1, 2)))
        delivery = asyncio.create_task(self.world.deliver(pair))
        await asyncio.sleep(self.random.uniform(0, 2 * MAX_PEACE_S))
        await self.kill_now(*victims)
        since = await self.start_again(*victims)
        await delivery
        await self.world.flows(*victims, since=since)

    # --- copies ---

    async def _keep_copy(self, name: str) -> None:
        self._drop_outdated_copies()
        kept = self._copies.setdefault(name, [])
        if len(kept) == MAX_COPIES:
            shutil.rmtree(kept.pop(0))
        self._nr_copies += 1
        path = self.world.root / f"copy-{self._nr_copies}-of-{name}"
        await asyncio.to_thread(self.world.nodes[name].copy_state, path)
        kept.append(path)

    def _drop_outdated_copies(self) -> None:
        """Copies made before a bundle came would lack it."""
        new = self.world.operator.nr_bundles - self._nr_bundles
        if new:
            self._nr_bundles += new
            self.done["bundles"] += new
            self._drop_copies()

    def _drop_copies(self) -> None:
        for paths in self._copies.values():
            for path in paths:
                shutil.rmtree(path)
        self._copies.clear()

    async def _go_on_as(self, name: str, state: Path) -> None:
        """The node goes on from its clone's state, and its own is given up."""
        await self.kill_now(name)
        self.world.nodes[name].restore_state(state)
        await self.start_again(name)

    async def _recover(self, name: str, since: int) -> None:
        """Keys flow again, at the latest when those left behind have got new streams."""
        self.done["pairs left behind"] += len(await self.world.recover(name, since))
