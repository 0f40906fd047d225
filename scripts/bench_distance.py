"""make bench-distance: key pairs over a distance, in round trips, by real daemons on loopback.

Five hubs, any three of them; a process between the clients and each hub holds every byte back for half a
round trip each way (benching/delaying.py). The unit is a bare round trip: 100 bytes there and back through
the same process, measured in the same run.

Get key waits for acknowledgements, Get key with key IDs for shares. The first takes one round trip to the
fourth fastest hub, or to the third one where the fourth answers more than 50 ms later; the second one to the
third. With 64 pairs under way the most is 64 pairs in both round trips, or the rate of the same topology
without any distance where that is lower; what may be expected is 64 pairs in both round trips and the time
that the same 64 take without any distance, one after the other. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml
from benching.children import Child
from benching.shape import Shape
from benching.stand import NothingServedError, Stand
from benching.topologies import CLIENTS, USUAL, content
from laboratory import Laboratory

HUBS, K = USUAL
CONCURRENCY, BITS = 64, 256
#: Round trips to the five hubs, in ms.
DISTANCES = {
    "none": (0.0,) * HUBS,
    "10 ms": (10.0,) * HUBS,
    "70 ms": (70.0,) * HUBS,
    "200 ms": (200.0,) * HUBS,
    "10, 10, 70, 70, 200": (10.0, 10.0, 70.0, 70.0, 200.0),
    "10, 10, 10, 200, 200": (10.0, 10.0, 10.0, 200.0, 200.0),
}
#: Acknowledgements that Get key waits for: k + floor((n - k) / 2), as long as they come within 50 ms.
_NEEDED, _GRACE_MS = K + (HUBS - K) // 2, 50.0
_ECHO_BYTES, _ECHOES = 100, 20
_LONG_S = 600.0
POOLS_MIB = (1, 64)
BATCHES = (1, 4, 8)  # with more keys the smallest pool would be used up
_PAD_BYTES = 2 * BITS // 8  # of a key: its share, and that of its codes
MIB = 1024 * 1024


class Far(NamedTuple):
    """A distance and what it came to; latencies in ms, of one pair at a time.

    `expected_ms`: the bare round trips of the two halves, to the hub that each has to wait for.
    """

    name: str
    get_key_ms: tuple[float, float]
    by_id_ms: tuple[float, float]
    expected_ms: tuple[float, float]
    pairs_per_s: float
    expected_per_s: float
    most_per_s: float

    @property
    def round_trips(self) -> tuple[float, float]:
        """p50 of both halves, in round trips."""
        get_key, by_id = self.expected_ms
        return self.get_key_ms[0] / get_key, self.by_id_ms[0] / by_id

    @property
    def of_most(self) -> float:
        """The rate with 64 under way, as a part of the most that is possible."""
        return self.pairs_per_s / self.most_per_s


class Window(NamedTuple):
    """Batches over pools on media, whose window bounds what may be under way."""

    pool_mib: int
    window_kib: int
    round_trip_ms: float
    batches: int  # of 128 keys, at once
    keys_per_s: float
    window_per_s: float  # one window of pads in a round trip


class Distant:
    """A topology whose clients reach each hub at a distance. `stand`: for its load."""

    def __init__(self, psrd: str = "simulated", media_bytes: int = 0) -> None:
        self._stack = contextlib.ExitStack()
        self._content = content(HUBS, K, psrd)
        hubs = [hub["name"] for hub in self._content["hubs"]]
        self.lab = Laboratory(self._content, nodes=hubs, media_bytes=media_bytes)

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.lab)
            self._delays = self._stack.enter_context(Child("benching.delaying"))
            self._ports = self._lines()
            self.lab.start(*CLIENTS)
            self.stand = self._stack.enter_context(Stand(self.lab))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _lines(self) -> list[int]:
        """Lines to all hubs, which the file names from now on in the hubs' place, and one to an echo."""
        targets = [self.lab.port(hub["name"]) for hub in self._content["hubs"]]
        targets.append(self._delays.ask(echo=True)["port"])
        ports: list[int] = self._delays.ask(targets=[(port, 0.0) for port in targets])["ports"]
        hubs = [{**hub, "port": port} for hub, port in zip(self._content["hubs"], ports, strict=False)]
        self.lab.config.write_text(yaml.safe_dump({**self._content, "hubs": hubs}, sort_keys=False))
        return ports

    def put(self, round_trips_ms: Sequence[float], echo_ms: float = 0.0) -> None:
        """Put so much between the clients and each hub, and before the echo."""
        self._delays.ask(round_trips_ms=[*round_trips_ms, echo_ms])

    def bare_ms(self) -> float:
        """p50 of a bare round trip to the echo."""
        with socket.create_connection(("127.0.0.1", self._ports[-1])) as echo:
            echo.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return 1000 * statistics.median(_round_trip_s(echo) for _ in range(_ECHOES))


def _round_trip_s(echo: socket.socket) -> float:
    begin, missing = time.perf_counter(), _ECHO_BYTES
    echo.sendall(bytes(_ECHO_BYTES))
    while missing:
        missing -= len(echo.recv(missing))
    return time.perf_counter() - begin


def waited_for(round_trips_ms: Sequence[float]) -> tuple[float, float]:
    """The round trips that Get key and Get key with key IDs wait for in the steady state, in ms."""
    in_order = sorted(round_trips_ms)
    by_id, comfortable = in_order[K - 1], in_order[_NEEDED - 1]
    return (comfortable if comfortable <= by_id + _GRACE_MS else by_id), by_id


def measure(names: Sequence[str], pairs: int, seconds: float) -> Iterator[Far]:
    """One distance after the other on the same topology: `pairs` one at a time, then 64 for `seconds`."""
    with Distant() as distant:
        near = 0.0
        for name in ("none", *(name for name in names if name != "none")):
            found = _measure(distant, name, pairs, seconds, near)
            near = near or found.pairs_per_s
            yield found


def _measure(distant: Distant, name: str, pairs: int, seconds: float, near: float) -> Far:
    """`near`: the rate without distance; 0 where that is what is measured."""
    round_trips_ms = DISTANCES[name]
    expected = tuple(_bare(distant, round_trips_ms, ms) for ms in waited_for(round_trips_ms))
    one, many = Shape(HUBS, K, 1, 1, BITS), Shape(HUBS, K, CONCURRENCY, 1, BITS)
    distant.stand.run(many, seconds / 2)  # pools learn the rate; hubs that are late are known
    alone = distant.stand.run(one, _LONG_S, pairs)
    together = distant.stand.run(many, seconds)
    rate = together.pairs / together.seconds
    near, line_s = near or rate, sum(expected) / 1000 if near else 0.0
    return Far(
        name, alone.get_key_ms, alone.by_id_ms, (expected[0], expected[1]), rate,
        expected_per_s=CONCURRENCY / (line_s + CONCURRENCY / near),
        most_per_s=min(near, CONCURRENCY / line_s) if line_s else near,
    )  # fmt: skip


def _bare(distant: Distant, round_trips_ms: Sequence[float], ms: float) -> float:
    distant.put(round_trips_ms, ms)
    return distant.bare_ms()


def measure_windows(seconds: float, ms: float = 200.0) -> Iterator[Window]:
    """Batches of 128 keys over pools on media, whose window follows from their size."""
    for mib in POOLS_MIB:
        with Distant("media", mib * MIB) as distant:
            distant.put((ms,) * HUBS, ms)
            window = min(max(mib * MIB // 64, 16 * 1024), MIB)
            per_s = window / _PAD_BYTES / (distant.bare_ms() / 1000)
            for batches in BATCHES:
                rate = _rate(distant, Shape(HUBS, K, batches, 128, BITS), seconds)
                yield Window(mib, window // 1024, ms, batches, rate, per_s)


def _rate(distant: Distant, shape: Shape, seconds: float) -> float:
    """Keys a second; 0 where so many at once are too many."""
    try:
        run = distant.stand.run(shape, seconds)
    except NothingServedError:
        return 0.0
    return run.pairs / run.seconds


_HEAD = (
    f"{'round trips to the hubs':<24}{'get key: p50':>13}{'p99 ms':>8}{'trips':>7}"
    f"{'by ID: p50':>13}{'p99 ms':>8}{'trips':>7}{'64: pairs/s':>13}{'expected':>10}{'most':>7}{'part':>6}"
)


def table(found: Sequence[Far], windows: Sequence[Window]) -> str:
    """The figures for people."""
    lines = [_HEAD]
    for one in found:
        halves = zip((one.get_key_ms, one.by_id_ms), one.round_trips, strict=True)
        far = any(DISTANCES[one.name])
        cells = "".join(
            f"{p50:>13.1f}{p99:>8.1f}" + (f"{trips:>7.2f}" if far else f"{'-':>7}")
            for (p50, p99), trips in halves
        )
        lines.append(
            f"{one.name:<24}{cells}{one.pairs_per_s:>13,.0f}{one.expected_per_s:>10,.0f}"
            f"{one.most_per_s:>7,.0f}{one.of_most:>6.0%}"
        )
    lines += [
        f"{one.batches} x 128 keys over {one.round_trip_ms:.0f} ms, pools of {one.pool_mib} MiB: "
        f"{one.keys_per_s:,.0f} keys/s; a window of {one.window_kib} KiB in each round trip: "
        f"{one.window_per_s:,.0f}"
        for one in windows
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40, help="one at a time [%(default)s]")
    parser.add_argument("--seconds", type=float, default=5.0, help="with 64 under way [%(default)s]")
    parser.add_argument("--only", choices=DISTANCES, nargs="+", default=list(DISTANCES), metavar="DISTANCE")
    parser.add_argument("--no-windows", action="store_true", help="leave out pools on media")
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    options = parser.parse_args()
    found = list(measure(options.only, options.pairs, options.seconds))
    windows = [] if options.no_windows else list(measure_windows(options.seconds))
    if options.json:
        print(json.dumps(_document(found, windows), indent=1))
    else:
        print(table(found, windows))
    return 0


def _document(found: Sequence[Far], windows: Sequence[Window]) -> dict[str, Any]:
    return {
        "distances": [
            {**one._asdict(), "round_trips": one.round_trips, "of_most": one.of_most} for one in found
        ],
        "windows": [one._asdict() for one in windows],
    }


if __name__ == "__main__":
    sys.exit(main())
