"""The plots of a run, as SVG that can be read on white and on dark paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benching.records import Document, Row
from benching.shape import Shape
from benching.topologies import USUAL

#: As far from white as from black.
_GREY = "#767676"
_COLOURS = ("#2f88d0", "#e07b00", "#1f9e6e", "#c8609c")
_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "dsked",  # the same figures give the same file
    "font.size": 9,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), _GREY
    ),
}
_BITS = 128
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
    """One pair of axes, both logarithmic."""

    x: str
    y: str
    lines: Sequence[Line]


def draw(found: Document, directory: Path) -> Iterator[Path]:
    """Write every plot that the run has figures for; gives their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, panels in _panels(found).items():
        if all(any(len(line.points) > 1 for line in panel.lines) for panel in panels):
            path = directory / f"{name}.svg"
            with mpl.rc_context(_STYLE):
                _figure(panels).savefig(path, transparent=True, metadata={"Date": None})
            yield path


def _panels(found: Document) -> dict[str, list[Panel]]:
    usual = [row for row in found.rows if _is(row.shape, USUAL)]
    return {
        "concurrency": _rate_and_cpu(
            usual, found.cores, "requests at once", _concurrency, _number, "{} keys a request"
        ),
        "batch": _rate_and_cpu(
            usual, found.cores, "keys a request", _number, _concurrency, "{} requests at once"
        ),
        "hubs": [_hubs(found.rows)],
        "sizes": _sizes(found),
        "clients": _clients(found),
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


def _clients(found: Document) -> list[Panel]:
    return [
        Panel("connected clients of a hub", "CPU us per key pair",
              [Line("", [(one.clients, one.cpu_us) for one in found.clients])]),
        Panel("connected clients of a hub", "bytes of memory each",
              [Line("", [(one.clients, one.bytes_each) for one in found.clients])]),
    ]  # fmt: skip


# --- drawing ------------------------------------------------------------------------------------------


def _figure(panels: Sequence[Panel]) -> Figure:
    figure = Figure(figsize=(4.5 * len(panels), 3.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_panel(axes, panel)
    return figure


def _draw_panel(axes: Any, panel: Panel) -> None:
    colours = iter(_COLOURS)
    colour = _GREY
    floors = False
    for line in panel.lines:
        colour = colour if line.floor else next(colours)
        style = {"linestyle": "--", "linewidth": 1} if line.floor else {"marker": "o", "markersize": 4}
        axes.plot(*zip(*line.points, strict=True), color=colour, label=line.label or None, **style)
        floors = floors or line.floor
    if floors:
        axes.plot([], [], color=_GREY, linestyle="--", linewidth=1, label="floor")
    _scale(axes, panel)
    if any(line.label for line in panel.lines):
        axes.legend(fontsize=8)


def _scale(axes: Any, panel: Panel) -> None:
    axes.set(xscale="log", yscale="log", xlabel=panel.x, ylabel=panel.y)
    places = sorted({x for line in panel.lines for x, _ in line.points})
    axes.set_xticks(places, labels=[_short(x) for x in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(LogLocator(subs=[]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    """1500 as 1.5k."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
