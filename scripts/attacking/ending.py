"""SIGTERM to a hub and to a client with a thousand connections.

Strangers, clients with sessions, local users and encryptors are there. Both nodes must end in order within
2 s, with exit status 0 and not a line above info.
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from laboratory import LIMIT_S, Laboratory, free_ports, topology, wait_until

from dsked.cli.launching import DAEMON
from dsked.delivery.control_client import ControlClient
from dsked.errors import DskedError

from .attack import Broken, Figures, Told
from .siege import VICTIM, Hostile, run_loop

CLIENT = "carol"
ENDED_WITHIN_S = 2.0
HTTP_REQUEST = b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\n\r\n"
ABOVE_INFO = re.compile(r" (WARNING|ERROR|CRITICAL) |Traceback")


class Node:
    """A daemon of our own, so that its exit status reaches us."""

    def __init__(self, lab: Laboratory, role: str, name: str) -> None:
        self.name = name
        self.log = lab.path / f"{role}-{name}.out"
        command = [*DAEMON, "--role", role, name, "--config", str(lab.config), *lab.places]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self._lab, self._role = lab, role

    @property
    def socket(self) -> Path:
        """Its control socket; StopIteration before it is there."""
        return self._lab.socket(self._role, self.name)

    def ready(self) -> bool:
        """Whether it says so."""
        try:
            with ControlClient(self.socket, LIMIT_S) as control:
                return bool(control.status()["ready"])
        except (DskedError, StopIteration):
            return False

    def end(self) -> float:
        """SIGTERM; seconds until it has ended. Raises Broken where that was not in order."""
        before = len(self.log.read_text())
        begin = time.monotonic()
        self.process.terminate()
        try:
            status = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Broken(f"{self.name} does not end") from None
        seconds = time.monotonic() - begin
        said = [line for line in self.log.read_text()[before:].splitlines() if ABOVE_INFO.search(line)]
        if status or said or seconds > ENDED_WITHIN_S:
            raise Broken(f"{self.name} ended after {seconds:.2f} s with exit status {status}: {said[:5]}")
        return seconds


class Guests:
    """All that is connected when the end comes: four of ten strangers, and two each of the others."""

    def __init__(self, lab: Laboratory, number: int, rng: random.Random) -> None:
        self._lab, self._random = lab, rng
        self.sessions = number // 5
        self._others = number // 5
        self._strangers = number - 3 * (number // 5)
        self._open: list[Any] = []

    async def come(self, carol: Path, told: Told) -> list[Hostile]:
        """Connect them all; some have said half a word, some are waiting for an answer."""
        clients = [Hostile(self._lab, client_name(number)) for number in range(self.sessions)]
        for client in clients:
            await client.registered()
        told(self.sessions)
        loop = asyncio.get_running_loop()
        hub, etsi = self._lab.port(VICTIM), self._lab.port(CLIENT)
        for _ in range(self._strangers):
            self._keep(await loop.create_connection(asyncio.Protocol, "127.0.0.1", hub), b"\0\0\1\0\x97")
        for _ in range(self._others):
            self._keep(await loop.create_unix_connection(asyncio.Protocol, str(carol)), b"\0\0\1\0")
            self._keep(await loop.create_connection(asyncio.Protocol, "127.0.0.1", etsi), HTTP_REQUEST)
        told(self.sessions + len(self._open))
        return clients

    def _keep(self, made: Any, says: bytes) -> None:
        transport = made[0]
        transport.write(says[: self._random.randrange(len(says) + 1)])
        self._open.append(transport)

    async def leave(self, clients: list[Hostile]) -> None:
        """Close what is still open."""
        for transport in self._open:
            transport.abort()
        for client in clients:
            await client.close()


def client_name(number: int) -> str:
    """A client that the attacker plays."""
    return f"guest{number:03}"


class Ending:
    name = "ending"
    what = "SIGTERM with a thousand connections: exit status 0 within 2 s, nothing above info in the log"
    unit = "connections"
    full = 1000
    long = 10_000
    piece = 1000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        guests = {client_name(number): [f"{client_name(number)}-sae"] for number in range(amount // 5)}
        limits = {"max_unauthenticated_connections": amount, "max_unauthenticated_per_address": amount}
        content = topology(
            2, {CLIENT: ["sam"], "curtis": ["sunny"], **guests}, free_ports(4), min_nr_shares=2, limits=limits
        )
        with Laboratory(content, nodes=["hub2"]).prepared() as lab:
            lab.start("hub2")
            nodes = [Node(lab, "hub", VICTIM), Node(lab, "client", CLIENT)]
            try:
                rng = random.Random(seed)  # noqa: S311  an attack, not a secret
                return self._end(lab, nodes, Guests(lab, amount, rng), amount, told)
            finally:
                for node in nodes:
                    node.process.kill()
                    node.process.wait()

    def _end(self, lab: Laboratory, nodes: list[Node], guests: Guests, amount: int, told: Told) -> Figures:
        for node in nodes:
            wait_until(node.ready, f"{node.name} is ready")

        async def siege_to_the_end() -> list[float]:
            clients = await guests.come(nodes[1].socket, told)
            # The client first: without its hub it would have to warn that it does not serve.
            seconds = [await asyncio.to_thread(node.end) for node in reversed(nodes)]
            await guests.leave(clients)
            return seconds

        client_s, hub_s = run_loop(siege_to_the_end())
        told(amount)
        return {
            "connections": amount,
            "sessions": guests.sessions,
            "hub_s_max": round(hub_s, 2),
            "client_s_max": round(client_s, 2),
        }


ATTACK = Ending()
