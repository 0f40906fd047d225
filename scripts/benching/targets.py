"""What the project wants to reach, and whether a run did."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import NamedTuple

from benching.records import Document, Row
from benching.topologies import USUAL

_CEILING, _BELOW, _FLOOR, _AT_LEAST = "at most", "under", "over", "at least"
_HOLDS = {_CEILING: operator.le, _BELOW: operator.lt, _FLOOR: operator.gt, _AT_LEAST: operator.ge}
#: (bits, keys of a request, pad bytes per key byte and hub)
_PSRD = ((256, 1, 6.0), (256, 128, 4.5), (128, 1, 10.0), (128, 128, 6.5))
#: As many requests of 128 keys as a quick run has at once.
_FEW = 4


class Target(NamedTuple):
    """A figure and its limit. `relation`: on which side of the limit it is to be. `form`: how it is shown."""

    what: str
    measured: float
    relation: str
    limit: float
    form: str

    @property
    def met(self) -> bool:
        """Whether it was reached, to the digits shown."""
        rounded = float(self.shown(self.measured)), float(self.shown(self.limit))
        return bool(_HOLDS[self.relation](*rounded))

    @property
    def verdict(self) -> str:
        """For people."""
        return "met" if self.met else "missed"

    def shown(self, value: float) -> str:
        """A value as it stands in the table."""
        return self.form.format(value)


def targets(found: Document) -> list[Target]:
    """Every target that the run has a figure for."""
    return [*_of_rows(found), *_of_large(found), *_of_etsi(found), *_of_startup(found)]


def _of_rows(found: Document) -> Iterator[Target]:
    usual = [row for row in found.rows if (row.shape.hubs, row.shape.k) == USUAL]
    for row in _first(usual, concurrency=64, number=1):
        yield Target("64 at once: CPU per pair in floors", row.ratio, _CEILING, 2, "{:.2f}")
        yield Target("64 at once: pairs/s", row.pairs_per_s, _FLOOR, 12_000, "{:.0f}")
    batches = [row.pairs_per_s for row in usual if row.shape.number == 128]
    if batches:
        yield Target("batches of 128: pairs/s, the best", max(batches), _FLOOR, 35_000, "{:.0f}")
    alone = _first(usual, concurrency=1, number=1)
    if alone and found.alone is not None:
        trips = alone[0].get_key_ms[0] / found.alone.round_trip_ms
        yield Target("one at a time: get key p50 in bare round trips", trips, _BELOW, 4, "{:.1f}")
    for bits, number, limit in _PSRD:
        for psrd in _psrd_of(usual, bits, number):
            keys = "one key" if number == 1 else f"{number} keys"
            what = f"PSRD per key byte and hub, {bits} bit, {keys}"
            yield Target(what, psrd, _CEILING, limit, "{:.1f}")


def _psrd_of(rows: list[Row], bits: int, number: int) -> list[float]:
    """That of one request alone, or of the next few: as little as can be shares its frames."""
    fitting = [row for row in rows if (row.shape.bits, row.shape.number) == (bits, number)]
    fitting.sort(key=lambda row: row.shape.concurrency)
    return [row.counted.psrd for row in fitting[:1] if row.counted and row.shape.concurrency <= _FEW]


def _first(rows: list[Row], *, concurrency: int, number: int) -> list[Row]:
    """The first row of this load, if there is one."""
    return [row for row in rows if (row.shape.concurrency, row.shape.number) == (concurrency, number)][:1]


def _of_large(found: Document) -> Iterator[Target]:
    for one in found.large:
        if "meanwhile" not in one.pools:
            what = f"{one.bits / 2**20:g} Mbit keys, pools {one.pools}: Mbit/s"
            yield Target(what, one.mbit_per_s, _FLOOR, 200, "{:.0f}")


def _of_etsi(found: Document) -> Iterator[Target]:
    if found.etsi is not None:
        what = f"ETSI, {found.etsi.concurrency} at once, part of a bare handler's requests/s"
        yield Target(f"{what}: both clients", found.etsi.of_both, _AT_LEAST, 1 / 3, "{:.2f}")
        yield Target(f"{what}: one client", found.etsi.of_process, _AT_LEAST, 1 / 3, "{:.2f}")


def _of_startup(found: Document) -> Iterator[Target]:
    one = found.startup
    if one is not None:
        yield Target(f"{one.nodes} nodes ready: s", one.ready_s, _BELOW, 1.5, "{:.2f}")
        yield Target("dskectl get-key, a whole process: ms", 1000 * one.get_key_s, _BELOW, 150, "{:.0f}")
