"""What encryptors ask for: keys for each other, of all sizes, fetched, again, and in vain."""

from __future__ import annotations

import random
from functools import partial

from dsked.keys import Key
from dsked.sharing.amd import HASH_KEY_BYTES
from dsked.sharing.shares import PAIR_BYTES
from simulating.events import Broken
from simulating.judging.remembered import Request
from simulating.processes import ClientProcess
from simulating.supplies import can_deal, can_fetch, pads
from simulating.world import World

_SIZES_BITS = (32, 128, 256, 256, 256, 256, 512, 4096, 8192, 8200, 16384)
_LONG_BITS = (40_000, 160_000)
_TRIES = 4
_CODES_BYTES = PAIR_BYTES + HASH_KEY_BYTES  # of a key at most, for each client that serves a responder


class Load:
    """Requests at random times until `stop`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events = world.events
        self._dice = random.Random(f"{world.seed} load")  # noqa: S311  repeatable on purpose
        self._of_stored = random.Random(f"{world.seed} load of stored keys")  # noqa: S311  as above
        self._pause_s = self._dice.choice([0.2, 0.4, 0.8])
        self._stopped = False
        self._honest = {
            name: client
            for name, client in world.topology.client_of.items()
            if client not in world.topology.hostile
        }
        self._next()

    def stop(self) -> None:
        """No further keys are asked for; what was established is still fetched."""
        self._stopped = True

    def _next(self) -> None:
        if not self._stopped:
            self._ask()
            self._ask_for_stored()
            self._events.after(self._dice.expovariate(1 / self._pause_s), self._next)

    def _ask(self) -> None:
        dice = self._dice
        caller = dice.choice(list(self._honest))
        process = self._world.client(self._honest[caller])
        if process is None:
            return
        others = [name for name in self._world.topology.client_of if name != caller]
        responders = dice.sample(others, min(dice.choice([1, 1, 1, 2, 3]), len(others)))
        bits = dice.choice(_LONG_BITS if dice.random() < 0.04 else _SIZES_BITS)
        number = dice.choice([1, 1, 1, 2, 5]) if bits > 512 or dice.random() < 0.94 else 40
        if bits in _LONG_BITS:  # less than the pools hold when their operator brings more
            number = 1
        self._get_keys(process, caller, responders, number, bits)
        if dice.random() < 0.1:
            self._ask_for_others()

    def _ask_for_stored(self) -> None:
        """Of pairs that have a store: what is there, or a little more."""
        dice = self._of_stored
        for client, pairs in self._world.topology.stored.items():
            process = self._world.client(client)
            if process is None or dice.random() < 0.5:
                continue
            pair = dice.choice(pairs)
            number = dice.randint(1, pair.count + 1)
            self._get_keys(process, pair.initiator, [pair.responder], number, 8 * pair.key_bytes)

    def _get_keys(
        self, process: ClientProcess, caller: str, responders: list[str], number: int, bits: int
    ) -> None:
        nr_clients = len({self._world.topology.client_of[name] for name in responders})
        wanted = pads(number * (bits // 8 + nr_clients * _CODES_BYTES), number)
        have = partial(self._have, responders, wanted)
        self._world.oracle.get_keys(process, caller, responders, number, bits, have)

    def _have(self, responders: list[str], wanted: int, request: Request) -> None:
        keys = request.outcome
        if not isinstance(keys, list):
            if self._must_be_dealt(request.process.name, responders, wanted):
                raise Broken(f"{request.caller} gets no key, though enough hubs are well: {keys}")
            return
        for responder in responders:
            ids = [key.key_id for key in keys if isinstance(key, Key)]
            fetch = partial(self._fetch, responder, request.caller, ids, 0)
            self._events.after(self._dice.choice([0.0, 0.02, 0.5, 2.0]) * self._dice.random(), fetch)
        if self._dice.random() < 0.15:
            self._fetch_wrongly(request.caller, keys[0].key_id)

    def _must_be_dealt(self, client: str, responders: list[str], wanted: int) -> bool:
        """True where nothing befalls k honest hubs that all have, and their pools hold so many bytes."""
        topology = self._world.topology
        common = topology.common([client, *(topology.client_of[name] for name in responders)])
        well = common.intersection(self._well())
        able = [hub for hub in sorted(well) if can_deal(self._world, client, hub, wanted)]
        return bool(topology.victims) and len(able) >= topology.k

    def _well(self) -> list[str]:
        """Honest hubs that are not struck."""
        topology = self._world.topology
        return [hub for hub in topology.hubs if hub not in {*topology.victims, *topology.liars}]

    def _fetch(self, caller: str, initiator: str, key_ids: list[bytes], tries: int) -> None:
        process = self._process_of(caller)
        if process is None:
            return
        then = partial(self._fetched, caller, initiator, key_ids, tries)
        self._world.oracle.fetch(process, caller, initiator, key_ids, then)

    def _process_of(self, caller: str) -> ClientProcess | None:
        client = self._honest.get(caller)
        return self._world.client(client) if client is not None else None

    def _fetched(
        self, caller: str, initiator: str, key_ids: list[bytes], tries: int, request: Request
    ) -> None:
        again = partial(self._fetch, caller, initiator, key_ids, tries + 1)
        if isinstance(request.outcome, list):
            if tries == 0 and self._dice.random() < 0.25:  # the reply was lost
                self._events.count("asked again")
                self._events.after(self._dice.choice([0.01, 0.5, 5.0, 12.0]), again)
        elif tries == 0 and self._must_be_there(caller, initiator, key_ids, request.asked_at):
            raise Broken(
                f"{caller} does not get a key of {initiator}, though enough hubs hold it: {request.outcome}"
            )
        elif tries < _TRIES:
            self._events.after(self._dice.uniform(0.05, 1.5), again)

    def _must_be_there(self, caller: str, initiator: str, key_ids: list[bytes], asked_at: float) -> bool:
        """True where k honest hubs that nothing befalls have acknowledged, and nobody has had it before.

        Their pools must still hold what it takes. What was stored first had been there for a while: it may be
        too late for it.
        """
        topology, memory = self._world.topology, self._world.oracle.memory
        fetch_ids = [(self._honest[initiator], key_id) for key_id in key_ids]
        terms = [memory.dealt[fetch_id].terms for fetch_id in fetch_ids]
        well_here = set(topology.hubs_of(self._honest[caller])).intersection(self._well())
        able = {hub for hub in well_here if can_fetch(self._world, self._honest[caller], hub, terms)}
        places = enumerate(topology.hubs_of(self._honest[initiator]))
        well = {place for place, hub in places if hub in able}
        return (
            bool(topology.victims)
            and all(len(memory.dealt[fetch_id].acked & well) >= topology.k for fetch_id in fetch_ids)
            and all(
                asked_at < memory.dealt[fetch_id].sure_until(topology.share_timeout_s)
                for fetch_id in fetch_ids
            )
            and not any(memory.delivered[fetch_id, caller] for fetch_id in fetch_ids)
        )

    def _fetch_wrongly(self, initiator: str, key_id: bytes) -> None:
        """Another encryptor asks, or names another initiator."""
        caller, other = self._dice.choice(list(self._honest)), self._dice.choice(list(self._honest))
        named = self._dice.choice([initiator, other])
        process = self._process_of(caller)
        if process is not None:
            self._world.oracle.fetch(process, caller, named, [key_id], lambda request: None)

    def _ask_for_others(self) -> None:
        """What colluders leaked or laid out as bait."""
        cabal, dice = self._world.cabal, self._dice
        if cabal.bait:
            bait = dice.choice(cabal.bait)
            self._fetch(bait.responder.encryptor, bait.initiator.encryptor, [bait.key_id], _TRIES)
        if cabal.leaked:
            leak = dice.choice(cabal.leaked)
            self._fetch(
                dice.choice(leak.responders).encryptor, leak.initiator.encryptor, [leak.key_id], _TRIES
            )
