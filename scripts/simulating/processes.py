"""What net/ makes around an engine: turns, timers, dials, one write per connection and turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.hub.engine import HubEngine
from dsked.limits import CONNECT_TIMEOUT_S
from dsked.psrd.pair import Pair
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from simulating.disks.state import OpenStore
from simulating.events import Action
from simulating.machines import Machine
from simulating.wires import inspection
from simulating.wires.network import Network
from simulating.wires.tcp import End, Pipe, join


class Judge(inspection.Judge, Protocol):
    """Who is told what a process says and when a turn of its ends. Both raise Broken."""

    def logged(self, process: Process, text: str) -> None:
        """A line of a node's log."""

    def turn_ended(self, process: Process) -> None:
        """An engine was called into, and its output has moved."""


class Process:
    """What hubs and clients have in common."""

    def __init__(self, node: Node, judge: Judge) -> None:
        self.node, self.name, self.events, self.judge = node, node.name, node.events, judge
        self.serial = node.serial
        self.alive = True
        self.store: OpenStore | None = None
        self.ends: dict[Connection, End] = {}
        self.thawed_at = self.events.now
        self._turn_planned = False
        self._wake_at: float | None = None
        self.random = random.Random(f"{node.seed} {node.name} {node.serial}")  # noqa: S311  as above
        if node.disk is not None:
            self.store = OpenStore(node.disk, self.after, self.notice, lambda: node.now, self.random)

    engine: HubEngine | ClientEngine

    def notice(self, level: int, text: str, /, **fields: str) -> None:
        """A line for the log."""
        self.events.note(f"{self.name} logs: {text}")
        self.judge.logged(self, text)

    def after(self, delay_s: float, action: Action) -> None:
        """Do something in this process later, if it still lives then."""
        self.events.after(delay_s, lambda: self._run(action))

    def _run(self, action: Action) -> None:
        if self.alive:
            self.node.run(lambda: self._if_alive(action))

    def _if_alive(self, action: Action) -> None:
        if self.alive:
            action()

    def touch(self) -> None:
        """The engine has been called into: end the turn soon, once."""
        if not self._turn_planned and self.alive:
            self._turn_planned = True
            self.after(self.random.uniform(*self.node.turn_s), self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        now = self.node.now
        self.engine.tick(now)
        self.end_turn(now)
        self.judge.turn_ended(self)
        self._set_timer()

    def end_turn(self, now: float) -> None:
        """Move the engine's output."""
        raise NotImplementedError

    def _set_timer(self) -> None:
        deadline = self.engine.next_deadline()
        if deadline is None or (self._wake_at is not None and self._wake_at <= deadline):
            return
        self._wake_at = deadline
        delay = max(self.node.clock.world(deadline) - self.events.now, 0.0) + 1e-9
        self.after(delay, lambda: self._wake(deadline))

    def _wake(self, deadline: float) -> None:
        if self._wake_at == deadline:
            self._wake_at = None
        self.touch()

    def receive(self, connection: Connection, data: bytes) -> None:
        """Bytes for the engine. Raises DskedError."""
        raise NotImplementedError

    def lost(self, connection: Connection, problem: str) -> None:
        """A connection of this process is gone."""
        raise NotImplementedError

    def state_of(self, connection: Connection) -> Any:
        """All that an unauthentic piece must not change."""
        raise NotImplementedError

    def die(self, *, silently: bool) -> None:
        """Killed: the kernel resets its connections, or nobody tells the peers."""
        self.alive = False
        for end in list(self.ends.values()):
            end.open = False
            if silently:
                end.vanish()
            else:
                end.out.drop()
                end.out.finish()
        self.ends.clear()
        if self.store is not None:
            self.store.abandon()


Node = Machine[Process]


def _pair_state(pair: Pair | None) -> Any:
    if pair is None:
        return None
    streams = pair.streams
    own = None
    if streams is not None:
        local, peer = streams.local, streams.peer
        own = (local.next, local.acked, local.peer_end, peer.mark, peer.told, local.stream_id, peer.stream_id)
    return (own, pair.had_session, pair.proved_boot, pair.latest_hello, pair.rewound)


class HubProcess(Process):
    """One life of a hub: what hub_server.py does."""

    def __init__(self, node: Node, judge: Judge, make: Callable[[HubProcess], HubEngine]) -> None:
        super().__init__(node, judge)
        self.engine: HubEngine = make(self)
        self.engine.wake = self.touch

    def accept(self, out: Pipe, inn: Pipe, peer: str) -> End:
        """A new connection."""
        end = End(self, self.engine.connect(), out, inn, peer)
        self.touch()
        return end

    def receive(self, connection: Connection, data: bytes) -> None:
        assert isinstance(connection, HubConnection)
        self.engine.receive(connection, data, self.node.now)

    def lost(self, connection: Connection, problem: str) -> None:
        assert isinstance(connection, HubConnection)
        self.engine.disconnected(connection)

    def end_turn(self, now: float) -> None:
        changed, to_close = self.engine.turn_ends()
        for connection in changed:
            end = self.ends.get(connection)
            if end is not None:
                end.flush()
        for connection in to_close:
            end = self.ends.get(connection)
            if end is not None:
                end.abort("the hub closed it")

    def state_of(self, connection: Connection) -> Any:
        engine = self.engine
        sessions = {client: id(session) for client, session in engine._sessions.items()}
        pairs = [_pair_state(pair) for pair in engine.pairs.values()]
        return (pairs, sessions, len(engine.shares), engine.shares.nr_tombstones,
                dict(engine.directory._registered))  # fmt: skip


class ClientProcess(Process):
    """One life of a client: what hub_dialer.py does. `hubs`: the nodes that it may reach over the network."""

    def __init__(
        self, node: Node, judge: Judge, network: Network, hubs: Mapping[str, Node],
        make: Callable[[ClientProcess], ClientEngine],
    ) -> None:  # fmt: skip
        super().__init__(node, judge)
        self._network, self._hubs = network, hubs
        self.engine: ClientEngine = make(self)
        self.engine.wake = self.touch
        self._hub_of: dict[Connection, HubPeer] = {}

    def receive(self, connection: Connection, data: bytes) -> None:
        assert isinstance(connection, ClientConnection)
        self.engine.receive(connection, data, self.node.now)

    def lost(self, connection: Connection, problem: str) -> None:
        self.engine.disconnected(self._hub_of.pop(connection), self.node.now, problem)

    def end_turn(self, now: float) -> None:
        to_dial, connections = self.engine.turn_ends(now)
        for hub in to_dial:
            self._dial(hub)
        for connection in connections:
            end = self.ends.get(connection)
            if end is None:
                continue
            if connection.stage is Stage.CLOSING:
                end.abort("closed by the client")
            else:
                end.flush()

    # --- dialling ---

    def _dial(self, hub: HubPeer) -> None:
        if self._network.is_cut(self.name, hub.name):
            self.after(CONNECT_TIMEOUT_S, lambda: self._unreachable(hub, "no answer"))
            return
        delay = self.random.uniform(0.0005, 0.003)
        target = self._hubs[hub.name]
        if target.process is None or target.refuses:
            self.events.count("dials refused")
            self.after(delay, lambda: self._unreachable(hub, "connection refused"))
        else:
            self.after(delay, lambda: self._dialled(hub, target))

    def _unreachable(self, hub: HubPeer, problem: str) -> None:
        self.engine.disconnected(hub, self.node.now, problem)
        self.touch()

    def _dialled(self, hub: HubPeer, target: Node) -> None:
        server = target.process
        if not isinstance(server, HubProcess):
            self._unreachable(hub, "connection refused")
            return
        self.events.count("connections")
        to_hub, to_client = self._network.pipes(self.name, hub.name)
        connection = self.engine.connected(hub)
        self._hub_of[connection] = hub
        near = End(self, connection, to_hub, to_client, hub.name)
        self._network.links.append(near)

        def accepted() -> None:  # by its kernel long ago; by its process when it is not frozen
            if near.open:
                join(near, server.accept(to_client, to_hub, self.name))
                to_hub.flow()
            else:
                self.events.count("connections that were gone before they were accepted")

        server.after(0.0, accepted)
        self.touch()

    def state_of(self, connection: Connection) -> Any:
        hub = self._hub_of[connection]
        engine = self.engine
        return (_pair_state(hub.pair), hub.registered, hub.drains, len(engine._responder._fetches),
                len(engine._responder._handing_out._delivered), hub.nr_requests)  # fmt: skip
