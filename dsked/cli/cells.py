"""Cells of the tables that people see: text that is only text, counts, and signs that a terminal can show.

Loads rich: only for who looks at it. What nodes say is shown as text, never as markup or control characters.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dsked.cli.errors import one_line


class Signs(NamedTuple):
    """What bars and marks are drawn with."""

    full: str
    empty: str
    well: str
    ill: str
    fault: str


UNICODE = Signs("▇", "░", "●", "○", "✗")
ASCII = Signs("#", "-", "+", "!", "X")


def console() -> Console:
    """Standard output. What a terminal has no sign for is shown as a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console()


def signs(console: Console) -> Signs:
    """Those that the terminal can show."""
    return ASCII if console.options.ascii_only else UNICODE


def table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """A table without rows; the columns `right` hold numbers."""
    shown = Table(title=Text(title, style="bold"), title_justify="left", expand=False)
    for column in columns:
        # An ellipsis is no sign of every terminal.
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return shown


def text(value: object, style: str = "") -> Text:
    """A line of text, with nothing in it that a terminal would obey."""
    return Text(one_line(str(value)), style=style)


def number(value: object, style: str = "") -> Text:
    """A count, in `style` where it is not 0; nothing where there is none."""
    if not isinstance(value, int):
        return Text("")
    return Text(f"{value:,}", style=style if value else "")


def part_of(part: object, whole: object) -> Text:
    """`4 of 5`."""
    if not isinstance(part, int) or not isinstance(whole, int):
        return Text("")
    return Text(f"{part:,} of {whole:,}", style="green" if part >= whole else "yellow" if part else "red")
