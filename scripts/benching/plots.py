"""The plots of a run, as SVG that can be read on white and on dark paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benching.panels import Panel, panels
from benching.records import Document
from benching.tables import short

#: As far from white as from black.
_GREY = "#767676"
_LONG_LABEL = 12  # characters: four of them stand beside each other
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


def draw(found: Document, directory: Path) -> Iterator[Path]:
    """Write every plot that the run has figures for; gives their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, those in panels(found).items():
        path = directory / f"{name}.svg"
        with mpl.rc_context(_STYLE):
            _figure(those).savefig(path, transparent=True, metadata={"Date": None})
        yield path


def _figure(panels: Sequence[Panel]) -> Figure:
    figure = Figure(figsize=(4.5 * len(panels), 3.8), layout="constrained")
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
        longest = max(len(line.label) for line in panel.lines)
        columns = 2 if longest > _LONG_LABEL else 4
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)


def _scale(axes: Any, panel: Panel) -> None:
    axes.set(xscale="log", xlabel=panel.x, ylabel=panel.y)
    if panel.from_zero:
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
    places = sorted({x for line in panel.lines for x, _ in line.points})
    axes.set_xticks(places, labels=[_tick(x) for x in places])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _tick(value: float) -> str:
    """65536 as 64Ki; other numbers in full, but for thousands of them."""
    for unit, size in (("Mi", 2**20), ("Ki", 2**10)):
        if value >= size and not value % size:
            return f"{value / size:.0f}{unit}"
    return short(value)
