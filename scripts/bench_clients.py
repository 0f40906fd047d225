"""make bench-clients: one hub and thousands of clients, connected over TCP by a process of their own.

What a connected client costs the hub: memory, CPU while it is idle. How long it takes until all are connected
and registered: when all come at once, and by their own back-off after the hub was killed and started again;
each from an address of its own, and all from one. What a greedy client costs modest ones. See
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from benching.children import Child
from benching.processes import cpu_seconds, resident_bytes
from crowd.crowd import GREEDY, client
from laboratory import Laboratory, free_ports, topology

from dsked.config import gate_keys

#: A topology has two at least. Keys take both; what a crowd costs is measured at the first, alone.
HUBS = ("hub1", "hub2")
SIZES, QUICK_SIZES = (1000, 5000), (200,)
IDLE_S, QUICK_IDLE_S = 10.0, 2.0
#: Of a hundred clients, key pairs a second of each.
MODEST, MODEST_PER_S = 100, 1.0
ASKING_S, QUICK_ASKING_S = 15.0, 4.0
#: Requests under way, and keys of each.
GREED = ((64, 1), (4, 128))
LIMIT_S = 600.0  # on a machine that is very busy
_SETTLE_S = 1.0  # after the last registration: pools are filled


class Connecting(NamedTuple):
    """Clients that connect to a hub: seconds, dials, and CPU seconds of the hub."""

    seconds: float
    dials: int
    hub_cpu_s: float


class Crowded(NamedTuple):
    """One hub with so many clients. `pads`: they hold ordinary pools of PSRD, else hardly any."""

    clients: int
    together: bool
    pads: bool
    bytes_each: float
    idle_cpu_percent: float
    at_once: Connecting
    restarted: Connecting


class Asking(NamedTuple):
    """Modest clients, each for itself, beside a greedy one: rates in key pairs a second, times in ms."""

    greedy: str
    greedy_per_s: float
    modest_per_s: float
    least_per_s: float
    most_per_s: float
    get_key_ms: tuple[float, float]
    by_id_ms: tuple[float, float]


class Stage:
    """Hubs that know so many clients, and a greedy one that is connected; nobody else is."""

    def __init__(self, clients: int, hubs: tuple[str, ...]) -> None:
        self.clients = clients
        known = dict([*map(client, range(clients)), GREEDY])
        content = topology(len(HUBS), known, free_ports(len(HUBS)), min_nr_shares=2)
        self.lab = Laboratory(content, nodes=hubs, log_level="error")
        self._ports = {hub: self.lab.port(hub) for hub in hubs}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Stage:
        self._stack.enter_context(self.lab)
        self.crowd, self.greedy = (self._stack.enter_context(Child("crowd.process")) for _ in range(2))
        self._join(self.greedy, clients=0, ordinary=True, together=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _join(self, who: Child, **crowd: Any) -> Connecting:
        keys = str(self.lab.path / gate_keys.FILE_NAME)
        before = cpu_seconds(self.hub_pid)
        joined = who.ask(do="join", ports=self._ports, keys=keys, limit_s=LIMIT_S, **crowd)
        return Connecting(joined["seconds"], joined["dials"], cpu_seconds(self.hub_pid) - before)

    def join(self, *, pads: bool, together: bool) -> Connecting:
        """All clients connect at once."""
        return self._join(self.crowd, clients=self.clients, ordinary=pads, together=together)

    def restart(self) -> Connecting:
        """The hub is killed and started again: from its first connection until all are registered."""
        self.lab.kill(HUBS[0])
        before = self.crowd.ask(do="lose", limit_s=LIMIT_S)["dials"]
        self.lab.start(HUBS[0])
        back = self.crowd.ask(do="come_back", limit_s=LIMIT_S)
        return Connecting(back["seconds"], back["dials"] - before, cpu_seconds(self.hub_pid))

    @property
    def hub_pid(self) -> int:
        """The first hub's process."""
        return self.lab.pid(HUBS[0])


def crowded(clients: int, idle_s: float, *, pads: bool, together: bool) -> Crowded:
    """Measure one crowd."""
    with Stage(clients, HUBS[:1]) as stage:
        pid = stage.hub_pid
        before = resident_bytes(pid)
        at_once = stage.join(pads=pads, together=together)
        time.sleep(_SETTLE_S)
        bytes_each = (resident_bytes(pid) - before) / clients
        busy = cpu_seconds(pid)
        time.sleep(idle_s)
        idle = 100 * (cpu_seconds(pid) - busy) / idle_s
        return Crowded(clients, together, pads, bytes_each, idle, at_once, stage.restart())


def asking(clients: int, seconds: float) -> Iterator[Asking]:
    """What modest clients get, alone and beside a greedy one."""
    modest = min(MODEST, clients)
    with Stage(clients, HUBS) as stage:
        stage.join(pads=True, together=False)
        for greed in (None, *GREED):
            yield _asking(stage, modest, greed, seconds)


def _asking(stage: Stage, modest: int, greed: tuple[int, int] | None, seconds: float) -> Asking:
    rate, name = 0.0, "nobody"
    with ThreadPoolExecutor() as beside:
        if greed is not None:
            greedily = {"concurrency": greed[0], "number": greed[1], "seconds": seconds}
            asking = beside.submit(stage.greedy.ask, do="ask_greedily", **greedily)
        told = stage.crowd.ask(do="ask_modestly", clients=modest, per_s=MODEST_PER_S, seconds=seconds)
        if greed is not None:
            rate, name = asking.result()["pairs_per_s"], f"{greed[0]} x {greed[1]}"
    return Asking(
        name, rate, told["pairs_per_s"], told["least_per_s"], told["most_per_s"],
        told["get_key_ms"], told["by_id_ms"],
    )  # fmt: skip


# --- output -----------------------------------------------------------------------------------------

CROWDED_HEAD = (
    f"{'clients':>7}  {'addresses':<9} {'pads':<5}{'KiB each':>9}{'idle %':>8}"
    f"{'at once s':>11}{'dials':>7}{'hub CPU s':>11}{'restarted s':>13}{'dials':>7}{'hub CPU s':>11}"
)
ASKING_HEAD = (
    f"{'greedy':<9}{'its pairs/s':>12}{'all modest':>12}{'least':>7}{'most':>7}"
    f"{'get key ms p50':>16}{'p99':>7}{'by ID ms p50':>14}{'p99':>7}"
)


def crowded_row(one: Crowded) -> str:
    """One line of the table of crowds."""
    connecting = "".join(
        f"{found.seconds:{width}.2f}{found.dials:>7}{found.hub_cpu_s:>11.2f}"
        for found, width in ((one.at_once, 11), (one.restarted, 13))
    )
    addresses, pads = "one" if one.together else "own", "yes" if one.pads else "no"
    head = f"{one.clients:>7}  {addresses:<9} {pads:<5}{one.bytes_each / 1024:>9.1f}"
    return f"{head}{one.idle_cpu_percent:>8.2f}{connecting}"


def asking_row(one: Asking) -> str:
    """One line of the table of requests."""
    rates = f"{one.greedy_per_s:>12.0f}{one.modest_per_s:>12.1f}{one.least_per_s:>7.2f}{one.most_per_s:>7.2f}"
    (get, get_99), (by_id, by_id_99) = one.get_key_ms, one.by_id_ms
    return f"{one.greedy:<9}{rates}{get:>16.2f}{get_99:>7.1f}{by_id:>14.2f}{by_id_99:>7.1f}"


def _say(line: str) -> None:
    print(line, flush=True)


def _say_nothing(line: str) -> None:
    """The JSON document tells it."""


def main() -> int:
    """Measure and print."""
    options = _options()
    idle_s, asking_s = (QUICK_IDLE_S, QUICK_ASKING_S) if options.quick else (IDLE_S, ASKING_S)
    sizes = options.clients or (QUICK_SIZES if options.quick else SIZES)
    say = _say_nothing if options.json else _say
    say(CROWDED_HEAD)
    crowds, requests = [], []
    for clients in sizes:
        for pads, together in ((True, False), (False, False), (True, True)):
            crowds.append(crowded(clients, idle_s, pads=pads, together=together))
            say(crowded_row(crowds[-1]))
    say("\n" + ASKING_HEAD)
    for one in asking(min(sizes), asking_s):
        requests.append(one)
        say(asking_row(one))
    if options.json:
        print(json.dumps({"load": os.getloadavg()[0], "crowds": _plain(crowds), "asking": _plain(requests)}))
    return 0


def _plain(rows: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            name: value._asdict() if isinstance(value, Connecting) else value
            for name, value in row._asdict().items()
        }
        for row in rows
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--clients", type=int, nargs="+", metavar="N", help=f"{SIZES}, with --quick {QUICK_SIZES}"
    )
    parser.add_argument("--quick", action="store_true", help="in half a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
