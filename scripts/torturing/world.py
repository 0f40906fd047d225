"""A laboratory under torture: hubs, clients, the recorder between them, and the load."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .ledger import Ledger, Reuse, Use, Waste
from .load import Load
from .nodes import Node, Place, TortureError
from .recorder import Gateway, Recorder
from .weather import Weather

HUBS = ("hank", "helen", "hilary")
ENCRYPTOR_OF = {"carol": "sam", "curtis": "sunny"}
CLIENTS = tuple(ENCRYPTOR_OF)
MIN_NR_SHARES = 2
#: Ports that a world needs: hubs, the recorder's in front of them, clients in the file, a clone of a hub.
PORTS = 2 * len(HUBS) + len(CLIENTS) + 1
#: How long keys may take to flow again, on a machine that is very busy.
FLOW_LIMIT_S = 30.0
POLL_S = 0.01

SIMULATED, MEDIA = "simulated", "media"


def window_bytes(first_bundle_bytes: int) -> int:
    """WIN of proto/pools.md, section 2, by the bytes per pool of the first bundle."""
    return min(max(first_bundle_bytes // 64, 16 * 1024), 1024 * 1024)


class World:
    """Everything that one round of torture is done to. Begun and ended by `async with`."""

    def __init__(self, psrd: str, seed: str, base_port: int, first_bundle_bytes: int) -> None:
        self.psrd = psrd
        self.root = Path(tempfile.mkdtemp(prefix="dsked-torture-"))
        self._base_port = base_port
        window = None if psrd == SIMULATED else window_bytes(first_bundle_bytes)
        self.window = window
        self.ledger = Ledger(lambda client, hub: window)
        self.weather = Weather(f"weather {seed}")
        self.recorder = Recorder(self.ledger, self.weather)
        self.load = Load()
        self.gateways: dict[str, Gateway] = {}
        configs = self._write_configs()
        self.nodes = {
            name: Node(Place(self.root, configs[role], role, name))
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

    def _recorder_port(self, hub: str) -> int:
        return self._base_port + len(HUBS) + HUBS.index(hub)

    def _write_configs(self) -> dict[str, Path]:
        """Topology files: to the clients the recorder's ports are the hubs'."""
        found = {}
        for role, port_of in (("hub", self.hub_port), ("client", self._recorder_port)):
            path = self.root / f"{role}s.yaml"
            path.write_text(yaml.safe_dump(self._topology(port_of), sort_keys=False))
            found[role] = path
        return found

    def _topology(self, port_of: Callable[[str], int]) -> dict[str, Any]:
        first_client = self._base_port + 2 * len(HUBS)
        settings = {"share_timeout_secs": 5, "psrd": self.psrd, "min_nr_shares": MIN_NR_SHARES}
        hubs = [{"name": hub, "port": port_of(hub)} for hub in HUBS]
        clients = [
            {"name": client, "port": first_client + place, "encryptors": [{"name": ENCRYPTOR_OF[client]}]}
            for place, client in enumerate(CLIENTS)
        ]
        return {"base_port": self._base_port, **settings, "hubs": hubs, "clients": clients}

    # --- nodes ---

    async def open_gateways(self) -> None:
        """Listen in front of all hubs, which are down."""
        for hub in HUBS:
            self.gateways[hub] = await self.recorder.serve(hub, self._recorder_port(hub))

    async def start(self, *names: str) -> None:
        """Start nodes that are down, and open the way to those that are hubs."""
        await asyncio.gather(*(self._start(self.nodes[name]) for name in names))

    async def _start(self, node: Node) -> None:
        await node.start()
        if node.role == "hub":
            if not await node.ready():
                raise TortureError(f"{node.name} has ended instead of starting:\n{node.log_tail()}")
            self.gateways[node.name].set_ports(self.hub_port(node.name))

    async def kill(self, *names: str) -> None:
        """Kill nodes at once, and wait until they are gone."""
        for name in names:
            if name in HUBS:
                self.gateways[name].set_ports()
        await asyncio.gather(*(self.nodes[name].kill() for name in names))
        for name in names:
            for stream in self.ledger.of(name):
                stream.killed()

    def start_load(self) -> None:
        """Both clients ask for keys, and fetch each other's."""
        for near, far in (CLIENTS, reversed(CLIENTS)):
            ends = [(self.nodes[name], ENCRYPTOR_OF[name]) for name in (near, far)]
            self.load.start(near, ends[0], ends[1])

    # --- what must hold ---

    async def flows(self, *names: str, since: int = 0) -> None:
        """Wait until keys flow through these very nodes, on connections numbered from `since` on."""
        pairs = [(client, hub) for client in CLIENTS for hub in HUBS if {client, hub} & set(names)]
        before = self.load.pairs.copy()

        def so() -> bool:
            self.check()
            carried = {(line.client, line.hub) for line in self._carrying(since)}
            new = self.load.pairs - before
            return carried.issuperset(pairs) and all(new[client] for client in CLIENTS)

        await self._wait_until(so, lambda: self._why_not(pairs, since))
        for name in names:
            self._settle(name)

    async def _wait_until(self, so: Callable[[], bool], why_not: Callable[[], str]) -> None:
        try:
            async with asyncio.timeout(FLOW_LIMIT_S):
                while not so():
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise TortureError(f"keys do not flow again: {why_not()}") from None

    def _carrying(self, since: int) -> list[Any]:
        """Connections over which a hub has taken shares."""
        return [line for line in self.recorder.lines[since:] if "PUT_SHARES_ACK" in line.answered]

    def _why_not(self, pairs: list[tuple[str, str]], since: int) -> str:
        carried = {(line.client, line.hub) for line in self._carrying(since)}
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
