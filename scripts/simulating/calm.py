"""After the storm: sessions come back, pairs of encryptors establish keys and fetch them. Liveness."""

from __future__ import annotations

import random
from typing import Any

from dsked.keys import Key
from dsked.limits import STORED_KEY_RETRY_MAX_S
from simulating.events import Broken
from simulating.judging.ahead import hubs_holding
from simulating.judging.keeping import check_quiet
from simulating.judging.remembered import Request
from simulating.processes import ClientProcess
from simulating.wires.tcp import KEEPALIVE_S
from simulating.world import World

#: Sessions are back within the longest back-off, with its jitter, a handshake that fails once more, and the
#: keepalive of a connection that is dead at one end.
SESSIONS_S = 240.0
#: Until then a connection may be dead and no end know it.
_DEAD_S = KEEPALIVE_S + 6.0
_REPLACE_S = 150.0  # a pair that does not come back after restores gets new streams from its operator
_FETCH_S = 8.0
STORES_S = 2 * STORED_KEY_RETRY_MAX_S
_MAX_PAIRS = 8


class Calm:
    """Runs a world whose storm is over, and judges it. Raises Broken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events = world.events
        self._dice = random.Random(f"{world.seed} calm")  # noqa: S311  repeatable on purpose
        topology = world.topology
        honest = [name for name in topology.hubs if name not in topology.liars]
        may_fall = topology.victims or honest
        number = self._dice.randint(0, min(max(topology.spare, 0), len(may_fall)))
        self._down = self._dice.sample(may_fall, number)
        self._up = [name for name in honest if name not in self._down]

    def run(self) -> None:
        """All of it."""
        for name in self._down:
            node = self._world.hubs[name]
            node.down = True
            node.crash(power=True)
        self._wait_for_sessions()
        self._establish_all()
        self._wait_for_stores()
        self._be_quiet()

    # --- sessions ---

    def _wait_for_sessions(self) -> None:
        events, begin = self._events, self._events.now
        events.run_for(_DEAD_S)
        replaced = False
        while missing := self._missing():
            waited = events.now - begin
            if waited > SESSIONS_S:
                raise Broken(f"no session after {waited:.0f} s of calm: {self._why(missing)}")
            if waited > _REPLACE_S and not replaced and self._world.topology.restores:
                replaced = True
                for client, hub in missing:
                    events.count("pairs left behind")
                    self._world.new_streams(client, hub)
            events.run_for(0.5)
        events.note(f"all sessions are there after {events.now - begin:.1f} s of calm")

    def _missing(self) -> list[tuple[str, str]]:
        missing = []
        for name in self._world.clients:
            process = self._world.client(name)
            if name in self._world.topology.hostile:
                continue
            usable = {hub.name for hub in process.engine.hubs.usable()} if process is not None else set()
            own = self._world.topology.hubs_of(name)
            missing += [(name, hub) for hub in self._up if hub in own and hub not in usable]
        return missing

    def _why(self, missing: list[tuple[str, str]]) -> str:
        said = []
        for name, hub in missing:
            process = self._world.client(name)
            said.append(f"{name} and {hub}: {process.engine.hubs[hub].trouble if process else 'not running'}")
        return "; ".join(said[:4])

    # --- keys ---

    def _establish_all(self) -> None:
        topology = self._world.topology
        honest = [name for name, client in topology.client_of.items() if client not in topology.hostile]
        pairs = [
            (one, other)
            for one in honest
            for other in honest
            if topology.client_of[one] != topology.client_of[other]
        ]
        for one, other in self._dice.sample(pairs, min(_MAX_PAIRS, len(pairs))):
            self._establish(one, other)

    def _process(self, encryptor: str) -> ClientProcess:
        process = self._world.client(self._world.topology.client_of[encryptor])
        assert process is not None, "all clients run in the calm"
        return process

    def _establish(self, one: str, other: str) -> None:
        bits = self._dice.choice([128, 256, 8200])
        answers: list[Request] = []
        self._world.oracle.get_keys(self._process(one), one, [other], 1, bits, answers.append)
        self._until(answers)
        keys = answers[0].outcome
        if not self._have_enough(one, other):  # hubs that lie may have them believe so
            self._events.count("pairs with too few hubs in common")
            return
        if not isinstance(keys, list):
            raise Broken(f"in the calm {one} gets no key for {other}: {keys}")
        self._fetch(one, other, keys[0])

    def _have_enough(self, one: str, other: str) -> bool:
        """k hubs are up, honest, and of both clients."""
        topology = self._world.topology
        common = topology.common([topology.client_of[one], topology.client_of[other]])
        return len(common.intersection(self._up)) >= topology.k

    def _fetch(self, one: str, other: str, key: Key) -> None:
        """At once where enough hubs had acknowledged, else within the time that shares live."""
        world, topology = self._world, self._world.topology
        dealt = world.oracle.memory.dealt[topology.client_of[one], key.key_id]
        own = topology.hubs_of(topology.client_of[one])
        acked = sum(world.oracle.memory.serves(own[index], dealt) for index in dealt.acked)
        at_once = acked >= topology.k + len(topology.liars)
        if dealt.ahead:
            acked = hubs_holding(world.oracle.memory, self._process(one), key.key_id)
            at_once = acked >= topology.k
        end = self._events.now + min(_FETCH_S, topology.share_timeout_s / 2)
        while True:
            answers: list[Request] = []
            world.oracle.fetch(self._process(other), other, one, [key.key_id], answers.append)
            self._until(answers)
            outcome = answers[0].outcome
            if isinstance(outcome, list):
                self._events.count("keys in the calm")
                return
            if dealt.ahead and not at_once:
                return  # hubs that say so falsely count as well where stored keys are handed out
            if at_once or self._events.now > end:
                raise Broken(
                    f"in the calm {other} does not get the key of {one} that {acked} hubs acknowledged: "
                    f"{outcome}"
                )
            self._events.run_for(0.2)

    def _until(self, answers: list[Request]) -> None:
        while not answers:
            self._events.step()

    def _wait_for_stores(self) -> None:
        """Keys are established ahead again, whatever has put it off."""
        end = self._events.now + STORES_S
        while lacking := self._lacking():
            if self._events.now > end:
                raise Broken(f"stores are not full after {STORES_S:.0f} s of calm: {lacking}")
            self._events.run_for(0.5)

    def _lacking(self) -> list[dict[str, Any]]:
        """The places that lack keys, but for want of PSRD: an operator who brings more is left out."""
        found = []
        for process in self._world.honest_clients():
            for place in process.engine.status(process.node.now)["stored_keys"]:
                full = place["stored_key_count"] == place["max_key_count"]
                full = full or not self._have_enough(place["initiator"], place["responder"])
                if not full and "PSRD" not in str(place["problem"]):
                    found.append(place)
        return found

    # --- and nothing is left ---

    def _be_quiet(self) -> None:
        timeout = self._world.topology.share_timeout_s
        if timeout > 10 or self._world.topology.liars or self._world.topology.hostile:
            return
        for process in self._world.honest_clients():
            process.engine._stored.stop()
        self._events.run_for(3 * timeout + 16.0)  # the load's last tries, shares, then tombstones
        for node in self._world.nodes:
            if node.process is not None:
                check_quiet(node.process)
