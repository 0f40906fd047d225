"""Recorded sessions of real daemons, sent to them once more: nothing is accepted, and no pad is consumed.

Hubs get them from somebody who dials. Clients get them from somebody who listens where a hub should: that
goes as fast as their back-off, which a session with the true hub sets back now and then.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import uvloop
from laboratory import free_ports
from torturing.load import Caller
from torturing.media_world import MediaWorld
from torturing.nodes import TortureError
from torturing.tap import Way
from torturing.weather import Weather
from torturing.world import CLIENTS, HUBS, PORTS

from dsked.delivery.control_protocol import Op
from dsked.limits import DONE_FLUSH_S

from .attack import Broken, Figures, Told
from .pools import Positions, moved, positions
from .recordings import Recording, Repertoire, Replay, recordings_of
from .weather import provide

SESSIONS = 3  # that are recorded of every pair
RECORDED_S = 0.5  # of each
MOST_TO_HUB = 200  # on one connection, which the hub closes at the first
MOST_TO_CLIENT = 1000  # clients come seldom
IN_FLIGHT = 16
LIMIT_S = 30.0
LOOK_S = 0.05
IMPOSTORS_S = 1.0  # behind that the back-off of a client is seconds
#: Which nodes are new processes when the replays come. Clients that are not have confirmations to send.
RESTARTED = (CLIENTS, (*CLIENTS, *HUBS), CLIENTS, (*CLIENTS, *HUBS), HUBS, ())


class Stage:
    """The laboratory, its recordings, and what its nodes tell of their pools."""

    def __init__(self, seed: str, amount: int, told: Told) -> None:
        self.random = random.Random(f"replays {seed}")  # noqa: S311  repeatable on purpose
        self.world = MediaWorld(seed, free_ports(PORTS), provide, Weather(seed, calm=True))
        self.world.recorder.keep = True
        self.recordings: list[Recording] = []
        self._callers = {name: Caller(node) for name, node in self.world.nodes.items()}
        self._amount, self._told = amount, told
        self._all_sent = asyncio.Event()
        self._most_to_client = max(min(MOST_TO_CLIENT, amount // 40), 1)
        self.sent = dict.fromkeys(Way, 0)
        self.connections = dict.fromkeys(Way, 0)

    async def run(self) -> Figures:
        """Everything. Raises TortureError or Broken at the first thing that does not hold."""
        await self._record()
        await self._begin_anew()
        async with self._nothing_consumed():
            await self._at_hubs(self._amount // 2)
        while sum(self.sent.values()) < self._amount:
            await self._settled()
            async with self._nothing_consumed():
                await self._at_clients()
            await self._hubs_again()
            await self._settled()
        await self._keys_flow()
        return self._figures()

    # --- before ---

    async def _record(self) -> None:
        """Some sessions of every pair, all of them over by the end."""
        await self.world.begin()
        for _ in range(SESSIONS):
            await asyncio.sleep(RECORDED_S)
            await self.world.flows(*self.world.nodes, since=self.world.cut(*self.world.nodes))
        await self.world.load.stop()
        self.world.cut(*self.world.nodes)
        self.recordings = recordings_of(self.world.recorder.lines)
        self.world.recorder.keep = False

    async def _begin_anew(self) -> None:
        names = self.random.choice(RESTARTED)
        await self.world.kill(*names)
        await self.world.start(*names)
        await self._settled(0.0 if set(CLIENTS).issubset(names) else DONE_FLUSH_S + 1)

    async def _states(self) -> dict[str, dict[str, Any]]:
        answers = {}
        for name, caller in self._callers.items():
            code, answer = await caller.ask(Op.STATUS, [])
            if code:
                raise Broken(f"{name} does not tell its status: {answer}")
            answers[name] = json.loads(answer)["status"]
        return answers

    async def _settled(self, quiet_s: float = 0.0) -> None:
        """Wait until all are connected and nothing was under way for so long."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LIMIT_S):
            before: Positions = {}
            while True:
                states = await self._states()
                now = positions(states)
                connected = all(peer["registered"] for name in CLIENTS for peer in states[name]["peer_hubs"])
                pending = any(
                    peer["nr_pending_shares"] for hub in HUBS for peer in states[hub]["peer_clients"]
                )
                if not connected or pending or now != before:
                    before, since = now, loop.time()
                elif loop.time() >= since + quiet_s:
                    return
                await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def _nothing_consumed(self) -> AsyncIterator[None]:
        """No pool moves in the block, and no share appears."""
        before = positions(await self._states())
        yield
        states = await self._states()
        fault = moved(before, positions(states))
        if fault:
            raise Broken(fault)
        if any(peer["nr_pending_shares"] for hub in HUBS for peer in states[hub]["peer_clients"]):
            raise Broken("a hub has taken a replayed share")
        self.world.check()
        self.world.check_logs()

    # --- at hubs ---

    async def _at_hubs(self, amount: int) -> None:
        repertoires = {hub: Repertoire(self.recordings, hub, Way.TO_HUB, self.random) for hub in HUBS}

        async def one_after_another() -> None:
            while (left := amount - self.sent[Way.TO_HUB]) > 0:
                hub = self.random.choice(HUBS)
                await self._at_hub(hub, repertoires[hub].pieces(min(left, MOST_TO_HUB)))

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(one_after_another())

    async def _at_hub(self, hub: str, pieces: list[bytes]) -> None:
        replay = Replay(pieces, to_hub=True, patient=self.random.random() < 0.5)
        self._count(Way.TO_HUB, replay)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: replay, "127.0.0.1", self.world.hub_port(hub))
        try:
            async with asyncio.timeout(LIMIT_S):
                await replay.closed
        except TimeoutError:
            raise Broken(
                f"{hub} does not close a connection on which it got {len(pieces)} old pieces"
            ) from None
        if len(replay.heard) > 1:  # M0 is for everybody
            raise Broken(f"{hub} has answered a replay: {[piece.hex() for piece in replay.heard]}")

    def _count(self, way: Way, replay: Replay) -> None:
        self.sent[way] += replay.nr_pieces
        self.connections[way] += 1
        sent = min(sum(self.sent.values()), self._amount)
        self._told(sent)
        if sent == self._amount:
            self._all_sent.set()

    # --- at clients ---

    async def _at_clients(self) -> None:
        """Somebody listens in the place of every hub, until the clients come too seldom."""
        loop = asyncio.get_running_loop()
        replays: list[Replay] = []
        servers = []
        for hub in HUBS:
            repertoire = Repertoire(self.recordings, hub, Way.TO_CLIENT, self.random)
            port = self.world.gateways[hub].server.sockets[0].getsockname()[1]
            self.world.gateways[hub].server.close()
            servers.append(
                await loop.create_server(partial(self._said, repertoire, replays), "127.0.0.1", port)
            )
        self.world.cut(*self.world.nodes)
        with suppress(TimeoutError):
            async with asyncio.timeout(IMPOSTORS_S):
                await self._all_sent.wait()
        for server in servers:
            server.close()
        await self._all_closed(replays)

    async def _hubs_again(self) -> None:
        """The clients reach the true hubs."""
        for hub in HUBS:
            self.world.gateways[hub] = await self.world.recorder.serve(hub, self.world.recorder_port(hub))
            self.world.gateways[hub].set_ports(self.world.hub_port(hub))

    def _said(self, repertoire: Repertoire, replays: list[Replay]) -> Replay:
        pieces: list[bytes] = []
        while len(pieces) < self._most_to_client:
            pieces += repertoire.pieces(self._most_to_client - len(pieces))
        replay = Replay(pieces, to_hub=False, patient=self.random.random() < 0.5)
        self._count(Way.TO_CLIENT, replay)
        replays.append(replay)
        return replay

    async def _all_closed(self, replays: list[Replay]) -> None:
        for replay in replays:
            if replay.transport is not None:
                replay.transport.abort()  # a client that has got M0 alone waits for M2
            if len(replay.heard) > 1:  # M1 is for whoever says M0
                raise Broken(f"a client has believed a replay: {[piece.hex() for piece in replay.heard]}")

    # --- after ---

    async def _keys_flow(self) -> None:
        for near, far in (CLIENTS, CLIENTS[::-1]):
            self.world.load.start(near, self.world.end(near), self.world.end(far))
        await self.world.flows(*self.world.nodes)
        self.world.check_logs()

    def _figures(self) -> Figures:
        return {
            "recorded_sessions": len(self.recordings),
            "pieces_to_hubs": self.sent[Way.TO_HUB],
            "pieces_to_clients": self.sent[Way.TO_CLIENT],
            "connections_to_hubs": self.connections[Way.TO_HUB],
            "connections_from_clients": self.connections[Way.TO_CLIENT],
            "accepted": 0,
            "pad_bytes_consumed": 0,
        }

    async def close(self) -> None:
        """Be done with it."""
        for caller in self._callers.values():
            caller.close()
        await self.world.close()


class Replays:
    """The attack."""

    name = "replays"
    what = "recorded sessions sent once more, to hubs and to clients: none accepted, no pad byte consumed"
    unit = "frames"
    full = 10_000
    long = 1_000_000
    piece = 50_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """One piece, in a laboratory of its own; its files are kept where something does not hold."""
        return uvloop.run(self._run(seed, amount, told))

    async def _run(self, seed: str, amount: int, told: Told) -> Figures:
        stage = Stage(seed, amount, told)
        kept = False
        try:
            return await stage.run()
        except (TortureError, Broken) as error:
            kept = True
            raise Broken(f"{error}\nfiles are in {stage.world.root}") from None
        finally:
            await stage.close()
            if not kept:
                shutil.rmtree(stage.world.root)


ATTACK = Replays()
