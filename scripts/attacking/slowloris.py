"""A thousand connections that say a byte now and then.

Seven of ten go to a hub, the others to a client's control socket and its ETSI port. Each must be closed in
time, and the honest pair beside them must hardly notice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from dsked.limits import CONTROL_REQUEST_TIMEOUT_S, HTTP_REQUEST_TIMEOUT_S

from .attack import Broken, Figures, Told
from .siege import VICTIM, Siege, check_p99, check_success, run_loop, siege

CONNECTIONS = 1000
HANDSHAKE_S = 2.0
PER_ADDRESS = 64
DRIP_S = 0.5
#: How much later than its limit a connection may end: turns of a busy machine.
MARGIN_S = 1.5
QUIET_S = 10.0


class Target(NamedTuple):
    """Where slow ones go, what they begin with, and when they must be cut off."""

    dial: Callable[[Callable[[], asyncio.Protocol], int], Any]
    head: bytes
    limit_s: float


class Slow(asyncio.Protocol):
    """Says what looks like a beginning, then a byte every DRIP_S."""

    def __init__(self, crowd: Crowd, target: Target) -> None:
        self._crowd, self._target = crowd, target

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._begun = time.monotonic()
        transport.write(self._target.head)
        self._drip()

    def _drip(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(DRIP_S, self._drip)
        self._transport.write(b"\x00")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._crowd.lost(self._target, time.monotonic() - self._begun)


class Crowd:
    """So many slow ones; who was cut off comes back, until the time is up."""

    def __init__(self, lab: Siege, rng: random.Random, until: float, told: Told) -> None:
        self._random, self._until, self._told = rng, until, told
        self._lab = lab.lab
        self.lives: list[float] = []
        self.late: list[tuple[str, float]] = []
        self._open = 0
        self._begin = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()

    async def run(self, connections: int) -> None:
        """Seven of ten at the hub, the others at carol; returns when the last was cut off."""
        for number in range(connections):
            kind = number % 20
            self._come(self._hub() if kind < 14 else self._control() if kind < 17 else self._http(), number)
        await self._gone.wait()

    def _come(self, target: Target, number: int) -> None:
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._dial(target, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, target: Target, number: int) -> None:
        await asyncio.sleep(self._random.random())
        try:
            await target.dial(lambda: Slow(self, target), number)
        except OSError:
            self._left()

    def lost(self, target: Target, life_s: float) -> None:
        """A connection was cut off."""
        self.lives.append(life_s)
        if life_s > target.limit_s + MARGIN_S:
            self.late.append((target.head.decode(errors="replace"), life_s))
        now = time.monotonic()
        self._told(int(min(now, self._until) - self._begin))
        if now < self._until:
            self._come(target, self._random.randrange(CONNECTIONS))
        self._left()

    def _left(self) -> None:
        self._open -= 1
        if not self._open:
            self._gone.set()

    def _hub(self) -> Target:
        port = self._lab.port(VICTIM)

        async def dial(factory: Callable[[], asyncio.Protocol], number: int) -> None:
            address = f"127.0.1.{1 + number % 200}"
            loop = asyncio.get_running_loop()
            await loop.create_connection(factory, "127.0.0.1", port, local_addr=(address, 0))

        return Target(dial, b"\x00\x00\x01\x00\x97", HANDSHAKE_S)

    def _control(self) -> Target:
        path = str(self._lab.socket("client", "carol"))

        async def dial(factory: Callable[[], asyncio.Protocol], number: int) -> None:
            await asyncio.get_running_loop().create_unix_connection(factory, path)

        return Target(dial, b"\x00\x00\x01\x00\x93", CONTROL_REQUEST_TIMEOUT_S)

    def _http(self) -> Target:
        port = self._lab.port("carol")

        async def dial(factory: Callable[[], asyncio.Protocol], number: int) -> None:
            await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", port)

        return Target(dial, b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nX: ", HTTP_REQUEST_TIMEOUT_S)


class Slowloris:
    name = "slowloris"
    what = "a thousand connections that say a byte now and then; each is cut off in time"
    unit = "seconds"
    full = 20
    long = 600
    piece = 120

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        limits = {
            "handshake_timeout_s": HANDSHAKE_S,
            "max_unauthenticated_connections": CONNECTIONS,
            "max_unauthenticated_per_address": PER_ADDRESS,
        }
        with siege(limits=limits) as besieged:
            quiet_s = min(QUIET_S, amount)
            before = besieged.quiet(quiet_s)
            loud, crowd = besieged.loud(lambda: run_loop(self._attack(besieged, seed, amount, told)))
            quiet = max(before, besieged.quiet(quiet_s), key=lambda times: times.p99_ms)
            besieged.check_unharmed(lines=12 + amount)
        if crowd.late:
            raise Broken(f"{len(crowd.late)} of {len(crowd.lives)} closed late: {crowd.late[:3]}")
        check_success(self.name, loud)
        if amount >= self.full:  # else a sample or two would decide
            check_p99(self.name, quiet, loud, besieged.load)
        return {
            "connections": len(crowd.lives),
            "longest_s_max": round(max(crowd.lives), 2),
            "honest_pairs": loud.pairs,
            "honest_failed": loud.failed,
            "quiet_p99_ms_max": quiet.p99_ms,
            "p99_ms_max": loud.p99_ms,
        }

    @staticmethod
    async def _attack(besieged: Siege, seed: str, amount: int, told: Told) -> Crowd:
        rng = random.Random(seed)  # noqa: S311  an attack, not a secret
        crowd = Crowd(besieged, rng, time.monotonic() + amount, told)
        await crowd.run(CONNECTIONS)
        return crowd


ATTACK = Slowloris()
