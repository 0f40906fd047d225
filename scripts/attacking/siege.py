"""What attacks on limits share: a laboratory with an honest pair, and a client that means harm."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from laboratory import LIMIT_S, Laboratory, free_ports, topology, wait_until

from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.client.refill import RefillSettings
from dsked.config import gate_keys
from dsked.net.hub_dialer import HubDialer

from .attack import Broken
from .honest import Honest, Times, honest

HUBS = 3
VICTIM = "hub1"
#: A p99 within this is one, whatever the quiet one was: a few turns of a machine that does other things too.
NOISE_MS = 10.0
BUSY_LOAD = 0.5  # runnable processes for each core
Result = TypeVar("Result")


def run_loop(main: Awaitable[Result]) -> Result:
    """Run attackers on an event loop of their own."""

    async def wait() -> Result:
        return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(wait())


class Siege:
    """A laboratory under attack: three hubs, any two of them; carol's sam and curtis's sunny are honest."""

    def __init__(self, lab: Laboratory, pair: Honest) -> None:
        self.lab = lab
        self.load = os.getloadavg()[0]  # processes that wanted a core while nothing happened here
        self._pair = pair
        self._logs = {name: len(lab.log(name)) for name in self.names}
        self._pids = {name: lab.pid(name) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The nodes that run."""
        return [*(f"hub{number}" for number in range(1, HUBS + 1)), "carol", "curtis"]

    def quiet(self, seconds: float) -> Times:
        """The honest pair's times while nothing else happens."""
        begin, worked_s = time.monotonic(), _worked_s()
        time.sleep(seconds)
        # A load average tells of a minute: what has begun just now stands in none.
        self.load = max(self.load, (_worked_s() - worked_s) / (time.monotonic() - begin))
        return self._pair.between(begin, time.monotonic())

    def loud(self, attack: Callable[[], Result]) -> tuple[Times, Result]:
        """Its times during an attack, and what the attack gives."""
        begin = time.monotonic()
        result = attack()
        return self._pair.between(begin, time.monotonic()), result

    def since(self, begin: float) -> Times:
        """Its times since then."""
        return self._pair.between(begin, time.monotonic())

    def note_again(self, name: str) -> None:
        """This node was started anew, on purpose, and that is over."""
        wait_until(lambda: _registered(self.lab), "both clients are registered with all hubs")
        self._logs[name], self._pids[name] = len(self.lab.log(name)), self.lab.pid(name)

    def resident_bytes(self, name: str) -> int:
        """Memory of a node's process."""
        pages = int(Path(f"/proc/{self._pids[name]}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def new_lines(self, name: str) -> list[str]:
        """What a node has logged since it was under siege."""
        return self.lab.log(name)[self._logs[name] :].splitlines()

    def check_unharmed(self, lines: int) -> None:
        """All processes are the ones that they were, without a fault, and with so many log lines at most."""
        for name in self.names:
            said = self.new_lines(name)
            faults = [line for line in said if "Traceback" in line or " ERROR " in line]
            if faults or len(said) > lines or self.lab.pid(name) != self._pids[name]:
                raise Broken(f"{name}: {len(said)} log lines, faults {faults[:3]}; the last: {said[-3:]}")


@contextmanager
def siege(clients: Sequence[str] = (), **settings: Any) -> Iterator[Siege]:
    """`clients`: further ones that the attacker plays. `settings`: of the topology file."""
    named = {"carol": ["sam"], "curtis": ["sunny"], **{name: [f"{name}-sae"] for name in clients}}
    content = topology(HUBS, named, free_ports(HUBS + 2), min_nr_shares=2, **settings)
    nodes = [f"hub{number}" for number in range(1, HUBS + 1)] + ["carol", "curtis"]
    with Laboratory(content, nodes=nodes) as lab:
        wait_until(lambda: _registered(lab), "both clients are registered with all hubs")
        with honest(lab) as pair:
            yield Siege(lab, pair)


def _worked_s() -> float:
    """Seconds that all cores have worked, for whomever (proc_stat(5))."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _registered(lab: Laboratory) -> bool:
    peers = [peer for name in ("carol", "curtis") for peer in lab.status(name)["peer_hubs"]]
    return all(peer["registered"] for peer in peers)


def check_success(what: str, times: Times) -> None:
    """More than 99 of 100 honest key pairs came about; of a few, one that did not says nothing."""
    if times.failed > max(1, times.pairs // 100):
        raise Broken(f"{what}: {times.failed} of {times.pairs} honest key pairs failed: {times.error}")


def check_p99(what: str, quiet: Times, loud: Times, load: float) -> None:
    """At most twice the quiet one; a machine that was busy with other work would tell of that work only.

    `load`: processes that wanted a core beside the attack.
    """
    if load > BUSY_LOAD * (os.cpu_count() or 1):
        return
    if loud.p99_ms > max(2 * quiet.p99_ms, NOISE_MS):
        raise Broken(f"{what}: p99 {loud.p99_ms} ms, in quiet {quiet.p99_ms} ms")


class Hostile:
    """A client with gate keys and pads of its own, over real TCP, whose user says what he likes."""

    def __init__(self, lab: Laboratory, name: str, hubs: Sequence[str] = (VICTIM,)) -> None:
        keys = gate_keys.load(next(lab.path.glob("**/gate-keys.json")))
        self.name = name
        self.encryptor = f"{name}-sae"
        self._engine = ClientEngine(
            name,
            encryptors=(self.encryptor,),
            hubs=[(hub, x) for x, hub in enumerate(hubs, 1)],
            k=1,
            simulated=True,
            gate_keys={hub: keys[name, hub] for hub in hubs},
            refill=RefillSettings(4096, 256 * 1024, 256 * 1024),
            share_timeout_s=60.0,
            random=os.urandom,
            notice=lambda level, text, /, **fields: None,
        )
        self._changed = asyncio.Event()
        self._dialer = HubDialer(
            self._engine, {hub: ("127.0.0.1", lab.port(hub)) for hub in hubs}, self._changed.set
        )
        logging.getLogger("dsked.net.hub_dialer").setLevel(logging.CRITICAL)
        self.hub: HubPeer = next(iter(self._engine.hubs))
        self._dialer.touch()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it is so; it is looked at after every turn."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Broken(f"{self.name}: after {LIMIT_S:g} s, still not so: {what}") from None

    async def registered(self) -> None:
        """Wait for a session."""
        await self.until(lambda: self.hub.registered, "registered")

    def touch(self) -> None:
        """Something was said."""
        self._dialer.touch()

    async def close(self) -> None:
        """Go without a word."""
        self._engine.stop()
        await self._dialer.close()
