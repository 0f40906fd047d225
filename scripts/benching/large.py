"""Large keys: key material per second, end to end, by where the pads come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from laboratory import Laboratory, wait_until

from benching.echo import Echo
from benching.records import Large
from benching.rows import measure_floor
from benching.shape import Shape
from benching.stand import Run, Stand
from benching.topologies import CLIENTS, USUAL, content

MBIT = 1024 * 1024  # of key sizes: 16 of them are the largest key
MIB = 1024 * 1024
#: (bits, requests at once)
SIZES = ((MBIT, 4), (16 * MBIT, 2))
_BURSTS = 3
_BLOCK_BYTES = MIB // 4


def on_media(stand: Stand, echo: Echo, seconds: float, key_bytes: int) -> Iterator[Large]:
    """Pools on media, for `key_bytes` of each size."""
    for bits, concurrency in SIZES:
        shape = Shape(*USUAL, concurrency, 1, bits)
        stand.run(shape, float("inf"), concurrency)  # warm
        run = stand.run(shape, float("inf"), key_bytes // shape.key_bytes)
        yield _large("media", shape, [run], echo, seconds)


def filled(echo: Echo, seconds: float, pool_bytes: int, sizes: Sequence[tuple[int, int]]) -> Iterator[Large]:
    """Simulated pools that are filled before each burst, and not asked for more meanwhile.

    More is asked for below half of a pool: a burst of a third of it does not get there, a second one does.
    """
    settings = content(
        *USUAL,
        start_request_psrd_threshold=pool_bytes // 2,
        stop_request_psrd_threshold=pool_bytes,
        get_psrd_block_size=_BLOCK_BYTES,
    )
    with Laboratory(settings) as lab, Stand(lab) as stand:
        for bits, concurrency in sizes:
            shape = Shape(*USUAL, concurrency, 1, bits)
            requests = max(pool_bytes // 3 // shape.key_bytes, 1)
            runs = []
            for _ in range(_BURSTS):
                _wait_until_full(stand, pool_bytes - MIB)
                runs.append(stand.run(shape, float("inf"), requests))
                stand.run(shape, float("inf"), requests)
            yield _large("simulated, filled beforehand", shape, runs, echo, seconds)


def refilled(echo: Echo, seconds: float) -> Iterator[Large]:
    """Simulated pools that hubs make and send while the keys are asked for."""
    with Laboratory(content(*USUAL)) as lab, Stand(lab) as stand:
        for bits, concurrency in SIZES:
            shape = Shape(*USUAL, concurrency, 1, bits)
            stand.run(shape, seconds / 4)
            yield _large("simulated, refilled meanwhile", shape, [stand.run(shape, seconds)], echo, seconds)


def _wait_until_full(stand: Stand, least_bytes: int) -> None:
    def full() -> bool:
        return all(
            hub[pool]["nr_unused_bytes"] >= least_bytes
            for name in CLIENTS
            for hub in stand.lab.status(name)["peer_hubs"]
            for pool in ("local_pool", "peer_pool")
        )

    wait_until(full, f"all pools hold {least_bytes} bytes")


def _large(pools: str, shape: Shape, runs: list[Run], echo: Echo, seconds: float) -> Large:
    """The figures of several runs together; the latencies are those of the last.

    Raises RuntimeError where a request was refused: these loads are small.
    """
    if any(run.refused for run in runs):
        raise RuntimeError(f"{pools}: a request for {shape.bits} bits was refused")
    keys, took = sum(run.pairs for run in runs), sum(run.seconds for run in runs)
    one = Shape(shape.hubs, shape.k, 1, 1, shape.bits)
    return Large(
        pools=pools,
        bits=shape.bits,
        concurrency=shape.concurrency,
        keys=keys,
        mbit_per_s=keys * shape.bits / took / 1e6,
        get_key_ms=runs[-1].get_key_ms,
        by_id_ms=runs[-1].by_id_ms,
        cpu_ms=1000 * sum(run.nodes_s for run in runs) / keys,
        floor=measure_floor(echo, one, seconds / 2),
    )
