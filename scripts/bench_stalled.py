"""make bench-stalled: what hubs that hang cost, by real daemons, 3 of 5: before, at first, once known, after.

Three ways to hang: the process is stopped (SIGSTOP), and goes on afterwards; something accepts TCP on the
hub's port and never greets; a hub that authenticates and registers, and then answers nothing. One hub, two.
Latencies of key requests one after the other, of both halves, through the control sockets.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benching.quantiles import quantiles_ms
from laboratory import Laboratory, free_ports, topology, wait_until

from dsked.delivery.control_client import ControlClient
from dsked.errors import ServiceError

HUBS = 5
LYING = Path(__file__).resolve().parent.parent / "tests" / "system" / "lying"


class Phase(NamedTuple):
    """Latencies in ms: (p50, p99, the longest) of each half."""

    hang: str
    hubs: int
    phase: str
    get_key: tuple[float, float, float]
    by_id: tuple[float, float, float]


class Timed:
    """Asks for keys, one after the other, and for the same keys at the other end."""

    def __init__(self, lab: Laboratory, initiator: str = "carol") -> None:
        self._initiator = lab.content["clients"][0 if initiator == "carol" else 1]["encryptors"][0]["name"]
        self._clients = [ControlClient(lab.socket("client", name), 10.0) for name in (initiator, "curtis")]

    def __enter__(self) -> Timed:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def pairs(self, hang: str, hubs: int, phase: str, number: int) -> Phase:
        """So many key pairs. Fails where the two ends differ."""
        halves: tuple[list[float], list[float]] = ([], [])
        carol, curtis = self._clients
        for _ in range(number):
            begin = time.perf_counter()
            keys = carol.get_keys(["sunny"])
            between = time.perf_counter()
            found = curtis.get_keys_by_id(self._initiator, [key.key_id for key in keys], "sunny")
            halves[1].append(time.perf_counter() - between)
            halves[0].append(between - begin)
            assert found == keys
        get_key, by_id = map(_quantiles_ms, halves)
        return Phase(hang, hubs, phase, get_key, by_id)


def _quantiles_ms(seconds: list[float]) -> tuple[float, float, float]:
    longest = 1000 * max(seconds)
    p50, p99 = quantiles_ms(seconds)
    return p50, min(p99, longest), longest


# --- ways to hang ---------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped(lab: Laboratory, names: list[str]) -> Iterator[None]:
    """SIGSTOP: the system goes on to take bytes for it."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(lab.frozen(name))
        yield


@contextlib.contextmanager
def silent(lab: Laboratory, names: list[str]) -> Iterator[None]:
    """In the hub's place something that accepts TCP, reads nothing and says nothing."""
    lab.stop(*names)
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(_listener(lab.port(name)))
        yield
    lab.start(*names)


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


@contextlib.contextmanager
def mute(lab: Laboratory, names: list[str]) -> Iterator[None]:
    """A hub that takes everything, registers its clients and answers nothing else."""
    lab.stop(*names)
    with lab.changed(
        {"PYTHONPATH": str(LYING), "LYING_HUBS": " ".join(f"{name}=answers-nothing" for name in names)}
    ):
        lab.start(*names)
    wait_until(lambda: all_registered(lab), "the mute hubs have registered their clients")
    yield
    lab.stop(*names)
    lab.start(*names)


WAYS: dict[str, Callable[[Laboratory, list[str]], contextlib.AbstractContextManager[None]]] = {
    "process stopped": stopped,
    "never greets": silent,
    "never answers": mute,
}


# --- phases ---------------------------------------------------------------------------------------


def all_registered(lab: Laboratory) -> bool:
    """Whether both clients are registered with all hubs."""
    return all(peer["registered"] for name in ("carol", "curtis") for peer in lab.status(name)["peer_hubs"])


def measure(hang: str, hubs: int, first: int, number: int) -> Iterator[Phase]:
    """All phases of one way to hang: `first` requests while it is new, `number` in the others."""
    clients = {"carol": ["sam"], "curtis": ["sunny"]}
    content = topology(HUBS, clients, free_ports(HUBS + len(clients)), min_nr_shares=3)
    names = [f"hub{place}" for place in range(1, hubs + 1)]
    with Laboratory(content) as lab, Timed(lab) as timed:
        wait_until(lambda: all_registered(lab), "all hubs registered")
        timed.pairs(hang, hubs, "warm", 20)
        yield timed.pairs(hang, hubs, "before", number)
        with WAYS[hang](lab, names):
            yield timed.pairs(hang, hubs, "at first", first)
            yield timed.pairs(hang, hubs, "known", number)
        wait_until(lambda: all_registered(lab), "all hubs are back", 90.0)
        yield timed.pairs(hang, hubs, "after", number)


# --- searches ---------------------------------------------------------------------------------------


def measure_search(number: int) -> Iterator[Phase]:
    """Keys of celia, while each of carol's, rubbish at all 16 hubs, has 11,440 subsets searched."""
    clients = {"carol": ["sam"], "celia": ["serena"], "curtis": ["sunny"]}
    content = topology(16, clients, free_ports(16 + len(clients)), min_nr_shares=7)
    liars = " ".join(f"hub{place}=spoils-carols-keys" for place in range(1, 17))
    environment = {"PYTHONPATH": str(LYING), "LYING_HUBS": liars}
    with Laboratory(content, environment=environment) as lab, Timed(lab, "celia") as timed:
        wait_until(lambda: all_registered(lab), "all hubs registered")
        timed.pairs("search, 7 of 16", 0, "warm", 20)
        yield timed.pairs("search, 7 of 16", 0, "before", number)
        with rubbish(lab):
            wait_until(lambda: lab.status("curtis")["searches"]["under_way"], "a search is under way")
            yield timed.pairs("search, 7 of 16", 0, "meanwhile", number)
            print(lab.status("curtis")["searches"], file=sys.stderr)


@contextlib.contextmanager
def rubbish(lab: Laboratory) -> Iterator[None]:
    """Carol's keys are asked for all the time, eight at once."""
    over = threading.Event()

    def ask() -> None:
        with (
            ControlClient(lab.socket("client", "carol"), 10.0) as carol,
            ControlClient(lab.socket("client", "curtis"), 10.0) as curtis,
        ):
            while not over.is_set():
                ids = [key.key_id for key in carol.get_keys(["sunny"], 8)]
                with contextlib.suppress(ServiceError):
                    curtis.get_keys_by_id("sam", ids, "sunny")

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()


def row(phase: Phase) -> str:
    """One line of the table."""
    numbers = "".join(f"{value:13.1f}" for value in (*phase.get_key, *phase.by_id))
    return f"{phase.hang:<16}{phase.hubs:>5}  {phase.phase:<9}{numbers}"


_COLUMNS = ("get key: p50", "p99", "max", "by ID: p50", "p99", "max")
HEAD = f"{'latencies in ms':<16}{'hubs':>5}  {'':<9}" + "".join(f"{column:>13}" for column in _COLUMNS)


def measure_all(options: argparse.Namespace) -> Iterator[Phase]:
    """All ways to hang, for one hub, then for two."""
    for hubs in range(1, options.hubs + 1):
        for hang in WAYS:
            yield from measure(hang, hubs, options.first, options.pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300, help="key pairs of a phase [%(default)s]")
    parser.add_argument("--first", type=int, default=20, help="of the phase when it is new [%(default)s]")
    parser.add_argument("--hubs", type=int, default=2, help="as many hang at most, 1 or 2 [%(default)s]")
    parser.add_argument("--searches", action="store_true", help="searches for good shares, no hub hangs")
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    if not options.json:
        print(HEAD)
    for phase in measure_search(options.pairs) if options.searches else measure_all(options):
        found.append(phase._asdict())
        if not options.json:
            print(row(phase), flush=True)
    if options.json:
        print(json.dumps({"load": os.getloadavg()[0], "phases": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
