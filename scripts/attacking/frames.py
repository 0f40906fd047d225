"""Mutated frames on a live hub and on live clients, over real sockets.

From strangers who have no keys; from insiders with the gate key; from clients and hubs that hold the pads and
say anything under true tags. Both sides of the attack run at once, beside honest key requests.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvloop
from laboratory import Laboratory, free_ports, topology, wait_until
from load import ControlConnection

from dsked.config import gate_keys
from dsked.delivery.control_protocol import Op
from dsked.limits import OUTSIDER_LOG_INTERVAL_S
from dsked.psrd.pair import Pair, Side

from .attack import Broken, Figures, Told
from .content import Corpus
from .hostile import HostileClient, HostileHub, Said
from .pools import moved, positions
from .strangers import Caller, FalseHub, Insider, Stranger

HONEST_HUBS = ["hub1", "hub2", "hub3"]
FALSE_HUBS = [f"hub{number}" for number in range(4, 13)]
VICTIM = HONEST_HUBS[0]
CLIENTS = {"carol": ["sam"], "curtis": ["sunny"]}
FALSE_CLIENTS = {f"mallory{number}": [f"mark{number}"] for number in range(1, 5)}
#: Of all frames, how many are whose; the rest is what hostile hubs say to clients.
STRANGERS, INSIDERS, HOSTILE_CLIENTS = 0.20, 0.05, 0.50
WARM_UP = 0.2
#: Valid bodies before a broken one, at most; a client that was cut off comes again after 0.1 s.
MOST_TO_HUB, MOST_TO_CLIENT = 16, 80
STRANGERS_IN_FLIGHT, INSIDERS_IN_FLIGHT = 24, 4
#: Of the connections of a client to a hub that is none, how many meet somebody without gate key.
WITHOUT_KEY = 0.1
CONNECTION_LIMIT_S = 20.0
PROBE_S, LOOK_S = 1.0, 0.05
MAX_GROWTH_BYTES = 5 * 1024 * 1024
MAX_M0_BYTES = 30
#: What a hub logs in OUTSIDER_LOG_INTERVAL_S at most: ten kinds of outsiders' lines, and four of each client.
LINES_PER_INTERVAL = 10 + 4 * (len(CLIENTS) + len(FALSE_CLIENTS))
#: Lines above warning that honest nodes may log while others lie to them under the pair's own keys.
EXPECTED = re.compile(
    r"(hub hub\d+|client mallory\d) ((refused|answered) the registration|remembers more of this node)"
)


class Assault:
    """One laboratory and all that comes to it."""

    def __init__(self, lab: Laboratory, seed: str, amount: int, told: Told) -> None:
        self._lab, self._amount, self._told = lab, amount, told
        self._random = random.Random(f"frames {seed}")  # noqa: S311  repeatable on purpose
        corpus = Corpus(min(max(amount // 20, 500), 5000), self._random)
        self._stranger = Stranger(corpus, self._random)
        self._corpus = corpus
        keys = gate_keys.load(next(lab.path.rglob(gate_keys.FILE_NAME)))
        self._clients = [
            HostileClient(
                self._pair(name, keys), lab.port(VICTIM), self._said("client", MOST_TO_HUB), self._random
            )
            for name in FALSE_CLIENTS
        ]
        self._insider = self._pair(next(iter(CLIENTS)), keys)
        self._hubs = {
            name: HostileHub(
                name, {client: keys[client, name] for client in CLIENTS}, self._said("hub", MOST_TO_CLIENT),
                self._random,
            )
            for name in FALSE_HUBS
        }  # fmt: skip
        self.sent: Counter[str] = Counter()
        self.key_pairs = 0
        self._begun_s = time.monotonic()

    @staticmethod
    def _pair(client: str, keys: gate_keys.GateKeys) -> Pair:
        return Pair(client, VICTIM, Side.CLIENT, keys[client, VICTIM], simulated=True)

    def _said(self, who: str, most: int) -> Said:
        def sent(valid: int, broken: int) -> None:
            self._count(f"{who}_valid", valid)
            self._count(f"{who}_broken", broken)

        return Said(self._corpus, self._random, most, sent)

    def _count(self, kind: str, number: int = 1) -> None:
        self.sent[kind] += number
        self._told(min(self.sent.total(), self._amount))

    # --- the course of it ---

    async def run(self) -> Figures:
        """Everything. Raises Broken at the first thing that does not hold."""
        await self._attack(int(self._amount * WARM_UP))
        before = self._memory()
        await self._attack(self._amount, probing=True)
        after = self._memory()
        await self._keys_flow()
        growth = {name: after[name] - before[name] for name in before}
        for name, size in growth.items():
            if size > MAX_GROWTH_BYTES:
                raise Broken(f"{name} has grown by {size} bytes, from {before[name]}")
        return {
            **{f"from_{kind}": number for kind, number in self.sent.items()},
            "key_pairs_meanwhile": self.key_pairs,
            **{f"growth_kib_{name}_max": round(size / 1024) for name, size in growth.items()},
            **{f"log_lines_{name}": len(self._lab.log(name).splitlines()) for name in growth},
        }

    async def _attack(self, total: int, *, probing: bool = False) -> None:
        """Until so many frames were sent altogether: strangers, then all others beside key requests."""
        strangers = self._quota(total, STRANGERS, "strangers")
        before = self._positions()
        await self._repeat(STRANGERS_IN_FLIGHT, "strangers", strangers, self._a_stranger)
        fault = moved(before, self._positions())
        if fault:
            raise Broken(f"strangers: {fault}")
        probe = asyncio.create_task(self._probe()) if probing else None
        await self._from_peers(total)
        if probe is not None:
            probe.cancel()
            with suppress(asyncio.CancelledError):
                await probe

    async def _from_peers(self, total: int) -> None:
        """All who hold keys or play a hub, at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._at_clients(total))
            insiders = self._quota(total, INSIDERS, "insiders")
            group.create_task(self._repeat(INSIDERS_IN_FLIGHT, "insiders", insiders, self._an_insider))
            clients = int(total * HOSTILE_CLIENTS)
            for client in self._clients:
                group.create_task(self._while(lambda: self._said_by("client") < clients, client.session))

    def _quota(self, total: int, share: float, kind: str) -> int:
        return int(total * share) - self.sent[kind]

    def _said_by(self, who: str) -> int:
        return self.sent[f"{who}_valid"] + self.sent[f"{who}_broken"]

    async def _repeat(
        self, in_flight: int, kind: str, number: int, one: Callable[[], Awaitable[None]]
    ) -> None:
        end = self.sent[kind] + number

        def more() -> bool:
            if self.sent[kind] >= end:
                return False
            self._count(kind)
            return True

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._while(more, one))

    async def _while(self, more: Callable[[], bool], one: Callable[[], Awaitable[None]]) -> None:
        while more():
            try:
                async with asyncio.timeout(CONNECTION_LIMIT_S):
                    await one()
            except TimeoutError:
                raise Broken(f"{VICTIM} has left a connection open that broke the rules") from None

    async def _a_stranger(self) -> None:
        caller = Caller(self._stranger.says())
        await self._dial(caller)
        await caller.closed
        if len(caller.heard) > MAX_M0_BYTES:
            raise Broken(f"{VICTIM} has answered a stranger: {caller.heard.hex()}")

    async def _an_insider(self) -> None:
        insider = Insider(self._insider, self._stranger, self._random)
        await self._dial(insider)
        await insider.closed

    async def _dial(self, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: protocol, "127.0.0.1", self._lab.port(VICTIM))

    # --- at clients ---

    async def _at_clients(self, total: int) -> None:
        """Listen in the place of the false hubs until enough was said."""
        loop = asyncio.get_running_loop()
        enough = total - int(total * (STRANGERS + INSIDERS + HOSTILE_CLIENTS))
        servers = [
            await loop.create_server(partial(self._a_hub, hub), "127.0.0.1", self._lab.port(name))
            for name, hub in self._hubs.items()
        ]
        while self._said_by("hub") + self.sent["false_hubs"] < enough:  # noqa: ASYNC110  counted in many places
            await asyncio.sleep(LOOK_S)
        for server in servers:
            server.close()

    def _a_hub(self, hub: HostileHub) -> asyncio.Protocol:
        if self._random.random() < WITHOUT_KEY:
            self._count("false_hubs")
            return FalseHub(self._stranger, self._random)
        return hub.accepted()

    # --- what must hold ---

    def _states(self) -> dict[str, dict[str, Any]]:
        return {name: self._lab.status(name) for name in (*HONEST_HUBS, *CLIENTS)}

    def _positions(self) -> dict[str, dict[str, int]]:
        """But for those with our own false hubs, whose last connections may end just now."""
        false = tuple(f" with {name}, " for name in self._hubs)
        found = positions(self._states())
        return {name: used for name, used in found.items() if not any(hub in name for hub in false)}

    def _memory(self) -> dict[str, int]:
        return {name: self._lab.resident_bytes(name) for name in (VICTIM, *CLIENTS)}

    async def _probe(self) -> None:
        """Ask for keys meanwhile: that it takes long is no fault here, that the ends differ is."""
        while True:
            await asyncio.sleep(PROBE_S)
            with suppress(RuntimeError):
                await self._key_pair()
                self.key_pairs += 1

    async def _key_pair(self) -> None:
        (near, (master,)), (far, (slave,)) = CLIENTS.items()
        ends = [await ControlConnection.open(self._lab.socket("client", name)) for name in (near, far)]
        try:
            mine = await ends[0].request(Op.GET_KEYS, [[slave], 4, 256, master])
            theirs = await ends[1].request(Op.GET_KEYS_BY_ID, [master, [key_id for key_id, _ in mine], slave])
        finally:
            for end in ends:
                end.transport.close()
        if mine != theirs:
            raise Broken("the two ends hold different values")

    async def _keys_flow(self) -> None:
        def registered() -> bool:
            peers = [peer for name in CLIENTS for peer in self._lab.status(name)["peer_hubs"]]
            return all(peer["registered"] for peer in peers if peer["hub_name"] in HONEST_HUBS)

        wait_until(registered, "the clients are registered with the honest hubs")
        await self._key_pair()

    def check_logs(self) -> None:
        """Raise Broken where a node has logged what it should not."""
        for name in (*HONEST_HUBS, *CLIENTS):
            lines = self._lab.log(name).splitlines()
            bad = [line for line in lines if " ERROR " in line or " CRITICAL " in line or "Traceback" in line]
            bad = [line for line in bad if not EXPECTED.search(line)]
            if bad:
                raise Broken(f"{name} has logged: {bad[:5]}")
        said = len(self._lab.log(VICTIM).splitlines())
        intervals = (time.monotonic() - self._begun_s) / OUTSIDER_LOG_INTERVAL_S
        if said > (intervals + 2) * LINES_PER_INTERVAL:
            raise Broken(
                f"{VICTIM} has logged {said} lines in {intervals:.0f} times {OUTSIDER_LOG_INTERVAL_S} s"
            )


class Frames:
    """The attack."""

    name = "frames"
    what = (
        "mutated frames on a live hub and live clients, by strangers and under true tags: nothing falls over"
    )
    unit = "frames"
    full = 200_000
    long = 5_000_000
    piece = 250_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """One piece, in a laboratory of its own."""
        clients = {**CLIENTS, **FALSE_CLIENTS}
        hubs = len(HONEST_HUBS) + len(FALSE_HUBS)
        content = topology(hubs, clients, free_ports(hubs + len(clients)), min_nr_shares=2)
        with Laboratory(content, nodes=[*HONEST_HUBS, *CLIENTS]) as lab:
            assault = Assault(lab, seed, amount, told)
            try:
                figures = uvloop.run(assault.run())
            except* Broken as broken:
                raise broken.exceptions[0] from None
            lab.stop(*HONEST_HUBS, *CLIENTS)
            assault.check_logs()
        return figures


ATTACK = Frames()
