"""One world: nodes, network, oracle, operator, from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.errors import DskedError
from dsked.hub.engine import HubEngine
from dsked.psrd.pair import Side
from dsked.wire.additions import Wrapping
from simulating.disks.state import LOW_BYTES, Bundle, Factory, NodeDisk
from simulating.enemies.cabal import Cabal
from simulating.events import Events
from simulating.judging.oracle import Oracle
from simulating.processes import ClientProcess, HubProcess, Node, Process
from simulating.topology import Topology
from simulating.wires.network import Network

_LOOK_S = 1.0  # how often the operator looks at the pools


class World:
    """A topology with all that happens to it. `told` gets every line of the trace."""

    def __init__(self, seed: str, topology: Topology, told: Callable[[str], None] | None = None) -> None:
        self.seed, self.topology = seed, topology
        self.events = Events(told)
        self.dice = random.Random(f"{seed} world")  # noqa: S311  repeatable on purpose
        self.network = Network(self.events, seed)
        self.cabal = Cabal(random.Random(f"{seed} cabal"), topology.k, topology.xs)  # noqa: S311  as above
        self.cabal.client_of = topology.client_of
        self.oracle = Oracle(self.events, topology, self.cabal.learn_key, self._lives)
        self._factory = Factory(seed)
        self._gate = {
            (client, hub): self.dice.randbytes(32) for client in topology.clients for hub in topology.hubs
        }
        self.hubs = {name: self._node(name, Side.HUB) for name in topology.hubs}
        self.clients = {name: self._node(name, Side.CLIENT) for name in topology.clients}
        self.events.note(topology.describe())
        if not topology.simulated:
            for client, hub in self.pairs:
                self._factory.begin(client, hub, topology.xs[hub])
        for node in self.nodes:
            node.start()
        if not topology.simulated:
            self._operate()

    def _node(self, name: str, side: Side) -> Node:
        dice = random.Random(f"{self.seed} disk of {name}")  # noqa: S311  as above
        disk = None if self.topology.simulated else NodeDisk(name, side, dice)
        return Node(self.events, self.seed, name, side, disk, self._new_process)

    @property
    def nodes(self) -> list[Node]:
        """All machines."""
        return [*self.hubs.values(), *self.clients.values()]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All (client, hub)."""
        topology = self.topology
        return [(client, hub) for client in topology.clients for hub in topology.hubs_of(client)]

    def client(self, name: str) -> ClientProcess | None:
        """The client's process, if it runs."""
        process = self.clients[name].process
        return process if isinstance(process, ClientProcess) else None

    def hub(self, name: str) -> HubProcess | None:
        """The hub's process, if it runs."""
        process = self.hubs[name].process
        return process if isinstance(process, HubProcess) else None

    def honest_clients(self) -> list[ClientProcess]:
        """Those that run."""
        found = (self.client(name) for name in self.clients if name not in self.topology.hostile)
        return [process for process in found if process is not None]

    def _lives(self) -> dict[str, int]:
        return {name: node.serial for name, node in self.hubs.items()}

    # --- processes ---

    def _new_process(self, node: Node) -> Process:
        """The next life of a node. Raises DskedError where its state cannot be opened."""
        if node.side is Side.HUB:
            return HubProcess(node, self.oracle, self._new_hub)
        process = ClientProcess(node, self.oracle, self.network, self.hubs, self._new_client)
        self.oracle.watch(process)
        return process

    def _psrd(self, process: Process) -> dict[str, Any]:
        store = process.store
        if store is not None:
            return {"simulated": False, "gate_keys": store.gate_keys(), "streams": store.streams()}
        keys = {
            (hub if process.node.side is Side.CLIENT else client): self._gate[client, hub]
            for client, hub in self.pairs
            if process.name in (client, hub)
        }
        return {"simulated": True, "gate_keys": keys}

    def _new_hub(self, process: HubProcess) -> HubEngine:
        topology = self.topology
        kind = topology.liars.get(process.name, HubEngine)
        owners = topology.clients_at(process.name) if topology.provisioned else None
        cabal: dict[str, Any] = {"cabal": self.cabal} if kind is not HubEngine else {}
        return kind(
            process.name, owners=owners, share_timeout_s=topology.share_timeout_s, notice=process.notice,
            random=process.random.randbytes, **self._psrd(process), **cabal,
            wrapping=topology.wrapping.get(process.name, Wrapping.OFF),
        )  # fmt: skip

    def _new_client(self, process: ClientProcess) -> ClientEngine:
        topology = self.topology
        kind = topology.hostile.get(process.name, ClientEngine)
        cabal: dict[str, Any] = {"cabal": self.cabal} if kind is not ClientEngine else {}
        return kind(
            process.name, encryptors=topology.clients[process.name],
            hubs=[(hub, topology.xs[hub]) for hub in topology.hubs_of(process.name)],
            k=topology.k, refill=RefillSettings(500, 2000, 1000), share_timeout_s=topology.share_timeout_s,
            notice=process.notice, random=process.random.randbytes, **self._psrd(process), **cabal,
            stored=topology.stored.get(process.name, ()),
            wrapping=topology.wrapping.get(process.name, Wrapping.OFF),
        )  # fmt: skip

    # --- the operator of PSRD on media ---

    def _operate(self) -> None:
        self.bring_bundles()
        self.events.after(_LOOK_S, self._operate)

    def bring_bundles(self) -> None:
        """To every node that runs: the bundles that it lacks. And further ones where pools run low."""
        for client, hub in self.pairs:
            if self._runs_low(client, hub):
                self._factory.go_on(client, hub)
                self.events.count("further bundles")
            for node in self._ends(client, hub):
                for bundle in self._factory.bundles[client, hub]:
                    if not self._has(node, bundle) and not self._import(node, bundle):
                        break

    def new_streams(self, client: str, hub: str) -> None:
        """The operator gives a pair new streams in place of its own."""
        self._factory.begin(client, hub, self.topology.xs[hub])
        self.events.note(f"new streams for {client} and {hub}")
        self.events.count("new streams")

    def _ends(self, client: str, hub: str) -> list[Node]:
        ends = [self.clients[client], self.hubs[hub]]
        return ends if self.dice.random() < 0.5 else ends[::-1]

    @staticmethod
    def _has(node: Node, bundle: Bundle) -> bool:
        process = node.process
        return process is None or process.store is None or process.store.holds(bundle)

    def _runs_low(self, client: str, hub: str) -> bool:
        """Both ends run and have all bundles, and a pool of theirs holds little."""
        bundles = self._factory.bundles[client, hub]
        ends = (self.clients[client], self.hubs[hub])
        low = False
        for node, peer in zip(ends, (hub, client), strict=True):
            if node.process is None or node.process.store is None or not self._has(node, bundles[-1]):
                return False
            streams = node.process.store.streams()[peer]
            local, received = streams.local, streams.peer
            low = low or min(local.store.end - local.next, received.unused) < LOW_BYTES
        return low

    def _import(self, node: Node, bundle: Bundle) -> bool:
        """As `dskectl psrd import` does it with a running daemon. False where it did not succeed."""
        if node.frozen:
            return False
        done: list[bool] = []
        node.run(lambda: done.append(self._adopt(node, bundle)))
        return done == [True]

    def _adopt(self, node: Node, bundle: Bundle) -> bool:
        process, disk = node.process, node.disk
        assert process is not None and disk is not None and process.store is not None
        topology = self.topology
        of_client = {hub: topology.xs[hub] for hub in topology.hubs_of(node.name)}
        peers = of_client if node.side is Side.CLIENT else dict.fromkeys(topology.clients_at(node.name), 0)
        peer = bundle.delivery.peer(node.side)
        try:
            disk.stage(bundle)
            adopted = process.store.adopt(bundle, peers)
        except DskedError as error:
            self.events.note(f"{node.name} does not adopt: {error}")
            self.events.count("adoptions that failed")
            return False
        self.events.count("adoptions")
        if adopted.pair is not None:
            process.engine.deliver(peer, bundle.delivery.terms.gate_key, adopted.pair.streams)
        else:
            process.engine.grown(peer)
        process.touch()
        return True
