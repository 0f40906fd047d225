"""A laboratory with a load generator at it, and what the bench looks at while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from laboratory import Laboratory

from benching import traffic
from benching.children import Child
from benching.processes import MIB, cpu_of_kinds, cpu_seconds, resident_bytes
from benching.psrd import used_between
from benching.records import HUBS, INITIATOR, KINDS, LOAD, RESPONDER, Counted
from benching.shape import Shape
from benching.topologies import CLIENTS, hub_ports, wait_until_registered

#: A connection that has carried nothing for so long has nothing under way.
_SETTLED_S = 0.1


class Run(NamedTuple):
    """What the load generator tells of a run, and the CPU seconds that each kind of process used in it.

    `refused`: requests of either half that a client refused, which is what overload looks like.
    """

    pairs: int
    refused: int
    seconds: float
    get_key_ms: tuple[float, float]
    by_id_ms: tuple[float, float]
    cpu_s: Mapping[str, float]

    @property
    def nodes_s(self) -> float:
        """CPU seconds of all nodes."""
        return sum(seconds for kind, seconds in self.cpu_s.items() if kind != LOAD)


class NothingServedError(RuntimeError):
    """The machine is too slow for this load: every request was refused."""


class Stand:
    """A running topology of carol, curtis and hubs."""

    def __init__(self, lab: Laboratory) -> None:
        wait_until_registered(lab)
        self.lab = lab
        self._pids = {name: lab.pid(name) for _, name in lab.nodes()}
        self._load = Child("load", *(str(lab.socket("client", name)) for name in CLIENTS))
        carol, curtis = CLIENTS
        self._kinds = {
            HUBS: [pid for name, pid in self._pids.items() if name not in CLIENTS],
            INITIATOR: [self._pids[carol]],
            RESPONDER: [self._pids[curtis]],
            LOAD: [self._load.pid],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._load.__exit__(kind, error, trace)

    def run(self, shape: Shape, seconds: float, requests: float | None = None) -> Run:
        """Load of this shape, for so long or so many requests.

        Raises NothingServedError where all of them were refused, RuntimeError where a pair differs.
        """
        limit = {} if requests is None else {"requests": requests}
        before = cpu_of_kinds(self._kinds)
        found = self._load.ask(
            concurrency=shape.concurrency, number=shape.number, bits=shape.bits, seconds=seconds, **limit
        )
        after = cpu_of_kinds(self._kinds)
        if not found["pairs"]:
            raise NothingServedError(f"no request was served: {found['refusal']}")
        cpu_s = {kind: after[kind] - before[kind] for kind in KINDS}
        latencies = tuple(found["get_key_ms"]), tuple(found["by_id_ms"])
        return Run(found["pairs"], found["refused"], found["seconds"], *latencies, cpu_s)

    def count(self, shape: Shape, seconds: float) -> Counted | None:
        """Bytes of a short run; None where they cannot be told."""
        carried, before = self._settled()
        run = self.run(shape, seconds)
        total, after = self._settled()
        since = total.since(carried)
        used = [used_between(old, new) for old, new in zip(before, after, strict=True)]
        if run.refused or None in used:
            return None
        pads = sum(one.used_bytes for one in used if one)
        delivered = sum(one.delivered_bytes for one in used if one)
        return Counted(
            wire_bytes=(since.wire_bytes - delivered) / run.pairs,
            segments=since.segments / run.pairs,
            psrd=pads / (run.pairs * shape.key_bytes * shape.hubs),
        )

    def _settled(self) -> tuple[traffic.Traffic, list[dict[str, Any]]]:
        """Traffic between clients and hubs so far, and the clients' statuses, once nothing is under way."""
        ports = hub_ports(self.lab)
        while True:
            before = traffic.of_ports(ports)
            time.sleep(_SETTLED_S)
            statuses = [self.lab.status(name) for name in CLIENTS]
            if traffic.of_ports(ports) == before:
                return before, statuses

    def resident_mib(self) -> dict[str, float]:
        """Resident memory of every node."""
        return {name: resident_bytes(pid) / MIB for name, pid in self._pids.items()}

    def idle_percent(self, seconds: float) -> float:
        """CPU of all nodes together while nobody asks for anything, in percent of a core."""
        self._settled()
        begin, before = time.perf_counter(), sum(map(cpu_seconds, self._pids.values()))
        time.sleep(seconds)
        used_s = sum(map(cpu_seconds, self._pids.values())) - before
        return 100 * used_s / (time.perf_counter() - begin)
