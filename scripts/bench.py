"""make bench: key pairs per second through the control sockets, beside the floor of the same run.

A topology of real daemons runs on loopback; this process, which is none of them, asks carol for keys
and curtis for the same keys by their IDs, and compares both values. The floor is what the machine
does with the same frames and nothing else: two bare processes echo them, coalesced in the same way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from laboratory import Laboratory, free_ports, topology
from load import ControlConnection, Load

from dsked.delivery.control_client import ControlClient
from dsked.delivery.control_protocol import FrameBuffer
from dsked.wire.frame import LENGTH_BYTES, OVERHEAD_BYTES
from dsked.wire.messages import (
    GetGroup,
    GetKey,
    GetShares,
    PartyBody,
    PutGroup,
    PutKey,
    PutShares,
    PutSharesAck,
    ShareGroup,
    ShareKey,
    Shares,
    encode_body,
)

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
HUBS = 5
KEY_BYTES = 16
MIB = 1024 * 1024
#: Of each pool in the durable topology: more than a bench uses up.
DURABLE_POOL_BYTES = 64 * MIB
ROUNDS = 5


class Figures(NamedTuple):
    """One row of the result. Rates per second, latencies in ms, CPU in us per pair."""

    label: str
    pairs_per_s: float
    get_key_ms: tuple[float, float]  # p50, p99
    by_id_ms: tuple[float, float]
    cpu_us: float  # of all nodes together
    floor_pairs_per_s: float
    floor_cpu_us: float

    def ratio(self) -> float:
        """How many times the floor's CPU time a pair costs."""
        return self.cpu_us / self.floor_cpu_us


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def quantiles_ms(values: list[float]) -> tuple[float, float]:
    """(p50, p99) in milliseconds."""
    if len(values) < 2:
        return (1000 * values[0],) * 2
    cuts = statistics.quantiles(values, n=100)
    return 1000 * cuts[49], 1000 * cuts[98]


# --- the floor: the same frames, echoed bare ---------------------------------------------------------


def frame_sizes(keys: int) -> list[tuple[int, int]]:
    """(request, reply) sizes in bytes of the four frames that `keys` keys of one turn make per hub."""
    party = [PartyBody("curtis", "sunny")]
    share, code, key_id = bytes(KEY_BYTES), bytes(32), bytes(16)
    put = PutShares([PutGroup("sam", party, HUBS, 3, 60_000, KEY_BYTES,
                              [PutKey(key_id, 0, share, [code])] * keys)])  # fmt: skip
    get = GetShares([GetGroup("carol", [GetKey(key_id, 0)] * keys)], 1000, [])
    shares = Shares([ShareGroup(PartyBody("carol", "sam"), party, HUBS, 3, KEY_BYTES,
                                [ShareKey(key_id, 0, share, code)] * keys)], [])  # fmt: skip
    sizes = [
        len(encode_body(message)) + OVERHEAD_BYTES for message in (put, PutSharesAck([0] * keys), get, shares)
    ]
    return [(sizes[0], sizes[1]), (sizes[2], sizes[3])]


class Echo(asyncio.Protocol):
    """Answers every frame with one of the size that its first bytes name."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        replies = []
        for frame in self._frames.feed(data):
            size = int.from_bytes(frame[:4], "big") - LENGTH_BYTES
            replies.append(size.to_bytes(LENGTH_BYTES, "big") + bytes(size))
        if replies:
            self._transport.write(b"".join(replies))


class Asker(asyncio.Protocol):
    """Sends frames, and knows when as many have come back."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[None]:
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        if self._frames.feed(data):
            self._answered.set_result(None)


async def serve_echo(port: int) -> None:
    """The floor's other process."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


async def measure_floor(keys: int, seconds: float, port: int) -> tuple[float, float]:
    """(pairs per second, CPU us per pair of both processes) for `keys` keys a turn."""
    command = [sys.executable, __file__, "--echo", str(port)]
    echo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  nothing runs yet
    try:
        assert echo.stdout is not None
        echo.stdout.readline()
        loop = asyncio.get_running_loop()
        askers = [(await loop.create_connection(Asker, "127.0.0.1", port))[1] for _ in range(HUBS)]
        requests = [_request(*sizes) for sizes in frame_sizes(keys)]
        before, start, rounds = cpu_seconds(echo.pid) + time.process_time(), time.perf_counter(), 0
        while (now := time.perf_counter()) < start + seconds:
            for request in requests:
                await asyncio.gather(*(asker.ask(request) for asker in askers))
            rounds += 1
        cpu = cpu_seconds(echo.pid) + time.process_time() - before
    finally:
        echo.terminate()
        echo.wait()
    return rounds * keys / (now - start), 1e6 * cpu / (rounds * keys)


def _request(size: int, reply: int) -> bytes:
    body = max(size - LENGTH_BYTES, LENGTH_BYTES)
    return body.to_bytes(LENGTH_BYTES, "big") + reply.to_bytes(4, "big") + bytes(body - 4)


# --- the run -----------------------------------------------------------------------------------------


async def measure(lab: Laboratory, concurrency: int, number: int, bits: int, seconds: float) -> Figures:
    """One row: `concurrency` requests under way, each for `number` keys of `bits` bits."""
    carol = await ControlConnection.open(lab.socket("client", "carol"))
    curtis = await ControlConnection.open(lab.socket("client", "curtis"))
    await Load(carol, curtis, number, bits).run(concurrency, seconds / 4)  # warm: pools learn the rate
    pids = [ControlClient(lab.socket(*node)).peer_pid for node in lab.nodes()]
    load = Load(carol, curtis, number, bits)
    before = sum(map(cpu_seconds, pids))
    took = await load.run(concurrency, seconds)
    cpu = sum(map(cpu_seconds, pids)) - before
    floor_rate, floor_cpu = await measure_floor(concurrency * number, seconds / 2, free_ports(1, 25_000))
    return Figures(
        f"{concurrency} x {number} x {bits} bit", load.pairs / took, quantiles_ms(load.get_key_s),
        quantiles_ms(load.by_id_s), 1e6 * cpu / load.pairs, floor_rate, floor_cpu,
    )  # fmt: skip


class Durability(NamedTuple):
    """Pairs per second of two topologies that are alike but for where their pools are; medians of rounds."""

    label: str
    in_memory: float
    durable: float

    def ratio(self) -> float:
        """What durability leaves."""
        return self.durable / self.in_memory


async def measure_durability(
    in_memory: Laboratory, durable: Laboratory, concurrency: int, seconds: float
) -> Durability:
    """The two in turn, round after round, so that both meet the same machine."""
    rates: dict[Laboratory, list[float]] = {in_memory: [], durable: []}
    for number in range(ROUNDS + 1):
        for lab, found in rates.items():
            carol = await ControlConnection.open(lab.socket("client", "carol"))
            curtis = await ControlConnection.open(lab.socket("client", "curtis"))
            load = Load(carol, curtis, 1, 8 * KEY_BYTES)
            took = await load.run(concurrency, seconds / ROUNDS)
            if number:  # the first one warms up
                found.append(load.pairs / took)
            carol.transport.close()
            curtis.transport.close()
    medians = [statistics.median(found) for found in rates.values()]
    return Durability(f"{concurrency} x 1 x {8 * KEY_BYTES} bit", *medians)


async def compare_stores(in_memory: Laboratory, durable: Laboratory, seconds: float) -> list[Durability]:
    """At different loads."""
    return [await measure_durability(in_memory, durable, number, seconds) for number in (1, 8, 64)]


def durability_table(results: list[Durability]) -> str:
    """The figures for people."""
    lines = [f"{'requests x keys x size':<22} {'in memory/s':>12} {'durable/s':>10} {'ratio':>7}"]
    for row in results:
        lines.append(f"{row.label:<22} {row.in_memory:>12.0f} {row.durable:>10.0f} {row.ratio():>7.1%}")
    return "\n".join(lines)


def rows(quick: bool) -> Iterator[tuple[int, int, int]]:
    """(concurrency, keys per request, key size in bits)."""
    yield from ((1, 1, 128), (8, 1, 128), (64, 1, 128))
    if not quick:
        yield from ((64, 1, 256), (4, 128, 128))


def memory_mib(lab: Laboratory) -> dict[str, float]:
    """Resident memory of every node."""
    return {f"{role} {name}": lab.resident_bytes(name) / MIB for role, name in lab.nodes()}


def idle_percent(lab: Laboratory, seconds: float) -> float:
    """CPU of all nodes together while nobody asks for anything, in percent of one core."""
    pids = [ControlClient(lab.socket(*node)).peer_pid for node in lab.nodes()]
    before = sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    return 100 * (sum(map(cpu_seconds, pids)) - before) / seconds


def _both(quantiles: tuple[float, float]) -> str:
    return "{:.2f} / {:.2f}".format(*quantiles)


def table(results: list[Figures]) -> str:
    """The figures for people."""
    lines = [
        f"{'requests x keys x size':<22} {'pairs/s':>8} {'get key p50/p99 ms':>20} {'by ID p50/p99 ms':>18} "
        f"{'CPU us':>7} {'floor/s':>8} {'floor us':>8} {'CPU/floor':>9}"
    ]
    for row in results:
        lines.append(
            f"{row.label:<22} {row.pairs_per_s:>8.0f} {_both(row.get_key_ms):>20} "
            f"{_both(row.by_id_ms):>18} {row.cpu_us:>7.0f} {row.floor_pairs_per_s:>8.0f} "
            f"{row.floor_cpu_us:>8.1f} {row.ratio():>9.1f}"
        )
    return "\n".join(lines)


async def run(lab: Laboratory, seconds: float, quick: bool) -> list[Figures]:
    return [await measure(lab, *row, seconds) for row in rows(quick)]


def content(psrd: str) -> dict[str, Any]:
    """The topology that is measured."""
    clients = {"carol": ["sam"], "curtis": ["sunny", "susan"]}
    return topology(HUBS, clients, free_ports(HUBS + len(clients)), psrd=psrd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement (default 4)")
    parser.add_argument("--quick", action="store_true", help="fewer rows, one second each")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    loop: Callable[[Coroutine[Any, Any, Any]], Any] = uvloop.run
    if options.echo:
        loop(serve_echo(options.echo))
        return
    seconds = 1.0 if options.quick else options.seconds
    with Laboratory(content("simulated")) as lab:
        idle = idle_percent(lab, seconds)
        results = loop(run(lab, seconds, options.quick))
        memory = memory_mib(lab)
        with Laboratory(content("media"), media_bytes=DURABLE_POOL_BYTES) as durable:
            stores = loop(compare_stores(lab, durable, 2 * seconds))
    if options.json:
        print(
            json.dumps(
                {
                    "rows": [row._asdict() for row in results],
                    "resident_mib": memory,
                    "idle_cpu_percent": idle,
                    "durability": [row._asdict() for row in stores],
                },
                indent=2,
            )
        )
        return
    print(
        f"{HUBS} hubs, any 3 of them, 2 clients, on {os.cpu_count()} cores; CPU: us per key pair, all nodes\n"
    )
    print(table(results))
    print(f"\nidle: {idle:.1f} % of one core, all nodes together")
    print("resident MiB: " + ", ".join(f"{node} {mib:.0f}" for node, mib in memory.items()))
    size = DURABLE_POOL_BYTES // MIB
    print(f"\nthe cost of durability, pairs/s: pools in memory, and pools of {size} MiB on disk, in turn\n")
    print(durability_table(stores))


if __name__ == "__main__":
    main()
