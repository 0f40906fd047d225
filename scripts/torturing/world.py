"""A laboratory under torture: hubs, clients, the recorder between them, and the load."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from .gateway import Gateway
from .ledger import Ledger, Reuse, Use, Waste
from .load import Load
from .nodes import Node, Place, TortureError
from .recorder import Recorder
from .weather import Weather

HUBS = ("hank", "helen", "hilary")
ENCRYPTOR_OF = {"carol": "sam", "curtis": "sunny"}
CLIENTS = tuple(ENCRYPTOR_OF)
MIN_NR_SHARES = 2
#: Ports that a world needs: hubs, the recorder's in front of them, clients in the file, a clone of a hub.
PORTS = 2 * len(HUBS) + len(CLIENTS) + 1
#: How long keys may take to flow again, on a machine that is very busy.
FLOW_LIMIT_S = 30.0
#: What waits for the recorder's news looks after this long in any case.
POLL_S = 0.1

SIMULATED, MEDIA = "simulated", "media"


class World:
    """Everything that one round of torture is done to. `window`: WIN in bytes of pools that have one."""

    def __init__(
        self, psrd: str, seed: str, base_port: int, window: int | None = None, weather: Weather | None = None
    ) -> None:
        self._psrd = psrd
        self.root = Path(tempfile.mkdtemp(prefix="dsked-torture-"))
        self._base_port = base_port
        self.ledger = Ledger(lambda client, hub: window)
        self.weather = weather or Weather(f"weather {seed}")
        self.recorder = Recorder(self.ledger, self.weather)
        self.load = Load()
        self.gateways: dict[str, Gateway] = {}
        configs = self._write_configs()
        self.nodes = {
            name: Node(Place(self.root, self.root / "state", configs[role], role, name))
            for role, names in (("hub", HUBS), ("client", CLIENTS))
            for name in names
        }

    # --- topology ---

    def hub_port(self, hub: str) -> int:
        """Where a hub itself listens."""
        return self._base_port + HUBS.index(hub)

    @property
    def clone_port(self) -> int:
        """Where a hub's clone listens."""
        return self._base_port + PORTS - 1

    def recorder_port(self, hub: str) -> int:
        return self._base_port + len(HUBS) + HUBS.index(hub)

    def _write_configs(self) -> dict[str, Path]:
        """Topology files: to the clients the recorder's ports are the hubs'."""
        found = {}
        for role, port_of in (("hub", self.hub_port), ("client", self.recorder_port)):
            path = self.root / f"{role}s.yaml"
            path.write_text(yaml.safe_dump(self._topology(port_of), sort_keys=False))
            found[role] = path
        return found

    def _topology(self, port_of: Callable[[str], int]) -> dict[str, Any]:
        first_client = self._base_port + 2 * len(HUBS)
        settings = {"share_timeout_secs": 5, "psrd": self._psrd, "min_nr_shares": MIN_NR_SHARES}
        hubs = [{"name": hub, "port": port_of(hub)} for hub in HUBS]
        clients = [
            {"name": client, "port": first_client + place, "encryptors": [{"name": ENCRYPTOR_OF[client]}]}
            for place, client in enumerate(CLIENTS)
        ]
        return {"base_port": self._base_port, **settings, "hubs": hubs, "clients": clients}

    # --- nodes ---

    async def begin(self) -> None:
        """Start everything, and wait until keys flow everywhere."""
        for hub in HUBS:
            self.gateways[hub] = await self.recorder.serve(hub, self.recorder_port(hub))
        await self.prepare()
        await self.start(*self.nodes)
        for near, far in (CLIENTS, CLIENTS[::-1]):
            self.load.start(near, self.end(near), self.end(far))
        await self.flows(*self.nodes)

    async def prepare(self) -> None:
        """What must be done before the first start."""

    def end(self, client: str) -> tuple[Node, str]:
        """A client with its encryptor."""
        return self.nodes[client], ENCRYPTOR_OF[client]

    async def launch(self, name: str) -> None:
        """Start the process of a node that is down, and do not wait for anything."""
        await self.nodes[name].start()

    async def start(self, *names: str) -> None:
        """Start nodes that are down, and open the way to those that are hubs."""
        for name, opened in zip(names, await asyncio.gather(*map(self.try_start, names)), strict=True):
            if not opened:
                raise TortureError(f"{name} has ended instead of starting:\n{self.nodes[name].log_tail()}")

    async def try_start(self, name: str) -> bool:
        """Start a node that is down. False where it has ended by itself."""
        node = self.nodes[name]
        await node.start()
        if not await node.opened():
            await node.kill()
            return False
        if node.role == "hub":
            self.gateways[name].set_ports(self.hub_port(name))
        return True

    async def kill(self, *names: str) -> None:
        """Kill nodes at once, and wait until they are gone."""
        for name in names:
            if name in HUBS:
                self.gateways[name].set_ports()
        await asyncio.gather(*(self.nodes[name].kill() for name in names))
        for name in names:
            for stream in self.ledger.of(name):
                stream.killed()

    # --- what must hold ---

    async def flows(self, *names: str, since: int = 0) -> None:
        """Wait until keys flow through these very nodes, on connections dialled since so many were."""
        pairs = [(client, hub) for client in CLIENTS for hub in HUBS if {client, hub} & set(names)]
        before = self.load.pairs.copy()

        def so() -> bool:
            self.check()
            carried = {line.pair for line in self._carrying(since)}
            new = self.load.pairs - before
            return carried.issuperset(pairs) and all(new[client] for client in CLIENTS)

        await self._wait_until(so, lambda: self._why_not(pairs, since))
        for name in names:
            self._settle(name)

    async def _wait_until(self, so: Callable[[], bool], why_not: Callable[[], str]) -> None:
        try:
            async with asyncio.timeout(FLOW_LIMIT_S):
                while not so():
                    self.recorder.news.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):  # wait_for may lose an interruption
                            await self.recorder.news.wait()
        except TimeoutError:
            raise TortureError(f"keys do not flow again: {why_not()}") from None

    def _carrying(self, since: int) -> list[Any]:
        """Connections over which a hub has taken shares."""
        return [line for line in self.recorder.dialled[since:] if "PUT_SHARES_ACK" in line.answered]

    def _why_not(self, pairs: list[tuple[str, str]], since: int) -> str:
        carried = {line.pair for line in self._carrying(since)}
        missing = [pair for pair in pairs if pair not in carried]
        latest = [line.describe() for line in self.recorder.lines[-8:]]
        logs = [f"{name}:\n{node.log_tail()}" for name, node in self.nodes.items()]
        return "\n".join([f"missing {missing}, refused {dict(self.load.refused)}", *latest, *logs])

    def _settle(self, name: str) -> None:
        for stream in self.ledger.of(name):
            stream.settled()

    def check(self) -> None:
        """Raise TortureError if anything has shown that must never happen."""
        self.load.check()
        for fault in self.ledger.faults:
            raise TortureError(self.explain(fault))
        for mismatch in self.load.mismatches:
            raise TortureError(mismatch)
        for name, node in self.nodes.items():
            if node.has_ended:
                raise TortureError(f"{name} has ended by itself:\n{node.log_tail()}")

    def check_logs(self) -> None:
        """Raise TortureError where a node has logged what no code of its own has caught."""
        for name, node in self.nodes.items():
            faults = [line for line in node.log_lines() if "Traceback" in line or self.is_false_alarm(line)]
            if faults:
                raise TortureError(f"{name} has logged: {faults}")

    def is_false_alarm(self, line: str) -> bool:
        """An error, where nothing has happened that would be one."""
        return " ERROR " in line

    def explain(self, fault: Reuse | Waste) -> str:
        """A fault with the circumstances of all uses that it names."""
        if isinstance(fault, Waste):
            line = self.recorder.lines[fault.origin.connection].describe()
            return (
                f"{fault.wasted} bytes passed over before position {fault.position}, {fault.allowed} were "
                f"allowed, in stream {fault.stream}\n  {line}"
            )
        uses = [f"  {self._explain_use(use)}" for use in (fault.first, fault.second)]
        return "\n".join([f"bytes used twice in stream {fault.stream}", *uses])

    def _explain_use(self, use: Use) -> str:
        line = self.recorder.lines[use.origin.connection].describe()
        return f"[{use.start}, {use.end}) by {use.kind}, piece {use.origin.piece} of {line}"

    # --- the end ---

    async def close(self) -> None:
        """Stop the load, kill all nodes, close the proxies."""
        await self.load.stop()
        await asyncio.gather(*(node.kill() for node in self.nodes.values()))
        for gateway in self.gateways.values():
            gateway.server.close()
        for line in self.recorder.open_lines():
            line.cut()
