"""The figures of proto/ are as the script draws them, and say what the tables of states.md say."""

from __future__ import annotations

import re

import pytest
from drawing.machine_view import Machine
from drawing.machines import CLIENT_CONNECTION, HUB_CONNECTION, MACHINES
from protocol_figures import FIGURES, figures

from dsked.wire.connection import Stage
from tests.proto.files import PROTO

_STATES = (PROTO / "states.md").read_text(encoding="utf-8")
_PAGES = {page.name: page.read_text(encoding="utf-8") for page in PROTO.glob("*.md")}


def test_the_figures_are_current() -> None:
    there = {path.name: path.read_text(encoding="ascii") for path in FIGURES.glob("*.svg")}
    assert there == figures(), "python scripts/protocol_figures.py draws them"


def test_every_figure_is_shown() -> None:
    shown = set(re.findall(r"!\[[^]]*\]\(figures/([\w.-]+)\)", "".join(_PAGES.values())))
    linked = set(re.findall(r"\(figures/([\w.-]+)\)", "".join(_PAGES.values())))
    assert linked == set(figures())
    assert len(shown) >= len(figures()) - 1


def _rows(machine: Machine) -> list[list[str]]:
    section = _STATES.split(f"\n## {machine.name}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()]
    return [row for row in rows if row and re.fullmatch(r"[A-Z]\d+", row[0])]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_table_and_its_figure_have_the_same_moves(machine: Machine) -> None:
    states = {state.name for state in machine.states}
    told = {row[0]: (set(row[1].split(", ")), set(row[5].split(", "))) for row in _rows(machine)}
    assert all(before | after <= states for before, after in told.values())
    for number, (before, after) in told.items():
        moves = [move for move in machine.moves if move.number == number]
        assert {move.target for move in moves} == after, number
        assert {move.source for move in moves} <= before, number
    assert {move.number for move in machine.moves} == told.keys()


def test_the_connections_have_the_stages_of_the_code() -> None:
    told = {state.name for machine in (CLIENT_CONNECTION, HUB_CONNECTION) for state in machine.states}
    assert {stage.name for stage in Stage} - told == {"CLOSING"}
