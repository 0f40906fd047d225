"""How long the example topology takes until it is ready, and `dskectl get-key` as a whole process."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from laboratory import Laboratory, free_ports

from benching.processes import MIB, cpu_seconds
from benching.records import Startup

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "configs" / "dske-config.yaml"


def measure_startup(times: int, asked: int = 10) -> Startup:
    """Medians of so many starts of the example's nodes, on free ports, and of `asked` commands after each."""
    content = yaml.safe_load(EXAMPLE.read_text())
    nodes = len(content["hubs"]) + len(content["clients"])
    content["base_port"] = free_ports(nodes)
    found = [_start_once(content, asked) for _ in range(times)]
    return Startup(nodes, *map(statistics.median, zip(*found, strict=True)))


def _start_once(content: dict[str, object], times: int) -> tuple[float, ...]:
    """What Startup holds, in its order, of one start."""
    with Laboratory(content).prepared() as lab:
        ready_s, commands_s = _timed(lab.start)
        nodes_s = sum(cpu_seconds(lab.pid(name)) for _, name in lab.nodes())
        hub_mib, client_mib = (_resident_mib(lab, role) for role in ("hub", "client"))
        asked = [_timed(lambda: _get_key(lab)) for _ in range(times)]
        get_key_s, get_key_cpu_s = map(statistics.median, zip(*asked, strict=True))
        stopped_s, _ = _timed(lab.stop)
    return ready_s, commands_s + nodes_s, stopped_s, hub_mib, client_mib, get_key_s, get_key_cpu_s


def _resident_mib(lab: Laboratory, role: str) -> float:
    """The median of the nodes of this role."""
    return statistics.median(lab.resident_bytes(name) for kind, name in lab.nodes() if kind == role) / MIB


def _get_key(lab: Laboratory) -> None:
    first, second = lab.content["clients"][:2]
    slave = second["encryptors"][0]["name"]
    lab.dskectl("get-key", "--node", first["name"], "--as", first["encryptors"][0]["name"], slave)


def _timed(command: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and CPU seconds of the processes that have ended meanwhile."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command()
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
