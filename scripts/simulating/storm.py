"""The storm: faults at random times, of the network, of machines, of disks and of enemies."""

from __future__ import annotations

import random
from functools import partial

from simulating.adversary import Adversary
from simulating.events import Action
from simulating.processes import ClientProcess, HubProcess, Node
from simulating.wires.tcp import End
from simulating.world import World


class Storm:
    """Strikes `number` times within the topology's time. `end` makes everything well again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events = world.events
        self._dice = random.Random(f"{world.seed} storm")  # noqa: S311  repeatable on purpose
        self._adversary = Adversary(world)
        self._over = False
        self._cuts: list[list[tuple[str, str]]] = []
        faults: list[tuple[int, Action]] = [
            (6, self._reset), (3, self._half_open), (4, self._partition), (3, self._slow_link),
            (4, self._freeze), (5, self._crash), (3, self._jump), (10, self._strike_at_the_wire),
            (3, self._adversary.intrude), (2, self._refuse), (2, self._slow_node),
        ]  # fmt: skip
        if not world.topology.simulated:
            faults += [(3, self._disk), (3, self._crash_in_disk), (1, self._copy), (4, self._restore),
                       (1, self._new_streams)]  # fmt: skip
        if world.topology.hostile:
            faults.append((12, self._misbehave))
        weights, actions = zip(*faults, strict=True)
        number = self._dice.randint(3, 24)
        if self._dice.random() < 0.7:
            self._copy()
        seconds = world.topology.storm_s
        for action in self._dice.choices(actions, weights, k=number):
            self._events.after(self._dice.uniform(0.0, seconds), partial(self._strike, action))
        self._operator = random.Random(f"{world.seed} drains")  # noqa: S311  as above
        for _ in range(self._operator.choice([0, 0, 1, 3])):
            self._events.after(self._operator.uniform(0.0, seconds), partial(self._strike, self._drain))

    def _strike(self, action: Action) -> None:
        if self._over:
            return
        name = action.__name__.lstrip("_").replace("_", " ")
        self._events.note(f"storm: {name}")
        self._events.count(f"fault: {name}")
        action()

    def _later(self, seconds: float, action: Action) -> None:
        self._events.after(seconds, action)

    # --- who is struck ---

    def _is_struck(self, *names: str) -> bool:
        victims = self._world.topology.victims
        return not victims or any(name in victims for name in names)

    def _node(self) -> Node:
        return self._dice.choice([node for node in self._world.nodes if self._is_struck(node.name)])

    def _links(self) -> list[End]:
        return [end for end in self._world.network.links if self._is_struck(end.peer)]

    def _pairs(self) -> list[tuple[str, str]]:
        return [pair for pair in self._world.pairs if self._is_struck(pair[1])]

    # --- the wire ---

    def _strike_at_the_wire(self) -> None:
        self._adversary.strike(self._links())

    # --- the network ---

    def _reset(self) -> None:
        links = self._links()
        if links:
            self._world.network.reset(self._dice.choice(links))

    def _half_open(self) -> None:
        links = self._links()
        if links:
            self._world.network.half_open(self._dice.choice(links), client_goes=self._dice.random() < 0.5)

    def _partition(self) -> None:
        """One pair, or all pairs of a node, or a few at random."""
        dice, pairs = self._dice, self._pairs()
        node = self._node().name
        cut = dice.choice([[dice.choice(pairs)], [pair for pair in pairs if node in pair],
                           dice.sample(pairs, -(-len(pairs) // 2))])  # fmt: skip
        self._world.network.cut(cut)
        self._cuts.append(cut)
        self._later(dice.choice([0.1, 1.0, 4.0, 12.0]) * dice.random(), partial(self._heal, cut))

    def _heal(self, cut: list[tuple[str, str]]) -> None:
        if cut in self._cuts:
            self._cuts.remove(cut)
            self._world.network.heal(cut, reset=self._dice.random() < 0.4)

    def _slow_link(self) -> None:
        links = self._links()
        if links:
            end = self._dice.choice(links)
            for pipe in (end.out, end.inn):
                pipe.bytes_per_step = self._dice.choice([3, 40, 400])
            self._later(self._dice.uniform(0.5, 4.0), partial(_hurry, end))

    # --- machines ---

    def _freeze(self) -> None:
        node = self._node()
        node.freeze()
        self._later(self._dice.choice([0.2, 2.0, 12.0]) * self._dice.random(), lambda: self._thaw(node))

    def _thaw(self, node: Node) -> None:
        if node.frozen:
            node.thaw()

    def _crash(self) -> None:
        node = self._node()
        node.crash(power=self._dice.random() < 0.5)
        node.start_later(self._dice.choice([0.05, 0.5, 3.0]) * self._dice.random())

    def _drain(self) -> None:
        """An operator rolls a hub: it drains, and a while later it stops and is started again."""
        hubs = [node for node in self._world.hubs.values() if self._is_struck(node.name)]
        node = self._operator.choice(hubs)
        hub = self._world.hub(node.name)
        if hub is not None and not node.frozen:
            hub.engine.drain(node.now)
            hub.touch()
            self._later(self._operator.choice([0.01, 1.5, 8.0]), partial(self._roll, node, hub))

    def _roll(self, node: Node, hub: HubProcess) -> None:
        if node.process is hub:
            node.crash(power=False)
            node.start_later(0.2)

    def _jump(self) -> None:
        self._node().jump(self._dice.choice([0.3, 3.0, 30.0, 300.0]) * self._dice.random())

    def _slow_node(self) -> None:
        node = self._node()
        node.turn_s = (0.01, self._dice.choice([0.03, 0.2]))

    def _refuse(self) -> None:
        node = self._dice.choice([node for node in self._world.hubs.values() if self._is_struck(node.name)])
        node.refuses = True
        self._later(self._dice.uniform(0.2, 4.0), lambda: setattr(node, "refuses", False))

    # --- disks ---

    def _disk(self) -> None:
        disk = self._node().disk
        assert disk is not None
        if self._dice.random() < 0.5:
            disk.sync_fails = True
        else:
            disk.full = True
            self._later(self._dice.uniform(0.1, 3.0), lambda: setattr(disk, "full", False))

    def _crash_in_disk(self) -> None:
        disk = self._node().disk
        assert disk is not None
        disk.changes_to_crash = self._dice.randrange(12)

    def _copied(self) -> list[Node]:
        side = self._world.topology.restores
        nodes = {"hub": self._world.hubs, "client": self._world.clients, "": {}}[side]
        return [node for node in nodes.values() if self._is_struck(node.name)]

    def _copy(self) -> None:
        for node in self._copied():
            if node.disk is not None and self._dice.random() < 0.6:
                node.disk.take_copy()

    def _restore(self) -> None:
        nodes = [node for node in self._copied() if node.disk is not None and node.disk.copy is not None]
        if nodes:
            node = self._dice.choice(nodes)
            assert node.disk is not None
            node.crash(power=False)
            node.disk.restore()
            self._events.count("restores")
            node.start_later(self._dice.uniform(0.01, 1.0))

    def _new_streams(self) -> None:
        self._world.new_streams(*self._dice.choice(self._pairs()))

    # --- enemies ---

    def _misbehave(self) -> None:
        name = self._dice.choice(list(self._world.topology.hostile))
        process = self._world.client(name)
        if isinstance(process, ClientProcess) and not process.node.frozen:
            process.engine.misbehave(process.node.now)  # type: ignore[attr-defined]
            self._world.oracle.check_stolen(process)
            process.touch()

    # --- the end ---

    def end(self) -> None:
        """The network is whole, all nodes run and are quick, all disks are well. Enemies stay."""
        self._over = True
        for cut in list(self._cuts):
            self._heal(cut)
        for end in self._world.network.links:
            end.out.tamper = end.inn.tamper = None
            _hurry(end)
        for node in self._world.nodes:
            self._thaw(node)
            node.turn_s, node.refuses = (0.00002, 0.0003), False
            if node.disk is not None:
                node.disk.be_well()
            process = node.process
            drains = isinstance(process, HubProcess) and process.engine.status()["draining"]
            if process is not None and (drains or (process.store is not None and process.store.failed)):
                node.crash(power=False)  # its operator starts it anew
            node.start()


def _hurry(end: End) -> None:
    """Its connection is as quick as others again."""
    end.out.bytes_per_step = end.inn.bytes_per_step = None
