"""Whole topologies of pure engines in one process: a simulated network and clock, one seed."""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from simulating.enemies.cabal import Cabal
from simulating.enemies.deeds.client import HostileClient
from simulating.enemies.lies.hub import LyingHub

from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.client.refill import RefillSettings
from dsked.client.stored_place import StoredPair
from dsked.errors import DskedError
from dsked.hub.engine import HubEngine
from dsked.keys import Key, Outcome
from dsked.wire.connection import ClientConnection, HubConnection, Stage

DELAY_S = 0.001
CLIENTS: dict[str, tuple[str, ...]] = {
    "carol": ("sam",),
    "celia": ("serena",),
    "curtis": ("sunny", "susan"),
}


class Link:
    """One TCP connection between a client's engine and a hub's."""

    def __init__(self, world: World, client: str, peer: HubPeer, hub: str) -> None:
        self.world, self.client, self.peer, self.hub = world, client, peer, hub
        self.near: ClientConnection = world.clients[client].connected(peer)
        self.far: HubConnection = world.hubs[hub].connect()
        self.open = True
        self.frames_to_hub: list[bytes] = []
        self.frames_to_client: list[bytes] = []

    def flush(self) -> None:
        """Put what both ends have to say on the wire."""
        if not self.open:
            return
        try:
            to_hub, to_client = self.near.data_to_send(), self.far.data_to_send()
        except DskedError as error:
            self.close(str(error))
            return
        delay_s = self.world.delays.get(self.hub, DELAY_S)
        if to_hub:
            self.frames_to_hub.append(to_hub)
            self.world.after(delay_s, lambda: self._to_hub(to_hub), self.hub)
        if to_client:
            self.frames_to_client.append(to_client)
            self.world.after(delay_s, lambda: self._to_client(to_client), self.hub)
        if Stage.CLOSING in (self.near.stage, self.far.stage):
            self.world.after(DELAY_S, lambda: self.close("the hub closed the connection"))

    def _to_hub(self, data: bytes) -> None:
        if self.open:
            try:
                self.world.hubs[self.hub].receive(self.far, data, self.world.now)
            except DskedError as error:
                self.close(str(error))

    def _to_client(self, data: bytes) -> None:
        if self.open:
            try:
                self.world.clients[self.client].receive(self.near, data, self.world.now)
            except DskedError as error:
                self.close(str(error))

    def close(self, problem: str) -> None:
        """The connection breaks; both ends are told."""
        if self.open:
            self.open = False
            self.world.links.remove(self)
            self.world.hubs[self.hub].disconnected(self.far)
            self.world.clients[self.client].disconnected(self.peer, self.world.now, problem)


class World:
    """n hubs (hub1, hub2, ...), clients with encryptors, k of n.

    `hubs_of`: by client, for those that have some hubs only; `owners`: empty at first come, first served.
    `hub_classes` and `client_classes`: by name, for those that are not honest. They know every key from when
    it is dealt.
    """

    def __init__(
        self, *, n: int = 5, k: int = 3, clients: Mapping[str, Sequence[str]] = CLIENTS, seed: int = 1,
        hub_classes: Mapping[str, type[HubEngine]] | None = None, share_timeout_s: float = 60.0,
        client_classes: Mapping[str, type[HostileClient]] | None = None,
        stored: Mapping[str, Sequence[StoredPair]] | None = None,
        hubs_of: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        self.now = 1000.0
        self.n, self.k = n, k
        self.random = random.Random(seed)
        self.notices: list[tuple[int, str]] = []
        self.links: list[Link] = []
        self.down: set[str] = set()
        self.delays: dict[str, float] = {}  # to hubs, one way in seconds, where it is not DELAY_S
        self.frozen: dict[str, list[Callable[[], None]]] = {}
        self._events: list[tuple[float, int, Callable[[], None], str | None]] = []
        self._order = count()
        self._encryptors = {name: tuple(encryptors) for name, encryptors in clients.items()}
        self.owners = dict(self._encryptors)
        self.hubs_of = {name: list((hubs_of or {}).get(name, self.hub_names)) for name in clients}
        self.audited: list[tuple[str, dict[str, Any]]] = []
        self._share_timeout_s = share_timeout_s
        self.stored = dict(stored or {})  # by client
        self._classes = dict(hub_classes or {})
        self._client_classes = dict(client_classes or {})
        self.cabal = Cabal(random.Random(f"{seed} cabal"), k, {h: x for x, h in enumerate(self.hub_names, 1)})
        self.cabal.client_of = {name: client for client, names in clients.items() for name in names}
        self._gate = {(c, h): self.random.randbytes(32) for c in clients for h in self.hub_names}
        self.hubs = {name: self.new_hub(name) for name in self.hub_names}
        self.clients = {name: self.new_client(name) for name in clients}
        self.dialling = True

    @property
    def hub_names(self) -> list[str]:
        return [f"hub{number}" for number in range(1, self.n + 1)]

    def new_hub(self, name: str) -> HubEngine:
        kind = self._classes.get(name, HubEngine)
        enemies: dict[str, Any] = {"cabal": self.cabal} if issubclass(kind, LyingHub) else {}
        return kind(
            name, simulated=True, random=self.random.randbytes, notice=self._notice,
            owners={c: names for c, names in self.owners.items() if name in self.hubs_of[c]} or None,
            gate_keys={c: self._gate[c, name] for c, own in self.hubs_of.items() if name in own},
            share_timeout_s=self._share_timeout_s, **enemies,
        )  # fmt: skip

    def new_client(self, name: str) -> ClientEngine:
        kind = self._client_classes.get(name, ClientEngine)
        enemies: dict[str, Any] = {"cabal": self.cabal} if name in self._client_classes else {}
        return kind(
            name, encryptors=self._encryptors[name], k=self.k, simulated=True,
            hubs=[(hub, x) for x, hub in enumerate(self.hub_names, 1) if hub in self.hubs_of[name]],
            gate_keys={hub: self._gate[name, hub] for hub in self.hubs_of[name]},
            audit=lambda event, fields: self.audited.append((event, dict(fields))),
            refill=RefillSettings(500, 2000, 1000), share_timeout_s=self._share_timeout_s,
            random=self.random.randbytes, notice=self._notice, stored=self.stored.get(name, ()), **enemies,
        )  # fmt: skip

    def _notice(self, level: int, text: str, /, **fields: str) -> None:
        self.notices.append((level, text))

    def warnings(self) -> list[str]:
        return [text for level, text in self.notices if level >= logging.WARNING]

    # --- time ---

    def after(self, delay_s: float, action: Callable[[], None], hub: str | None = None) -> None:
        """Do `action` later; what concerns a frozen hub waits until it thaws."""
        heapq.heappush(self._events, (self.now + delay_s, next(self._order), action, hub))

    def end_turns(self) -> None:
        """Let every engine act on what has come, and put its output on the wire."""
        for client in self.clients.values():
            client.tick(self.now)
            to_dial, _ = client.turn_ends(self.now)
            for peer in to_dial:
                self._dial(client, peer)
        for name, hub in self.hubs.items():
            if name in self.frozen:
                continue
            hub.tick(self.now)
            _, to_close = hub.turn_ends()
            for link in [link for link in self.links if link.far in to_close]:
                link.close("the hub closed the connection")
        for link in list(self.links):
            link.flush()

    def _dial(self, client: ClientEngine, peer: HubPeer) -> None:
        def arrive() -> None:
            if peer.name in self.down:
                client.disconnected(peer, self.now, "connection refused")
            else:
                self.links.append(Link(self, client.name, peer, peer.name))

        if self.clients.get(client.name) is client:
            self.after(DELAY_S, arrive)

    def _next_time(self) -> float | None:
        engines = [*self.clients.values(), *(h for n, h in self.hubs.items() if n not in self.frozen)]
        times = [time for time in (engine.next_deadline() for engine in engines) if time is not None]
        if self._events:
            times.append(self._events[0][0])
        return min(times, default=None)

    def step(self) -> bool:
        """Move on to what happens next, and end the turn. False when nothing is left to happen."""
        at = self._next_time()
        if at is None:
            return False
        self.now = max(self.now, at)
        while self._events and self._events[0][0] <= self.now:
            _, _, action, hub = heapq.heappop(self._events)
            if hub in self.frozen:
                self.frozen[hub].append(action)
            else:
                action()
        self.end_turns()
        return True

    def run_until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> None:
        """Let the world go on until `condition` holds; fails after `limit_s` of its own time."""
        end = self.now + limit_s
        self.end_turns()  # what was asked for from outside
        while not condition():
            assert self.now <= end, f"not within {limit_s} s: {self.warnings()[-5:]}"
            assert self.step(), "nothing is left to happen"

    def run_for(self, seconds: float) -> None:
        """Let `seconds` of the world's time pass."""
        reached: list[bool] = []
        self.after(seconds, lambda: reached.append(True))
        self.run_until(lambda: bool(reached), seconds + 1)

    # --- faults ---

    def start(self) -> World:
        """All clients ready, and registered with all hubs that are up; liars may never come so far."""
        due = {name for name in self.hub_names if name not in self.down and name not in self.cabal.hubs}
        honest = [client for name, client in self.clients.items() if name not in self.cabal.clients]
        self.run_until(
            lambda: all({h.name for h in c.hubs.usable()} >= due & {*self.hubs_of[c.name]} for c in honest)
        )
        self.run_until(lambda: all(client.readiness() is None for client in honest))
        self.run_for(5 * DELAY_S)  # those of the liars that come so far
        return self

    def stop_hub(self, name: str) -> None:
        """The hub's process ends: connections break, its memory is gone."""
        self.down.add(name)
        self.cut(hub=name)

    def start_hub(self, name: str) -> None:
        """A new process of the hub."""
        self.hubs[name] = self.new_hub(name)
        self.down.discard(name)

    def cut(self, *, hub: str | None = None, client: str | None = None) -> None:
        """Break the connections of a hub, a client, or both."""
        for link in list(self.links):
            if hub in (None, link.hub) and client in (None, link.client):
                link.close("the connection was lost")

    def restart_client(self, name: str) -> None:
        """A new process of the client, after a crash."""
        self.cut(client=name)
        self.clients[name] = self.new_client(name)

    def freeze(self, name: str) -> None:
        """The hub's process is stopped, not dead: it takes bytes and says nothing."""
        self.frozen[name] = []

    def thaw(self, name: str) -> None:
        """It goes on, with all that came in the meantime."""
        for action in self.frozen.pop(name):
            self.after(0, action, name)

    # --- key requests ---

    def ask_keys(
        self, client: str, caller: str, responders: Sequence[str], number: int = 1, size_bits: int = 256
    ) -> list[Any]:
        """Ask without waiting; the outcome is appended to the list that is returned."""
        outcome: list[Any] = []

        def done(result: Outcome) -> None:
            outcome.append(result)
            for key in result if isinstance(result, list) else ():
                self.cabal.learn_key(client, key.key_id, key.key)

        self.clients[client].get_keys(caller, responders, number, size_bits, done, self.now)
        return outcome

    def ask_by_id(self, client: str, caller: str, initiator: str, keys: Sequence[Key | bytes]) -> list[Any]:
        outcome: list[Any] = []
        ids = [key.key_id if isinstance(key, Key) else key for key in keys]
        self.clients[client].get_keys_by_id(caller, initiator, ids, outcome.append, self.now)
        return outcome

    def result(self, outcome: list[Any], limit_s: float = 10.0) -> Any:
        """What was asked for; raises the error that came instead."""
        self.run_until(lambda: bool(outcome), limit_s)
        assert len(outcome) == 1, "done is called once"
        if isinstance(outcome[0], DskedError):
            raise outcome[0]
        return outcome[0]

    def get_keys(self, client: str, caller: str, responders: Sequence[str], *what: int) -> list[Key]:
        keys: list[Key] = self.result(self.ask_keys(client, caller, responders, *what))
        return keys

    def get_by_id(self, client: str, caller: str, initiator: str, keys: Sequence[Key | bytes]) -> list[Key]:
        found: list[Key] = self.result(self.ask_by_id(client, caller, initiator, keys))
        return found

    def pair(self, *what: int) -> list[Key]:
        """A key from sam to sunny; both ends hold the same value."""
        mine = self.get_keys("carol", "sam", ["sunny"], *what)
        theirs = self.get_by_id("curtis", "sunny", "sam", mine)
        assert theirs == mine
        return mine
