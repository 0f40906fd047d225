"""Large keys: key material per second, end to end, by where the pads come from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from laboratory import Laboratory

from benching.echo import Echo
from benching.processes import MIB
from benching.records import Large
from benching.rows import measure_floor
from benching.shape import Shape
from benching.stand import NothingServedError, Run, Stand
from benching.topologies import CLIENTS, USUAL, content
from dsked.limits import REFILL_LOOKBACK_S

MBIT = 1024 * 1024  # of key sizes: 16 of them are the largest key
#: (bits, requests at once)
SIZES = ((MBIT, 4), (16 * MBIT, 2))
_FILLINGS = 10
#: A burst takes this part of a pool, and more is asked for below this part of it.
_PARTS = 3
_BLOCK_BYTES = MIB // 4
#: Of a key, beside its share: codes and tags of its frames, generously.
_FRAMES_BYTES = 1024


def on_media(stand: Stand, echo: Echo, seconds: float, key_bytes: int) -> Iterator[Large]:
    """Pools on media, for `key_bytes` of each size."""
    for bits, concurrency in SIZES:
        shape = Shape(*USUAL, concurrency, 1, bits)
        stand.run(shape, float("inf"), concurrency)  # warm
        run = stand.run(shape, float("inf"), key_bytes // shape.key_bytes)
        yield _large("media", shape, [run], echo, seconds)


def filled(
    echo: Echo, seconds: float, pool_bytes: int, sizes: Sequence[tuple[int, int]], bursts: int = 3
) -> Iterator[Large]:
    """Simulated pools that hold all that a burst needs, and are not filled while it lasts."""
    settings = content(
        *USUAL,
        start_request_psrd_threshold=pool_bytes // _PARTS,
        stop_request_psrd_threshold=pool_bytes,
        get_psrd_block_size=_BLOCK_BYTES,
    )
    with Laboratory(settings) as lab, Stand(lab) as stand:
        for bits, concurrency in sizes:
            shape = Shape(*USUAL, concurrency, 1, bits)
            requests = max(pool_bytes // _PARTS // shape.key_bytes, 1)
            runs = []
            for _ in range(bursts):
                _fill(stand, shape, requests, pool_bytes)
                runs.append(stand.run(shape, float("inf"), requests))
            yield _large("simulated, filled beforehand", shape, runs, echo, seconds)


def refilled(echo: Echo, seconds: float) -> Iterator[Large]:
    """Simulated pools that hubs make and send while the keys are asked for."""
    with Laboratory(content(*USUAL)) as lab, Stand(lab) as stand:
        for bits, concurrency in SIZES:
            shape = Shape(*USUAL, concurrency, 1, bits)
            stand.run(shape, seconds / 4)
            yield _large("simulated, refilled meanwhile", shape, [stand.run(shape, seconds)], echo, seconds)


def _fill(stand: Stand, shape: Shape, requests: int, pool_bytes: int) -> None:
    """See that a burst leaves every pool above the threshold below which a client asks for more.

    It also asks when less is left than it lately used: so it is given time to forget that. What is above the
    threshold, but not by a burst, is used up, so that the client does ask. Raises NothingServedError where
    that does not come about.
    """
    least = pool_bytes // _PARTS + requests * (shape.key_bytes + _FRAMES_BYTES)
    for _ in range(_FILLINGS):
        time.sleep(REFILL_LOOKBACK_S)
        if min(_levels(stand)) >= least:
            return
        with suppress(NothingServedError):
            stand.run(shape, float("inf"), requests)
    raise NothingServedError("the pools are not filled")


def _levels(stand: Stand) -> Iterator[int]:
    """Unused bytes of every pool."""
    for name in CLIENTS:
        for hub in stand.lab.status(name)["peer_hubs"]:
            for pool in ("local_pool", "peer_pool"):
                yield hub[pool]["nr_unused_bytes"]


def _large(pools: str, shape: Shape, runs: list[Run], echo: Echo, seconds: float) -> Large:
    """The figures of several runs together; the latencies are those of the last."""
    keys, took = sum(run.pairs for run in runs), sum(run.seconds for run in runs)
    one = Shape(shape.hubs, shape.k, 1, 1, shape.bits)
    return Large(
        pools=pools,
        bits=shape.bits,
        concurrency=shape.concurrency,
        keys=keys,
        refused=sum(run.refused for run in runs),
        mbit_per_s=keys * shape.bits / took / 1e6,
        get_key_ms=runs[-1].get_key_ms,
        by_id_ms=runs[-1].by_id_ms,
        cpu_ms=1000 * sum(run.nodes_s for run in runs) / keys,
        floor=measure_floor(echo, one, seconds / 2),
    )
