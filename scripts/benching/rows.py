"""One row: a load on a running topology, beside its floor."""

from __future__ import annotations

from benching.compute import cpu_us_per_pair
from benching.echo import Echo
from benching.records import Floor, Row
from benching.shape import Shape
from benching.stand import Stand


def measure_floor(echo: Echo, shape: Shape, seconds: float) -> Floor:
    """What the machine takes for the same frames and the same compute, in so many seconds."""
    rate, echo_us = echo.measure(shape, seconds / 2)
    return Floor(rate, echo_us, cpu_us_per_pair(shape, seconds / 2))


def measure_row(stand: Stand, echo: Echo, shape: Shape, seconds: float) -> Row:
    """A row: `seconds` of load, a quarter of that before to warm up, an eighth after to count bytes."""
    stand.run(shape, seconds / 4)
    run = stand.run(shape, seconds)
    counted = stand.count(shape, seconds / 8)
    floor = measure_floor(echo, shape, seconds / 2)
    return Row(
        shape=shape,
        pairs=run.pairs,
        refused=run.refused,
        pairs_per_s=run.pairs / run.seconds,
        get_key_ms=run.get_key_ms,
        by_id_ms=run.by_id_ms,
        cpu_us={kind: 1e6 * seconds / run.pairs for kind, seconds in run.cpu_s.items()},
        counted=counted,
        floor=floor,
    )
