#!/usr/bin/env python3
"""Draws proto/figures/: state machines, messages in their order, the roles.

    python scripts/protocol_figures.py [DIRECTORY]     # proto/figures by default

The figures come out the same on every run, and a test holds the files to that.
"""

from __future__ import annotations

import sys
from pathlib import Path

from drawing import ladders, machine_view, roles
from drawing.machines import MACHINES

FIGURES = Path(__file__).resolve().parent.parent / "proto" / "figures"


def figures() -> dict[str, str]:
    """Every file's name and content."""
    drawn = {machine.name: machine_view.draw(machine) for machine in MACHINES}
    drawn |= {ladder.name: ladders.draw(ladder) for ladder in ladders.LADDERS}
    return {f"{name}.svg": text for name, text in {**drawn, "roles": roles.draw()}.items()}


def main(directory: Path) -> None:
    """Write them."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in figures().items():
        (directory / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES)
