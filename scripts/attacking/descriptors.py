"""Nodes with 64 file descriptors: no exit, no flood of log lines, and service again within 2 s.

One hub starts with so few, and fits its limits to them; another hub and a client have the number taken
down to 64 while they run, and cannot know.
"""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable
from typing import Any

from laboratory import Laboratory

from dsked.cli.launching import DAEMON
from dsked.delivery.control_client import ControlClient
from dsked.wire.frame import LENGTH_BYTES

from .attack import Broken, Figures, Told
from .siege import Siege, check_success, run_loop, siege

NOFILE = 64
FROM_THE_START, WHILE_IT_RUNS, CLIENT = "hub1", "hub2", "carol"
CONNECTIONS = 200
HELD_S = 1.0
SERVED_WITHIN_S = 2.0
LINES_A_ROUND = 12
ADDRESSES = 8  # with fewer than 64 each


class Held:
    """Connections that are opened and held for a while, whatever becomes of them."""

    def __init__(self, besieged: Siege, rng: random.Random) -> None:
        self._lab, self._random = besieged.lab, rng
        self._open: list[asyncio.Transport] = []

    async def hold(self) -> None:
        """CONNECTIONS to each: hubs from several addresses, control socket and ETSI port of the client."""
        dials = [dial for number in range(CONNECTIONS) for dial in self._dials(number)]
        made = await asyncio.gather(*dials, return_exceptions=True)
        self._open = [one[0] for one in made if isinstance(one, tuple)]
        await asyncio.sleep(HELD_S)

    def _dials(self, number: int) -> list[Any]:
        loop = asyncio.get_running_loop()
        here = f"127.0.2.{1 + number % ADDRESSES}"
        hubs = [self._lab.port(name) for name in (FROM_THE_START, WHILE_IT_RUNS)]
        return [
            *(
                loop.create_connection(asyncio.Protocol, "127.0.0.1", port, local_addr=(here, 0))
                for port in hubs
            ),
            loop.create_connection(asyncio.Protocol, "127.0.0.1", self._lab.port(CLIENT)),
            loop.create_unix_connection(asyncio.Protocol, str(self._lab.socket("client", CLIENT))),
        ]

    async def let_go(self) -> dict[str, float]:
        """Close them all; seconds until both hubs greet, and control socket and ETSI port answer."""
        for transport in self._open:
            transport.abort()
        begin = time.monotonic()
        services = {
            f"{FROM_THE_START}'s port": self._greeted(self._lab.port(FROM_THE_START)),
            f"{WHILE_IT_RUNS}'s port": self._greeted(self._lab.port(WHILE_IT_RUNS)),
            f"{CLIENT}'s ETSI port": self._etsi(),
            f"{CLIENT}'s control socket": asyncio.to_thread(self._control),
        }

        async def timed(answers: Awaitable[None]) -> float:
            await answers
            return time.monotonic() - begin

        return dict(zip(services, await asyncio.gather(*map(timed, services.values())), strict=True))

    async def _greeted(self, port: int) -> None:
        await self._until_answered(port, b"", LENGTH_BYTES)

    async def _etsi(self) -> None:
        request = b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        await self._until_answered(self._lab.port(CLIENT), request, len(b"HTTP/1.1 200"))

    @staticmethod
    async def _until_answered(port: int, request: bytes, nr_bytes: int) -> None:
        async with asyncio.timeout(10 * SERVED_WITHIN_S):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(request)
                    await reader.readexactly(nr_bytes)
                except (OSError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.02)
                else:
                    writer.transport.abort()
                    return

    def _control(self) -> None:
        with ControlClient(self._lab.socket("client", CLIENT), 10 * SERVED_WITHIN_S) as control:
            control.status()


class Descriptors:
    name = "descriptors"
    what = "64 file descriptors and hundreds of connections; no exit, no flood of log lines, service again"
    unit = "rounds"
    full = 10
    long = 50
    piece = 10

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        longest_s = 0.0
        with siege() as besieged:
            self._lower(besieged)
            held = Held(besieged, random.Random(seed))  # noqa: S311  an attack, not a secret
            begin = time.monotonic()
            for number in range(amount):
                for service, served_s in run_loop(self._round(held)).items():
                    longest_s = max(longest_s, served_s)
                    if served_s > SERVED_WITHIN_S:
                        raise Broken(f"{service} serves again only after {served_s:.1f} s")
                told(number + 1)
            pair = besieged.since(begin)
            besieged.check_unharmed(lines=LINES_A_ROUND * amount + 20)
            lines = max(len(besieged.new_lines(name)) for name in besieged.names)
        check_success(self.name, pair)
        return {
            "rounds": amount,
            "connections": amount * CONNECTIONS * 4,
            "served_again_s_max": round(longest_s, 2),
            "log_lines_max": lines,
            "honest_pairs": pair.pairs,
            "honest_failed": pair.failed,
        }

    @staticmethod
    def _lower(besieged: Siege) -> None:
        """FROM_THE_START is started anew under the lower number, the others have it lowered."""
        lab = besieged.lab
        lab.stop(FROM_THE_START)
        with (lab.path / f"hub-{FROM_THE_START}.out").open("a") as log:
            subprocess.Popen(_with_few(lab, FROM_THE_START), stderr=log)
        besieged.note_again(FROM_THE_START)
        if "file descriptors allow less than the limits" not in lab.log(FROM_THE_START):
            raise Broken(f"{FROM_THE_START} does not say that it fits its limits")
        for name in (WHILE_IT_RUNS, CLIENT):
            resource.prlimit(lab.pid(name), resource.RLIMIT_NOFILE, (NOFILE, NOFILE))

    @staticmethod
    async def _round(held: Held) -> dict[str, float]:
        await held.hold()
        return await held.let_go()


def _with_few(lab: Laboratory, name: str) -> list[str]:
    """The command that starts a node which has NOFILE descriptors, and cannot have more."""
    few = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({NOFILE}, {NOFILE}))"
    code = f"import os, resource, sys; {few}; os.execv(sys.argv[1], sys.argv[1:])"
    node = ["--role", "hub", name, "--config", str(lab.config), *lab.places]
    return [sys.executable, "-c", code, *DAEMON, *node]


ATTACK = Descriptors()
