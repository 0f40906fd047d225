"""The seam: what an attack is, which there are, and how the figures of its pieces come together."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Protocol

Figures = dict[str, float | int | str]
#: Is told how much of a piece is done so far.
Told = Callable[[int], None]


class Broken(Exception):
    """What did not hold: a line, or several."""


class Attack(Protocol):
    """One attack; its module ends with `ATTACK = ...`.

    `what`: one line for people. `unit`: what amounts count. `full` is the amount in `make test-full`, a part
    of it that in `make test`; `long` that of the long run. `piece`: so much is done at once, from a seed of
    its own; a run that was broken off goes on behind the last whole piece.
    """

    name: str
    what: str
    unit: str
    full: int
    long: int
    piece: int

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """Attack with so much; the figures. Raises Broken where anything did not hold."""


#: Name to module of this package, in the order in which `all` runs them.
ATTACKS = {
    "frames": "frames",
    "tags": "tags",
    "replays": "replays",
    "weather": "weather",
    "subsets": "subsets",
    "slowloris": "slowloris",
    "flood": "flood",
    "connections": "connections",
    "descriptors": "descriptors",
    "ending": "ending",
}


def load(name: str) -> Attack:
    """The attack of this name; the others stay unloaded."""
    attack: Attack = importlib.import_module(f".{ATTACKS[name]}", __package__).ATTACK
    return attack


def merged(pieces: Iterable[Figures]) -> Figures:
    """Figures of several pieces as one: names that end in `_max` and `_min` tell how, the others are added
    up; of texts the last one stands."""
    found: Figures = {}
    for figures in pieces:
        for name, value in figures.items():
            found[name] = _joined(name, found[name], value) if name in found else value
    return found


def _joined(name: str, before: float | str, value: float | str) -> float | str:
    if isinstance(value, str) or isinstance(before, str):
        return value
    if name.endswith("_max"):
        return max(before, value)
    return min(before, value) if name.endswith("_min") else before + value
