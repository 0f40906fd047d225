"""Progress on standard error: a bar with the time left on a terminal, a line per round elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a run tells on its way."""

    def update(self, done: int) -> None:
        """So much so far."""

    def tell(self, line: str) -> None:
        """Something that stays on the screen."""


class _Lines:
    def update(self, done: int) -> None:
        pass

    def tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, unit: str = "kills") -> Iterator[Progress]:
    """Progress of a run of so many kills, or of another `unit`."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich import progress as bars  # 0.1 s that a run without a terminal need not pay
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.completed:.0f} of {task.total:.0f} {task.description}"),
        bars.BarColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(unit, total=total)

        class Bar:
            def update(self, done: int) -> None:
                bar.update(task, completed=done)

            def tell(self, line: str) -> None:
                bar.console.print(line, highlight=False)

        yield Bar()
