"""A laboratory whose pools come on media: deliveries, restores and clones, beside the kills."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .nodes import Node, TortureError
from .operator import MIB, Operator
from .weather import Weather
from .world import CLIENTS, ENCRYPTOR_OF, HUBS, MEDIA, POLL_S, World

FIRST_BYTES = MIB  # the smallest there is, for the smallest window
MORE_BYTES = 3 * MIB
#: Below this a pool gets more: a start passes over 24 KiB, and clones that fight begin often.
LOW_BYTES = 400 * 1024
#: A pair is left behind for good once one side has refused the other on so many connections.
REFUSALS = 3

CLONE = "clone"  # the load that a client's clone gets

Pair = tuple[str, str]
#: Arguments: a topology file, where its nodes keep their state, bytes for each pool.
Provide = Callable[[Path, Path, int], None]
PAIRS: tuple[Pair, ...] = tuple((client, hub) for client in CLIENTS for hub in HUBS)


def window_bytes(first_bundle_bytes: int) -> int:
    """WIN of proto/pools.md, section 2, by the bytes per pool of the first bundle."""
    return min(max(first_bundle_bytes // 64, 16 * 1024), MIB)


class MediaWorld(World):
    """A world with `psrd: media`. `provide` brings the first bundles of all pairs, before any node runs."""

    def __init__(self, seed: str, base_port: int, provide: Provide, weather: Weather | None = None) -> None:
        super().__init__(MEDIA, seed, base_port, window_bytes(FIRST_BYTES), weather)
        self.operator = Operator(self.root, self.nodes)
        self._provide = provide
        self._nr_clones = 0
        self._restored = False

    async def prepare(self) -> None:
        place = self.nodes[HUBS[0]].place
        await asyncio.to_thread(self._provide, place.config, place.state_base, FIRST_BYTES)
        self.operator.held = dict.fromkeys(PAIRS, FIRST_BYTES)

    def low(self) -> list[Pair]:
        """The pairs of which a pool runs low."""
        return [pair for pair in PAIRS if self._left(pair) < LOW_BYTES]

    async def deliver(self, pair: Pair) -> None:
        """One more bundle, while the nodes run or not."""
        await self.operator.deliver(pair, MORE_BYTES)

    def _left(self, pair: Pair) -> int:
        highest = max((stream.highest for stream in self.ledger.newest(*pair)), default=0)
        return self.operator.held[pair] - highest

    # --- restored and cloned state ---

    def excuse(self, name: str) -> None:
        """The state of this node is no longer what it last was: waste is not judged until keys flow."""
        self._restored = True
        for stream in self.ledger.of(name):
            stream.excused = True

    def is_false_alarm(self, line: str) -> bool:
        return not self._restored and super().is_false_alarm(line)

    async def start_restored(self, name: str, copy: Path) -> bool:
        """Start a node that is down from a copy of its state. False where it refuses the copy.

        A copy of a directory in which a node was at work need not hold together; then the state that the
        node had before is put back.
        """
        self.excuse(name)
        node = self.nodes[name]
        before = self.root / f"before-{name}"
        node.place.state.rename(before)
        node.restore_state(copy)
        taken = await self.try_start(name)
        if not taken:
            node.restore_state(before)
            await self.start(name)
        shutil.rmtree(before)
        return taken

    async def start_clone(self, name: str, copy: Path) -> Node | None:
        """Start a second process of a node that runs, from a copy of its state. None where that is refused.

        Clients reach a hub and its clone in turn.
        """
        self.excuse(name)
        self._nr_clones += 1
        root = self.root / f"clone-{self._nr_clones}"
        clone = Node(
            replace(self.nodes[name].place, root=root, state_base=root / "state"), self._port_of_clone(name)
        )
        clone.restore_state(copy)
        await clone.start()
        if not await clone.opened():
            await clone.kill()
            return None
        if name in HUBS:
            self.gateways[name].set_ports(self.hub_port(name), self.clone_port)
        else:
            other = next(client for client in CLIENTS if client != name)
            self.load.start(CLONE, (clone, ENCRYPTOR_OF[name]), self.end(other))
        return clone

    async def end_clone(self, clone: Node) -> None:
        """Kill a clone; only the node itself is there again."""
        if clone.name in HUBS:
            self.gateways[clone.name].set_ports(self.hub_port(clone.name))
        else:
            await self.load.stop(CLONE)
        await clone.kill()

    def _port_of_clone(self, name: str) -> int | None:
        return self.clone_port if name in HUBS else None

    async def intrude(self, name: str) -> None:
        """A second daemon on the state directory of one that runs must refuse to start, and say why."""
        place = self.nodes[name].place
        intruder = Node(replace(place, root=self.root / "intruder"), self._port_of_clone(name))
        await intruder.start()
        status = await intruder.exit_status()
        if status == 0 or str(place.state) not in intruder.log_tail():
            raise TortureError(f"a second {name} ends with status {status}:\n{intruder.log_tail()}")
        await intruder.kill()

    # --- the way back ---

    def cut(self, *names: str) -> int:
        """Cut all lines of these nodes; gives how many were dialled before that.

        Lines over which no client has told its name yet may be theirs.
        """
        for line in self.recorder.open_lines():
            if line.is_of(names) or not line.client:
                line.cut()
        return len(self.recorder.dialled)

    async def flows(self, *names: str, since: int = 0) -> None:
        """The same, and meanwhile an operator brings more where pools run low: a busy machine takes long."""
        await self._tended(names, since, renews=False)

    async def recover(self, name: str, since: int) -> list[Pair]:
        """Wait until keys flow through a node whose state was restored or cloned.

        A pair that is left behind (one side has forgotten more than a window) gets new streams, as an
        operator would deliver them; two clones burn a pool while they take turns. Gives the former.
        """
        return await self._tended((name,), since, renews=True)

    async def _tended(self, names: tuple[str, ...], since: int, *, renews: bool) -> list[Pair]:
        renewed: set[Pair] = set()
        filled: set[Pair] = set()
        flowing = asyncio.create_task(super().flows(*names, since=since))
        try:
            while not flowing.done():
                left_behind = {*self._left_behind(names[0], since)} - renewed if renews else set()
                renewed |= left_behind
                low = {*self.low()} - renewed - filled
                filled |= low
                await asyncio.gather(
                    *(self.operator.deliver(pair, FIRST_BYTES, new_streams=True) for pair in left_behind),
                    *map(self.deliver, low),
                )
                await asyncio.wait({flowing}, timeout=POLL_S)
            flowing.result()
        finally:
            flowing.cancel()
        return sorted(renewed)

    def _left_behind(self, name: str, since: int) -> list[Pair]:
        refused = Counter(line.pair for line in self.recorder.dialled[since:] if line.left_behind)
        pairs = [pair for pair in PAIRS if name in pair and refused[pair] >= REFUSALS]
        return [pair for pair in pairs if not self._flows(pair)]

    def _flows(self, pair: Pair) -> bool:
        """True where a connection of this pair is open and carries keys."""
        return any(line.pair == pair and line.answered for line in self.recorder.open_lines())
