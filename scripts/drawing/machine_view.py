"""A state machine as a figure: states where their table puts them, an arrow for every move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from drawing.svg import Page, Point

_UNIT: Point = (240, 112)
_MARGIN: Point = (104, 86)
_HEIGHT = 36
_CHARACTER = 8.6


class State(NamedTuple):
    """A state and its place on the grid. `end`: nothing follows but to begin anew."""

    name: str
    column: float
    row: float
    end: bool = False


class Move(NamedTuple):
    """One move of a state machine. `label`: a few words; `bend`: how far the arrow swings to its left;
    `at`: where on it the label stands, from 0 to 1; `shift`: of the label, in pixels."""

    number: str
    source: str
    target: str
    label: str = ""
    bend: float = 0
    at: float = 0.5
    shift: Point = (0, 0)


class Machine(NamedTuple):
    """`name`: of the file, and of the section in states.md that has its table."""

    name: str
    title: str
    states: Sequence[State]
    moves: Sequence[Move]


def draw(machine: Machine) -> str:
    """The SVG."""
    width = max(state.column for state in machine.states) * _UNIT[0] + 2 * _MARGIN[0]
    places = {state.name: _place(state) for state in machine.states}
    curves = [_curve(move, places) for move in machine.moves]
    lowest = [y for curve in curves for _, y in (curve if len(curve) == 4 else [_on(curve, 0.5)])]
    height = max(*lowest, *(y for _, y in places.values())) + 40
    page = Page(width, height, machine.title)
    page.words((14, 24), machine.title, "strong")
    for curve in curves:
        page.path(curve)
    for state in machine.states:
        kind = "end" if state.end else "box"
        page.box(places[state.name], (_width(state.name), _HEIGHT), [state.name], kind=kind)
    for move, curve in zip(machine.moves, curves, strict=True):
        _label(page, move, curve)
    return page.text


def _place(state: State) -> Point:
    return _MARGIN[0] + state.column * _UNIT[0], _MARGIN[1] + 14 + state.row * _UNIT[1]


def _width(name: str) -> float:
    return max(84, len(name) * _CHARACTER + 24)


def _curve(move: Move, places: dict[str, Point]) -> list[Point]:
    if move.source == move.target:
        x, y = places[move.source]
        top = y - _HEIGHT / 2
        if move.bend < 0:
            top = y + _HEIGHT / 2
        side = -48 if move.bend >= 0 else 48
        return [(x - 20, top), (x - 34, top + side), (x + 34, top + side), (x + 20, top)]
    (x0, y0), (x1, y1) = places[move.source], places[move.target]
    length = math.hypot(x1 - x0, y1 - y0)
    middle = (x0 + x1) / 2 + move.bend * (y1 - y0) / length, (y0 + y1) / 2 - move.bend * (x1 - x0) / length
    start = _rim((x0, y0), middle, _width(move.source))
    end = _rim((x1, y1), middle, _width(move.target))
    return [start, end] if not move.bend else [start, middle, end]


def _rim(centre: Point, towards: Point, width: float) -> Point:
    """Where the line from a box's middle leaves it."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    share = min(
        (width / 2 + 2) / abs(dx) if dx else math.inf, (_HEIGHT / 2 + 2) / abs(dy) if dy else math.inf
    )
    return centre[0] + dx * share, centre[1] + dy * share


def _on(curve: Sequence[Point], t: float) -> Point:
    """A point on a line or on a curve with one control point; `t` from 0 to 1."""
    (x0, y0), (x2, y2) = curve[0], curve[-1]
    x1, y1 = curve[1] if len(curve) == 3 else ((x0 + x2) / 2, (y0 + y2) / 2)
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2


def _label(page: Page, move: Move, curve: Sequence[Point]) -> None:
    if len(curve) == 4:
        x, y = (curve[0][0] + curve[3][0]) / 2, curve[1][1] + (6 if move.bend >= 0 else 4)
    else:
        x, y = _on(curve, move.at)
    lines = f"{move.number}  {move.label}".rstrip().split("\n")
    for row, line in enumerate(lines):
        at = y + 4 + 13.5 * (row - (len(lines) - 1) / 2) + move.shift[1]
        page.label((x + move.shift[0], at), line)
