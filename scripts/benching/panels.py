"""What the plots of a run show: lines, and the floors beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from benching.records import Document, Row
from benching.shape import Shape
from benching.topologies import USUAL

_BITS = 128
_CLIENTS = "connected clients of a hub"
#: Loads whose cost is drawn against n: one request, many, batches.
_LOADS = ((1, 1), (64, 1), (8, 128))

Points = Sequence[tuple[float, float]]
OfShape = Callable[[Shape], int]

_concurrency: OfShape = attrgetter("concurrency")
_number: OfShape = attrgetter("number")
_bits: OfShape = attrgetter("bits")
_hub_count: OfShape = attrgetter("hubs")


class Line(NamedTuple):
    """A line of a panel. `floor`: it is the floor of the one before it, dashed and in its colour."""

    label: str
    points: Points
    floor: bool = False


class Panel(NamedTuple):
    """One pair of axes, both logarithmic unless `from_zero`: then y begins there."""

    x: str
    y: str
    lines: Sequence[Line]
    from_zero: bool = False


def panels(found: Document) -> dict[str, list[Panel]]:
    """The panels of every plot that the run has figures for, by the plot's name."""
    drawn = _all_panels(found)
    return {name: those for name, those in drawn.items() if all(map(_worth_drawing, those))}


def _worth_drawing(panel: Panel) -> bool:
    return any(len(line.points) > 1 for line in panel.lines)


def _all_panels(found: Document) -> dict[str, list[Panel]]:
    usual = [row for row in found.rows if _is(row.shape, USUAL)]
    return {
        "concurrency": _rate_and_cpu(
            usual, found.cores, "requests at once", _concurrency, _number, "{} a request"
        ),
        "batch": _rate_and_cpu(
            usual, found.cores, "keys a request", _number, _concurrency, "{} at once"
        ),
        "hubs": [_hubs(found.rows)],
        "sizes": _sizes(found),
        "clients": _crowds(found),
    }  # fmt: skip


def _is(shape: Shape, topology: tuple[int, int]) -> bool:
    return (shape.hubs, shape.k) == topology


def _rate_and_cpu(
    rows: Iterable[Row], cores: int, x: str, place: OfShape, series: OfShape, label: str
) -> list[Panel]:
    """Key pairs a second, and CPU of a pair, each beside its floor: a line for each of `series`."""
    of_bits = [row for row in rows if row.shape.bits == _BITS]
    rates, costs = [], []
    for value in sorted({series(row.shape) for row in of_bits}):
        mine = [row for row in of_bits if series(row.shape) == value]
        rates.append(Line(label.format(value), [(place(row.shape), row.pairs_per_s) for row in mine]))
        rates.append(Line("", [(place(row.shape), cores * 1e6 / row.floor.cpu_us) for row in mine], True))
        costs += _cost_lines(label.format(value), mine, place)
    return [Panel(x, "key pairs/s", rates), Panel(x, "CPU us per key pair", costs)]


def _cost_lines(label: str, rows: Sequence[Row], place: OfShape) -> list[Line]:
    cost = [(place(row.shape), row.nodes_us) for row in rows]
    return [Line(label, cost), Line("", [(place(row.shape), row.floor.cpu_us) for row in rows], True)]


def _hubs(rows: Iterable[Row]) -> Panel:
    lines = []
    ordered = sorted(rows, key=lambda row: row.shape.hubs)
    for load in _LOADS:
        mine = [
            row
            for row in ordered
            if (row.shape.concurrency, row.shape.number) == load and row.shape.bits == _BITS
        ]
        lines += _cost_lines("{} x {}".format(*load), mine, _hub_count)
    return Panel("hubs (2 of 3, 3 of 5, 5 of 9)", "CPU us per key pair", lines)


def _sizes(found: Document) -> list[Panel]:
    at_once = {row.shape.concurrency for row in found.sizes}
    label = f"{max(at_once, default=0)} keys at once"
    rates = [(row.shape.bits, row.pairs_per_s * row.shape.bits / 1e6) for row in found.sizes]
    rate_lines = [Line(label, rates), Line("", _material_floor(found), True)]
    for pools in dict.fromkeys(one.pools for one in found.large):
        mine = [(one.bits, one.mbit_per_s) for one in found.large if one.pools == pools]
        rate_lines.append(Line(pools, mine))
    return [
        Panel("bits of a key", "Mbit/s of key material", rate_lines),
        Panel("bits of a key", "CPU us per key pair", _cost_lines(label, found.sizes, _bits)),
    ]


def _material_floor(found: Document) -> Points:
    return [(row.shape.bits, found.cores * row.shape.bits / row.floor.cpu_us) for row in found.sizes]


def _crowds(found: Document) -> list[Panel]:
    apart = [one for one in found.crowds if not one.together]
    with_pads, without = ([one for one in apart if one.pads is pads] for pads in (True, False))
    return [
        Panel(_CLIENTS, "KiB of the hub's memory for each", [
            Line(label, [(one.clients, one.bytes_each / 1024) for one in crowds])
            for label, crowds in (("with pads", with_pads), ("without", without))
        ], from_zero=True),
        Panel(_CLIENTS, "until all are registered", [
            Line("s, all at once", [(one.clients, one.at_once.seconds) for one in with_pads]),
            Line("s, hub restarted", [(one.clients, one.restarted.seconds) for one in with_pads]),
            Line("CPU s, hub restarted", [(one.clients, one.restarted.hub_cpu_s) for one in with_pads]),
        ], from_zero=True),
    ]  # fmt: skip
